/**
 * The folder of a Docker engine that keeps its images by the graph driver overlay2: read, also while the engine runs,
 * and written while none does.
 *
 * @module
 */
export { DockerFolder } from './folder.js'
export { type ImageName, parseImageName } from './image-name.js'
export { ImageWriter } from './image-writer.js'
export type { StoredLayer } from './layer.js'
export type { Unpack } from './new-layer.js'
