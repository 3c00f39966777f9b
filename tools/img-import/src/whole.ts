import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isIndexType, isManifestType, parseManifest } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import type { ImgImportOptions } from './index.js'

/** Indexes in indexes. */
const MAX_DEPTH = 4

export interface CheckOptions {
  /** Told of a document that has another name for its type than the descriptor. */
  readonly warn?: ImgImportOptions['warn']
  /** In how many indexes the entry lies. */
  readonly depth?: number
}

/**
 * Looks for everything that an image names, and says of each blob that it is in use.
 *
 * @throws ToolError `BLOB_MISSING`; `SIZE_MISMATCH`, `DIGEST_MISMATCH` of a manifest; those of `parseManifest`
 */
export function checkWhole(store: Store, entry: Descriptor, { warn, depth = 0 }: CheckOptions = {}): void {
  const { digest, size, mediaType } = entry
  if (depth > MAX_DEPTH) {
    throw new ToolError('MANIFEST_INVALID', `indexes nested deeper than ${MAX_DEPTH} levels`)
  }
  if (!store.hasBlob(digest, size)) {
    const why = 'it is neither in the archive nor in the store; have blob-want ask for it again'
    throw new ToolError('BLOB_MISSING', `cannot take the image: blob ${digest} is missing: ${why}`)
  }
  store.touch(store.blobPath(digest))
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) return
  const document = parseManifest(store.readBlob(digest), {
    mediaType,
    warn: (why, code) => warn?.(`${digest}: ${why}`, code),
  })
  const named = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
  for (const descriptor of named) checkWhole(store, descriptor, { warn, depth: depth + 1 })
}
