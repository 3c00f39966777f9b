/**
 * The Kubefile of sealer, in both its dialects.
 *
 * @module
 */

export type { Dialect, KubefileFields } from './fields.js'
export { dialectOf, dialectOfFile, type KubefileOptions, parseKubefile } from './kubefile.js'
export { parseRawKubefile } from './newer.js'
