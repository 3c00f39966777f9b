/**
 * The Kubefile of sealer, in both its dialects.
 *
 * @module
 */

export { type ApplicationSource, type ApplicationType, applicationType } from './application.js'
export type { Dialect, KubefileFields } from './fields.js'
export { dialectOf, dialectOfFile, type KubefileOptions, parseKubefile } from './kubefile.js'
export { type ListFlag, parseListFlag } from './list-flag.js'
export {
  type Application,
  type KubefileMeaning,
  kubefileMeaning,
  type LoweredInstruction,
  type MeaningOptions,
  withArch,
} from './meaning.js'
export { parseRawKubefile } from './newer.js'
