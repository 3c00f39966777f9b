/**
 * Executes steps at the request of the scheduler, in a mount and pid namespace of its own.
 *
 * @module
 */

export { runExecutor } from './executor.js'
export { ExecutorSetup } from './executor-setup.js'
