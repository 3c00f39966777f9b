/**
 * Unpacks the tar of a layer to a tree on disk, plain or in overlay form, and never outside of it.
 *
 * @module
 */

export { applyLayer, applyLayerOverlay } from './apply.js'
export { serveLayerThread } from './layer-thread.js'
export { OverlayThreads, type OverlayThreadsOptions } from './overlay-threads.js'
export { type HandedTar, ReadingThread } from './reading-thread.js'
export { Selection } from './selection.js'
export { RootfsStaging } from './staging.js'
export type { ApplyOptions, ApplyResult } from './types.js'
