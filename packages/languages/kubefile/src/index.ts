/**
 * The Kubefile of sealer, in both its dialects.
 *
 * @module
 */

export { type ApplicationSource, applicationType } from './application.js'
export type { Dialect, KubefileFields } from './fields.js'
export { dialectOfFile, parseKubefile } from './kubefile.js'
export { parseListFlag } from './list-flag.js'
export { type Application, type KubefileMeaning, kubefileMeaning, withArch } from './meaning.js'
export { parseRawKubefile } from './newer.js'
