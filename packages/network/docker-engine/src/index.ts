/**
 * The API of a Docker engine, or of podman in its place: images are read from it and loaded into it.
 *
 * @module
 */
export { type EngineAddress, findEngine } from './address.js'
export { Engine } from './engine.js'
export type { ImageLoad } from './image-load.js'
