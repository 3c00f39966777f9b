import type { Digest } from '@pipelayer/digest'

/** A file with the bytes of a blob. */
export interface StoredFile {
  readonly file: string
  /** Bytes. */
  readonly size: number
}

/** A checked manifest that is being put. */
export interface NewManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Buffer
  /** For an index: its manifests that have no name of their own. */
  readonly children: readonly Digest[]
  /** The tags of the manifest. Without any, it can be pulled by its digest only. */
  readonly tags: readonly string[]
}

/**
 * The place where a registry keeps its content. Other programs may write there at the same time, so nothing is cached.
 */
export interface RegistryStorage {
  /** Names of repositories that hold something, in byte order. */
  repositories(): Promise<readonly string[]>
  /** A repository, which need not exist; its name was checked. */
  repository(name: string): RepositoryStorage
  /** Every folder that holds upload sessions. */
  uploadFolders(): Promise<readonly string[]>
}

/**
 * One repository of a storage. Lookups are synchronous, since they take a few system calls on cached data. A put has
 * reached the disk when its promise resolves, and an interrupted one leaves the state from before.
 */
export interface RepositoryStorage {
  readonly name: string
  /** The folder of its upload sessions, on the file system of the blobs. */
  readonly uploads: string
  exists(): boolean
  /** The tags, in byte order. */
  tags(): readonly string[]
  resolve(tag: string): Digest | undefined
  hasManifest(digest: Digest): boolean
  /** The checked bytes of a manifest for which {@link hasManifest} is true. */
  manifest(digest: Digest): Promise<Buffer>
  /** All manifests for which {@link hasManifest} is true. */
  manifests(): Iterable<Digest>
  putManifest(manifest: NewManifest): Promise<void>
  /** Deletes a manifest. This and the other two deletions return false where there was nothing to delete. */
  deleteManifest(digest: Digest): Promise<boolean>
  deleteTag(tag: string): Promise<boolean>
  blob(digest: Digest): StoredFile | undefined
  /** Makes a file a blob by renaming it. The file is flushed, and its digest and size were checked. */
  adoptBlob(digest: Digest, upload: StoredFile): Promise<void>
  /** Adds a blob of another repository, or of any repository where `from` is not given; false where it is not there. */
  mountBlob(digest: Digest, from?: string): Promise<boolean>
  /** @throws {ToolError} `UNSUPPORTED` where blobs cannot be removed from one repository alone */
  deleteBlob(digest: Digest): Promise<boolean>
}
