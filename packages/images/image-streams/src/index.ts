/**
 * Images in a stream of records: their parts collected, checked against their manifests, and put to a place.
 *
 * @module
 */
export { type Closing, named } from './naming.js'
export type { Part } from './parts.js'
export { isRoot, PartsInStream } from './parts.js'
export { putImage } from './put.js'
export { type PutImagesOptions, putImages } from './put-images.js'
export { sideBySide } from './side-by-side.js'
export { Uploads } from './uploads.js'
