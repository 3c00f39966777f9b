import fs from 'node:fs'
import type { BlobWriter, ProvenBlob, StagedBlob } from '@pipelayer/layout'
import { type Descriptor, isIndexType, isManifestType, MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'

/** How many small blobs may wait for the index; each takes 100 bytes of memory. */
const MAX_STAGED = 100_000
/** How deep indexes may be nested. */
const MAX_DEPTH = 4

/**
 * Holds complete and checked blobs of an archive until its end, when the index tells which of them an image needs; the
 * others are dropped. Small blobs are flushed together: to flush 50,000 one by one takes minutes, all at once a second.
 * Large blobs wait as partial files of the store, so that they are not lost if the program is killed.
 */
export class StagedBlobs {
  readonly #store: Store
  readonly #blobs = new Map<string, StagedBlob>()
  readonly #held = new Map<string, ProvenBlob>()

  constructor(store: Store) {
    this.#store = store
  }

  has(digest: string): boolean {
    return this.#blobs.has(digest) || this.#held.has(digest)
  }

  add(blob: StagedBlob): void {
    this.#blobs.set(blob.digest, blob)
    if (this.#blobs.size >= MAX_STAGED) this.#publishSmall()
  }

  /**
   * Takes a large blob that is completely written.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`: its file is removed
   */
  hold(writer: BlobWriter): void {
    if (writer.isKept) {
      const proven = writer.suspendProven()
      this.#held.set(proven.digest, proven)
    } else this.add(writer.stage())
  }

  /** Puts all blobs into the store: if an archive was cut, nobody knows which of them are needed. */
  async publishAll(): Promise<void> {
    this.#publishSmall()
    for (const held of this.#held.values()) (await this.#store.resumeProven(held))?.commit()
    this.#held.clear()
  }

  #publishSmall(): void {
    this.#store.publishStaged([...this.#blobs.values()])
    this.#blobs.clear()
  }

  /**
   * Puts those blobs into the store that the images need, and the indexes that their names pin.
   *
   * @returns how many blobs no image needs; they are removed
   */
  async publishNamed(images: readonly Descriptor[], pinned: readonly string[]): Promise<number> {
    const named = new Set<string>()
    for (const image of images) this.#collect(image, named, 0)
    for (const digest of pinned) named.add(digest)
    const all = [...this.#blobs.values()]
    const others = all.filter(({ digest }) => !named.has(digest))
    this.#store.publishStaged(all.filter(({ digest }) => named.has(digest)))
    this.#store.discardStaged(others)
    this.#blobs.clear()
    const large = [...this.#held.values()]
    this.#held.clear()
    for (const held of large) {
      const writer = await this.#store.resumeProven(held)
      if (named.has(held.digest)) writer?.commit()
      else writer?.abort()
    }
    return others.length + large.filter(({ digest }) => !named.has(digest)).length
  }

  #collect({ digest, mediaType }: Descriptor, named: Set<string>, depth: number): void {
    if (named.has(digest) || depth > MAX_DEPTH) return
    named.add(digest)
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return
    for (const child of this.#childrenOf(digest, mediaType)) this.#collect(child, named, depth + 1)
  }

  // A document that cannot be read names no blobs here; its error is reported when the image is checked.
  #childrenOf(digest: string, mediaType: string): readonly Descriptor[] {
    try {
      const staged = this.#held.get(digest) ?? this.#blobs.get(digest)
      if (staged !== undefined && staged.size > MAX_DOCUMENT) return []
      const bytes = staged === undefined ? this.#store.readBlob(digest) : fs.readFileSync(staged.temporary)
      const document = parseManifest(bytes, { mediaType })
      return document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
    } catch {
      return []
    }
  }
}
