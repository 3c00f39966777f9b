import type { Digest } from '@pipelayer/digest'
import type { DistributionFolder, FolderRepository } from '@pipelayer/distribution-folder'
import type { NewManifest, RegistryStorage, RepositoryStorage, StoredFile } from './storage.js'

/**
 * A storage in distribution's own folder. That registry can run on the same folder before, after, or at the same time.
 */
export class FolderStorage implements RegistryStorage {
  readonly #folder: DistributionFolder

  constructor(folder: DistributionFolder) {
    this.#folder = folder
  }

  repositories(): Promise<string[]> {
    return this.#folder.repositories()
  }

  repository(name: string): RepositoryStorage {
    return new FolderRepositoryStorage(this.#folder, name)
  }

  async uploadFolders(): Promise<string[]> {
    const names = await this.#folder.repositories({ withUploads: true })
    return names.map(name => this.#folder.paths.uploads(name))
  }
}

class FolderRepositoryStorage implements RepositoryStorage {
  readonly name: string
  readonly uploads: string
  readonly #folder: DistributionFolder
  readonly #repository: FolderRepository

  constructor(folder: DistributionFolder, name: string) {
    this.name = name
    this.uploads = folder.paths.uploads(name)
    this.#folder = folder
    this.#repository = folder.repository(name)
  }

  exists(): boolean {
    return this.#repository.exists()
  }

  tags(): string[] {
    return this.#repository.tags()
  }

  resolve(tag: string): Digest | undefined {
    return this.#repository.resolve(tag)
  }

  hasManifest(digest: Digest): boolean {
    return this.#repository.hasManifest(digest)
  }

  manifest(digest: Digest): Promise<Buffer> {
    return this.#repository.manifest(digest)
  }

  manifests(): Iterable<Digest> {
    return this.#repository.manifests()
  }

  async putManifest({ digest, bytes, tags }: NewManifest): Promise<void> {
    const batch = this.#repository.batch()
    batch.putManifest(digest, bytes, tags)
    await batch.commit()
  }

  async deleteManifest(digest: Digest): Promise<boolean> {
    return this.#repository.deleteManifest(digest)
  }

  async deleteTag(tag: string): Promise<boolean> {
    return this.#repository.deleteTag(tag)
  }

  blob(digest: Digest): StoredFile | undefined {
    return this.#repository.blob(digest)
  }

  // An existing blob is replaced too, since it may be damaged, and this one was checked.
  async adoptBlob(digest: Digest, { file }: StoredFile): Promise<void> {
    const batch = this.#repository.batch()
    batch.adoptBlob(digest, file)
    await batch.commit()
  }

  async mountBlob(digest: Digest, from?: string): Promise<boolean> {
    const isThere =
      from === undefined
        ? this.#folder.blobSize(digest) !== undefined
        : this.#folder.repository(from).blob(digest) !== undefined
    if (!isThere) return false
    const batch = this.#repository.batch()
    batch.linkBlob(digest)
    await batch.commit()
    return true
  }

  async deleteBlob(digest: Digest): Promise<boolean> {
    return this.#repository.deleteBlob(digest)
  }
}
