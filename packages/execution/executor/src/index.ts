/**
 * Executes steps: alone in its mount and pid namespace, asked by the scheduler.
 *
 * @module
 */

export { runExecutor } from './executor.js'
export { ExecutorSetup } from './executor-setup.js'
