/**
 * sealer's Clusterfile: the hosts of a cluster, and what is set for them.
 *
 * @module
 */

export { type HostAddress, parseAddresses } from './addresses.js'
export { assembleCluster, type ClusterOptions } from './assemble.js'
export { isMaster, parseClusterfile, parsePlugins } from './parse.js'
export type {
  Access,
  Cluster,
  ClusterHost,
  ClusterRegistry,
  ConfigFile,
  KubeadmDocument,
  Plugin,
  PluginAction,
  Variables,
} from './types.js'
export { mergeVariables, parseVariables } from './variables.js'
