/**
 * Images pulled from places: one of them whole into the store, or many as records.
 *
 * @module
 */
export {
  type FetchedImage,
  type FetchImageOptions,
  fetchDocuments,
  fetchImage,
  fetchLayers,
} from './fetch-image.js'
export { imagePlace } from './image-place.js'
export { machinePlatform } from './machine.js'
export { type PullOptions, pullImages } from './pull-images.js'
export { type ReadImage, type ReadLayer, readImage } from './read-image.js'
