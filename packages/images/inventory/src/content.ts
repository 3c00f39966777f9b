import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Layout } from '@pipelayer/layout'
import { type Descriptor, isIndexType, isManifestType, type Manifest, parseManifest } from '@pipelayer/oci'

/** How deep indexes may lie in indexes. */
const MAX_DEPTH = 4

/** All that a manifest or an index stands for, itself included. */
export interface Content {
  /** Bytes by digest: documents, configs and layers. Blobs that the layout lacks are among them. */
  readonly blobs: ReadonlyMap<Digest, number>
  /** The manifests in the order of their indexes, each once. */
  readonly manifests: readonly ReadManifest[]
  /** Digests of manifests and indexes that the layout does not have. An index of which one platform was pulled has some. */
  readonly absent: readonly Digest[]
}

export interface ReadManifest {
  readonly descriptor: Pick<Descriptor, 'digest' | 'size' | 'mediaType' | 'platform'>
  readonly document: Manifest
}

type Entry = ReadManifest['descriptor']

/**
 * Reads the documents below an entry of a layout's index. Configs and layers are not read.
 *
 * @throws {ToolError} `DIGEST_MISMATCH`, `MANIFEST_INVALID` and their like, for a document that is damaged
 */
export function contentOf(layout: Layout, entry: Entry): Content {
  const reader = new Reader(layout)
  reader.read(entry, 0)
  return reader
}

class Reader implements Content {
  readonly blobs = new Map<Digest, number>()
  readonly manifests: ReadManifest[] = []
  readonly absent: Digest[] = []
  readonly #layout: Layout

  constructor(layout: Layout) {
    this.#layout = layout
  }

  read(entry: Entry, depth: number): void {
    const { digest, size, mediaType } = entry
    if (this.blobs.has(digest)) return
    this.blobs.set(digest, size)
    // An index may name anything, and what is no manifest stands for itself alone.
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return
    if (!this.#layout.hasBlob(digest)) {
      this.absent.push(digest)
      return
    }
    if (depth > MAX_DEPTH)
      throw new ToolError('MANIFEST_INVALID', `index in index, more than ${MAX_DEPTH} levels deep: ${digest}`)
    const document = parseManifest(this.#layout.readBlob(digest), { mediaType, warn: () => {} })
    if (document.kind === 'index') {
      for (const child of document.manifests) this.read(child, depth + 1)
      return
    }
    for (const blob of [document.config, ...document.layers]) this.blobs.set(blob.digest, blob.size)
    this.manifests.push({ descriptor: entry, document })
  }
}
