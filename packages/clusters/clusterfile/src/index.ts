/**
 * sealer's Clusterfile: the hosts of a cluster, and what is set for them.
 *
 * @module
 */

export { parseAddresses } from './addresses.js'
export { assembleCluster } from './assemble.js'
export { isMaster, parsePlugins } from './parse.js'
export type { Cluster, ClusterHost, ConfigFile, Plugin, PluginAction, Variables } from './types.js'
export { mergeVariables, parseVariables } from './variables.js'
