/**
 * Plans cluster images: Kubefiles of all dialects, and the container images that are put into their registry.
 *
 * @module
 */

export { bringAllImages } from './bring-images.js'
export { ClassicBuilder } from './classic-dialect.js'
export type { ClusterRequest, ClusterSources } from './cluster-request.js'
export { classicPlan, kubefileRecords } from './kubefile-plan.js'
export { NewerBuilder } from './newer-dialect.js'
export { SealosBuilder, sealosPlan } from './sealos-dialect.js'
