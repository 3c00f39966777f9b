/**
 * YAML, read with lines and within limits, and written as Kubernetes' tools write it.
 *
 * @module
 */

export { formatYAML } from './format.js'
export type { YAMLNode, YAMLPair } from './node.js'
export { yamlDocuments } from './parse.js'
export { valueOf } from './value.js'
