/**
 * What a store holds: which blobs its images need, the parts of its build cache, what is left over, and how much of the
 * disk each takes.
 *
 * @module
 */

export { type BlobFile, blobFiles } from './blob-files.js'
export { type CacheUnit, cacheUnits } from './cache-units.js'
export { bytesOnDisk, type Counted, diskBytes } from './disk-bytes.js'
export { type DocumentLinks, DocumentReader, type Link } from './document-reader.js'
export { type Leftover, leftovers } from './leftovers.js'
export { reach } from './reach.js'
