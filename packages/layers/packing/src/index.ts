/**
 * Packs a change set, or an existing tar, into the blob of a layer, always with the same bytes.
 *
 * @module
 */

export { CheckedBlobs } from './checked-blobs.js'
export { encodingOf, isSameTar } from './encoding.js'
export { packChanges, packTar } from './pack.js'
export type { BlobSink, CompressOptions, PackedLayer, PackOptions } from './types.js'
