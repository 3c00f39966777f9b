import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isDocument, isIndexType, isManifestType, parseManifest } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import type { ImgImportOptions } from './options.js'

/** How deep indexes may be nested. */
const MAX_DEPTH = 4

export interface WholeOptions {
  readonly store: Store
  /** Blobs that are known to be right. */
  readonly proven: ReadonlySet<Digest>
  /** Read layers of the store as well, not only documents. */
  readonly verify: boolean
  /** Is called if a document and its descriptor have different names for the same type. */
  readonly warn?: ImgImportOptions['warn']
}

/**
 * Looks for every blob that an image names, and marks each as used. For a layer that the store had before, only the
 * size is compared, unless `verify` is set. A damaged blob is set aside and counts as missing.
 *
 * @throws ToolError `BLOB_MISSING`; those of `parseManifest`
 */
export async function checkWhole(options: WholeOptions, entry: Descriptor, depth = 0): Promise<void> {
  const { store, warn } = options
  const { digest, mediaType } = entry
  if (depth > MAX_DEPTH) {
    throw new ToolError('MANIFEST_INVALID', `indexes nested deeper than ${MAX_DEPTH} levels`)
  }
  if (!(await isThere(options, entry))) {
    const why = 'it is neither in the archive nor, undamaged, in the store; have blob-want ask for it again'
    throw new ToolError('BLOB_MISSING', `cannot take the image: blob ${digest} is missing: ${why}`)
  }
  store.touch(store.blobPath(digest))
  if (!isManifestType(mediaType) && !isIndexType(mediaType)) return
  const document = parseManifest(store.readBlob(digest), {
    mediaType,
    warn: (why, code) => warn?.(`${digest}: ${why}`, code),
  })
  const named = document.kind === 'index' ? document.manifests : [document.config, ...document.layers]
  for (const descriptor of named) await checkWhole(options, descriptor, depth + 1)
}

async function isThere({ store, proven, verify }: WholeOptions, entry: Descriptor): Promise<boolean> {
  const { digest, size } = entry
  if (!store.hasBlob(digest, size)) return false
  if (proven.has(digest) || !(verify || isDocument(entry))) return true
  return store.proveBlob({ digest, size })
}
