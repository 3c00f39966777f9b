/**
 * The executed and packed steps of earlier builds: in the store, and in caches that other machines wrote.
 *
 * @module
 */

export { CACHE_CONFIG_TYPE, cacheConfig, cacheManifest, type SharedStep } from './cache-document.js'
export { cachePlace } from './cache-place.js'
export { contentWith } from './chain-content.js'
export { layerFields, type PackedStep } from './packed-step.js'
export { contentDir, type DoneStep, StepCache, type StepFolder } from './step-cache.js'
export { type ImportedStep, StepImports } from './step-imports.js'
export { type EncodedLayer, usualEncoding, usualLayer } from './usual-layer.js'
