/**
 * What is to be done on the hosts of a cluster, as operations: data that anybody can read before it is done.
 *
 * @module
 */

export type { PlanContext, PlannedImage } from './context.js'
export { planCreate, planDelete, planJoin, planRemove } from './plan.js'
export { type Precheck, precheck } from './prechecks.js'
