import fs from 'node:fs'
import type { BlobWriter, ProvenBlob, StagedBlob } from '@pipelayer/layout'
import { type Descriptor, isIndexType, isManifestType, MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'

/** Small blobs that wait for the index at most: 100 bytes of memory each. */
const MAX_STAGED = 100_000
/** Indexes in indexes. */
const MAX_DEPTH = 4

/**
 * Blobs of an archive, whole and checked, that wait until its end: only then the index says which of them an image needs,
 * and the others are left out. Small ones are flushed together: flushing each of 50,000 takes minutes, all of them a
 * second. Large ones wait as partial files of the store, so that a program that is killed here has not worked in vain.
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
   * Takes a large blob of which all is written.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`: its file is gone
   */
  hold(writer: BlobWriter): void {
    if (writer.isKept) {
      const proven = writer.suspendProven()
      this.#held.set(proven.digest, proven)
    } else this.add(writer.stage())
  }

  /** Puts all of them into the store: of an archive that was cut nobody knows what is needed. */
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
   * Puts into the store what the images need, and the indexes that their names pin.
   *
   * @returns how many blobs nothing names: they are gone
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

  // What cannot be read names nothing here; who takes the image says what is wrong with it.
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
