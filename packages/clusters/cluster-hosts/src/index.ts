/**
 * The hosts of a cluster, reached by ssh: what they are, what is done on them, what they remember of it.
 *
 * @module
 */

export { clusterOf, sshOptionsOf } from './command-line.js'
export { execute } from './execute.js'
export { askFacts } from './facts.js'
export { Connections, type SshOptions, type SshTarget } from './ssh.js'
