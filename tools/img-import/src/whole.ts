import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isIndexType, isManifestType, parseManifest } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'

/** Indexes in indexes. */
const MAX_DEPTH = 4

/**
 * Looks for everything that an image names, and says of each blob that it is in use.
 *
 * @throws ToolError `BLOB_MISSING`; `SIZE_MISMATCH`, `DIGEST_MISMATCH` of a manifest; those of `parseManifest`
 */
export function checkWhole(store: Store, entry: Descriptor, depth = 0): void {
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
  const document = parseManifest(store.readBlob(digest), { mediaType })
  const named = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
  for (const descriptor of named) checkWhole(store, descriptor, depth + 1)
}
