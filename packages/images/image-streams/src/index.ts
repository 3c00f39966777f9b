/**
 * Images in a stream of records: their parts collected, checked against their manifests, and put to a place.
 *
 * @module
 */
export { PutAhead, type PutAheadOptions } from './ahead.js'
export { type ArchiveContent, archiveContent, archiveName } from './archive.js'
export { type Closing, named } from './naming.js'
export type { ClosedImage, Part } from './parts.js'
export { isRoot, PartsInStream } from './parts.js'
export type { Planned, Put, PutOptions } from './put.js'
export { putImage } from './put.js'
export { sideBySide } from './side-by-side.js'
export { BlobSource } from './source.js'
export { Uploads } from './uploads.js'
