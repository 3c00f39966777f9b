/**
 * Finds steps in the caches, or has them executed when somebody needs them, and gives the records of an image.
 *
 * @module
 */

export { exportCache } from './cache-export.js'
export { StepScheduler } from './step-scheduler.js'
export { type Listener, StepTrees } from './step-trees.js'
export { targetRecords } from './target-records.js'
