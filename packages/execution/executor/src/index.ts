/**
 * Executes steps: alone in its mount and pid namespace, asked by the scheduler.
 *
 * @module
 */

export { Bench } from './bench.js'
export { runExecutor } from './executor.js'
