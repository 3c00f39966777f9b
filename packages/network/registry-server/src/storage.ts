import type { Digest } from '@pipelayer/digest'

/** A file with the bytes of a blob. */
export interface StoredFile {
  readonly file: string
  /** Bytes. */
  readonly size: number
}

/** A manifest, checked, on its way in. */
export interface NewManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Buffer
  /** Manifests of an index that only the index will name. */
  readonly children: readonly Digest[]
  /** Without any the manifest can be had by its digest only. */
  readonly tags: readonly string[]
}

/** Where a registry keeps what it serves. Other programs may write there at the same time: nothing is remembered. */
export interface RegistryStorage {
  /** Names of repositories that hold something, in byte order. */
  repositories(): Promise<readonly string[]>
  /** A repository, whether it is there or not; its name was checked. */
  repository(name: string): RepositoryStorage
  /** Every folder that holds upload sessions. */
  uploadFolders(): Promise<readonly string[]>
}

/**
 * One repository of a storage. Lookups are synchronous: they cost a few system calls on what the page cache holds.
 * What is put is on the disk when the promise is kept, and what is cut short leaves the state from before.
 */
export interface RepositoryStorage {
  readonly name: string
  /** The folder of its upload sessions, on the file system of the blobs. */
  readonly uploads: string
  exists(): boolean
  /** In byte order. */
  tags(): readonly string[]
  resolve(tag: string): Digest | undefined
  hasManifest(digest: Digest): boolean
  /** The bytes of a manifest that {@link hasManifest}, checked. */
  manifest(digest: Digest): Promise<Buffer>
  /** All that {@link hasManifest}. */
  manifests(): Iterable<Digest>
  putManifest(manifest: NewManifest): Promise<void>
  /** False where there was none, as with the other two. */
  deleteManifest(digest: Digest): Promise<boolean>
  deleteTag(tag: string): Promise<boolean>
  blob(digest: Digest): StoredFile | undefined
  /** Takes a flushed file, of which digest and size were checked, by renaming it. */
  adoptBlob(digest: Digest, upload: StoredFile): Promise<void>
  /** Shares a blob of another repository, of any where none is given; false where that has none. */
  mountBlob(digest: Digest, from?: string): Promise<boolean>
  /** @throws {ToolError} `UNSUPPORTED` where blobs cannot be taken from one repository alone */
  deleteBlob(digest: Digest): Promise<boolean>
}
