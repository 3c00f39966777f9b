/**
 * From a change set, or a tar that exists, to the blob of a layer: always the same bytes.
 *
 * @module
 */

export { encodingOf, isSameTar } from './encoding.js'
export { packChanges, packTar } from './pack.js'
export type { BlobSink, CompressOptions, PackedLayer, PackOptions } from './types.js'
