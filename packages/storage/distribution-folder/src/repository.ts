import fs from 'node:fs'
import path from 'node:path'
import { type Digest, isDigest, verified } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { Batch } from './batch.js'
import { foldersIn, openFile, readLink, sizeOf } from './files.js'
import type { PartialFolder } from './partial.js'
import { type FolderPaths, isTag } from './paths.js'

/** One repository of the folder, which need not exist. It keeps nothing in memory. */
export class FolderRepository {
  readonly name: string
  readonly #paths: FolderPaths
  readonly #partial: PartialFolder

  constructor(paths: FolderPaths, partial: PartialFolder, name: string) {
    this.#paths = paths
    this.#partial = partial
    this.name = name
  }

  /** True once something was put there; an upload alone does not make a repository. */
  exists(): boolean {
    const folder = this.#paths.repository(this.name)
    return ['_manifests', '_layers'].some(name => fs.existsSync(path.join(folder, name)))
  }

  /** The tags, in byte order. A tag without its current link, as a crash may leave it, does not count. */
  tags(): string[] {
    const current = (tag: string): string => this.#paths.currentLink(this.name, tag)
    return foldersIn(this.#paths.tags(this.name)).filter(
      tag => isTag(tag) && sizeOf(current(tag)) !== undefined,
    )
  }

  /**
   * The digest that a tag stands for; undefined where there is no such tag. @throws {ToolError} `TAG_INVALID`,
   * `LINK_INVALID`
   */
  resolve(tag: string): Digest | undefined {
    return readLink(this.#paths.currentLink(this.name, tag))
  }

  hasManifest(digest: Digest): boolean {
    return (
      readLink(this.#paths.revisionLink(this.name, digest)) === digest &&
      sizeOf(this.#paths.blob(digest)) !== undefined
    )
  }

  /**
   * The bytes of a manifest, checked.
   *
   * @throws {ToolError} `MANIFEST_UNKNOWN`; `SIZE_INVALID` for more than 4 MiB; `DIGEST_MISMATCH` for a damaged one
   */
  async manifest(digest: Digest): Promise<Buffer> {
    const linked = readLink(this.#paths.revisionLink(this.name, digest)) === digest
    const opened = linked ? openFile(this.#paths.blob(digest)) : undefined
    if (opened === undefined)
      throw new ToolError('MANIFEST_UNKNOWN', `there is no manifest ${digest} in repository ${this.name}`)
    const { fd, size } = opened
    try {
      if (size > MAX_DOCUMENT)
        throw new ToolError('SIZE_INVALID', `manifest ${digest} has ${size} bytes, more than ${MAX_DOCUMENT}`)
      const chunks: Buffer[] = []
      for await (const chunk of verified([fs.readFileSync(fd)], { digest })) chunks.push(chunk)
      return Buffer.concat(chunks)
    } finally {
      fs.closeSync(fd)
    }
  }

  /** The digests of all manifests that the repository may serve, in no order. */
  *manifests(): Generator<Digest, void, undefined> {
    const folder = this.#paths.revisions(this.name)
    for (const algorithm of foldersIn(folder)) {
      for (const hex of foldersIn(path.join(folder, algorithm))) {
        const digest = `${algorithm}:${hex}`
        if (isDigest(digest) && this.hasManifest(digest)) yield digest
      }
    }
  }

  /** The file of a blob that the repository may serve, and its size; undefined where it has none. */
  blob(digest: Digest): { readonly file: string; readonly size: number } | undefined {
    if (readLink(this.#paths.layerLink(this.name, digest)) !== digest) return undefined
    const file = this.#paths.blob(digest)
    const size = sizeOf(file)
    return size === undefined ? undefined : { file, size }
  }

  /** Begins a batch of writes. The caller ends it by `commit` or `abort`. */
  batch(): Batch {
    return new Batch(this.#paths, this.#partial, this.name)
  }

  /** Deletes a tag; its manifest stays. False where there was no such tag. */
  deleteTag(tag: string): boolean {
    if (this.resolve(tag) === undefined) return false
    const folder = this.#paths.tag(this.name, tag)
    // The current link is removed first, so that an interrupted deletion does not leave a tag that looks complete.
    this.#remove(path.join(folder, 'current'))
    this.#remove(folder)
    return true
  }

  /**
   * Deletes a manifest and the tags that stand for it. Its bytes stay until the registry's own garbage collection.
   * False where there was no such manifest.
   */
  deleteManifest(digest: Digest): boolean {
    const link = this.#paths.revisionLink(this.name, digest)
    if (readLink(link) === undefined) return false
    for (const tag of this.tags()) if (this.resolve(tag) === digest) this.deleteTag(tag)
    this.#remove(path.dirname(link))
    return true
  }

  /** Removes a blob from this repository. False where the repository did not have it. */
  deleteBlob(digest: Digest): boolean {
    const link = this.#paths.layerLink(this.name, digest)
    if (readLink(link) === undefined) return false
    this.#remove(path.dirname(link))
    return true
  }

  #remove(folder: string): void {
    attempt(`remove "${folder}"`, () => fs.rmSync(folder, { recursive: true, force: true }))
  }
}
