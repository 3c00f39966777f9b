import { type DocumentLinks, type Link, reach } from '@pipelayer/collection'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Layout } from '@pipelayer/layout'
import { type Descriptor, isIndexType, isManifestType, type Manifest, parseManifest } from '@pipelayer/oci'

/** How deep indexes may lie in indexes. */
const MAX_DEPTH = 4
const NOTHING: DocumentLinks = { documents: [], contents: [] }

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
  readonly descriptor: Entry
  readonly document: Manifest
}

type Entry = Pick<Descriptor, 'digest' | 'size' | 'mediaType' | 'platform'>

/**
 * Reads the documents below an entry of a layout's index, as strictly as a program that uses the image. Configs and
 * layers are not read. Garbage collection follows the same links, but must go on where this throws: see
 * `DocumentReader` of `@pipelayer/collection`.
 *
 * @throws {ToolError} `DIGEST_MISMATCH`, `MANIFEST_INVALID` and their like, for a document that is damaged
 */
export function contentOf(layout: Layout, entry: Entry): Content {
  const reader = new StrictReader(layout, entry)
  const { links, broken } = reach([entry], link => reader.links(link))
  return {
    blobs: new Map([...links].map(([digest, { size }]) => [digest, size])),
    manifests: reader.manifests,
    absent: broken.map(({ link }) => link.digest),
  }
}

class StrictReader {
  readonly manifests: ReadManifest[] = []
  readonly #layout: Layout
  readonly #depths: Map<Digest, number>

  constructor(layout: Layout, root: Entry) {
    this.#layout = layout
    this.#depths = new Map([[root.digest, 0]])
  }

  /** What a document names; undefined where it is missing. An index may name anything, and what is no manifest names nothing. */
  links(entry: Link & Pick<Entry, 'platform'>): DocumentLinks | undefined {
    const { digest, mediaType } = entry
    if (!isManifestType(mediaType) && !isIndexType(mediaType)) return NOTHING
    if (!this.#layout.hasBlob(digest)) return undefined
    const depth = this.#depths.get(digest) ?? 0
    if (depth > MAX_DEPTH)
      throw new ToolError('MANIFEST_INVALID', `index in index, more than ${MAX_DEPTH} levels deep: ${digest}`)
    const document = parseManifest(this.#layout.readBlob(digest), { mediaType, warn: () => {} })
    if (document.kind === 'index') {
      for (const child of document.manifests) this.#depths.set(child.digest, depth + 1)
      return { documents: document.manifests, contents: [] }
    }
    this.manifests.push({ descriptor: entry, document })
    return { documents: [], contents: [document.config, ...document.layers] }
  }
}
