import fs from 'node:fs'
import { type Descriptor, isIndexType, isManifestType, MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import type { StagedBlob, Store } from '@pipelayer/store'

/** Blobs that wait for the index at most: 100 bytes of memory each. */
const MAX_STAGED = 100_000
/** Indexes in indexes. */
const MAX_DEPTH = 4

/**
 * Small blobs of an archive, whole and checked, that wait until its end: flushing each of 50,000 takes minutes, flushing
 * them together a second, and only then the index says which of them an image needs.
 */
export class StagedBlobs {
  readonly #store: Store
  readonly #blobs = new Map<string, StagedBlob>()

  constructor(store: Store) {
    this.#store = store
  }

  has(digest: string): boolean {
    return this.#blobs.has(digest)
  }

  add(blob: StagedBlob): void {
    this.#blobs.set(blob.digest, blob)
    if (this.#blobs.size >= MAX_STAGED) this.publishAll()
  }

  /** Puts all of them into the store: of an archive that was cut nobody knows what is needed. */
  publishAll(): void {
    this.#store.publishStaged([...this.#blobs.values()])
    this.#blobs.clear()
  }

  /**
   * Puts into the store what the images need, and the indexes that their names pin.
   *
   * @returns how many blobs nothing names: they are gone
   */
  publishNamed(images: readonly Descriptor[], pinned: readonly string[]): number {
    const named = new Set<string>()
    for (const image of images) this.#collect(image, named, 0)
    for (const digest of pinned) named.add(digest)
    const all = [...this.#blobs.values()]
    const others = all.filter(({ digest }) => !named.has(digest))
    this.#store.publishStaged(all.filter(({ digest }) => named.has(digest)))
    this.#store.discardStaged(others)
    this.#blobs.clear()
    return others.length
  }

  #collect({ digest, mediaType }: Descriptor, named: Set<string>, depth: number): void {
    if (named.has(digest) || depth > MAX_DEPTH) return
    named.add(digest)
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return
    for (const child of this.#childrenOf(digest, mediaType)) this.#collect(child, named, depth + 1)
  }

  // What cannot be read names nothing here; who takes the image says what is wrong with it.
  #childrenOf(digest: string, mediaType: string): readonly Descriptor[] {
    try {
      const staged = this.#blobs.get(digest)
      if (staged !== undefined && staged.size > MAX_DOCUMENT) return []
      const bytes = staged === undefined ? this.#store.readBlob(digest) : fs.readFileSync(staged.temporary)
      const document = parseManifest(bytes, { mediaType })
      return document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
    } catch {
      return []
    }
  }
}
