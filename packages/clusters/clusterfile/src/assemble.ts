import { ToolError } from '@pipelayer/errors'
import { parseAddresses } from './addresses.js'
import { isMaster, parseClusterfile } from './parse.js'
import type { Cluster, ClusterHost } from './types.js'
import { mergeVariables, parseVariables } from './variables.js'

/** What a command line says of a cluster. It wins over the file. */
export interface ClusterOptions {
  readonly file?: { readonly name: string; readonly text: string } | undefined
  readonly name?: string | undefined
  /** Lists of addresses. */
  readonly masters?: string | undefined
  readonly nodes?: string | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly password?: string | undefined
  /** `NAME=VALUE`. */
  readonly env?: readonly string[]
  readonly arguments?: readonly string[]
}

const EMPTY: Cluster = {
  name: 'my-cluster',
  hosts: [],
  variables: {},
  arguments: [],
  access: {},
  registry: { domain: 'sea.hub', port: 5000 },
  hostAliases: [],
  documents: { configs: [], plugins: [], kubeadm: [] },
}

/**
 * A cluster from a Clusterfile, a command line, or both.
 *
 * @throws ToolError `CLUSTERFILE_INVALID`, `ADDRESS_INVALID`
 */
export function assembleCluster(options: ClusterOptions): Cluster {
  const { file, name, masters, nodes, user, key, password, env = [], arguments: words = [] } = options
  const base = file === undefined ? EMPTY : parseClusterfile(file.text, file.name)
  const variables = mergeVariables(base.variables, parseVariables(env))
  const given = { ...(user && { user }), ...(key && { key }), ...(password && { password }) }
  const access = { ...base.access, ...given }
  const hosts = masters === undefined && nodes === undefined ? base.hosts : hostsOf({ masters, nodes })
  const twice = hosts.find(({ address }, at) => hosts.findIndex(other => other.address === address) < at)
  if (twice !== undefined)
    throw new ToolError(
      'CLUSTERFILE_INVALID',
      `the host ${twice.address} comes twice among masters and nodes`,
    )
  return {
    ...base,
    name: name ?? base.name,
    variables,
    access,
    arguments: words.length > 0 ? words : base.arguments,
    hosts: hosts.map(host => ({
      ...host,
      variables: mergeVariables(variables, host.variables),
      access: { ...access, ...host.access, ...given },
    })),
  }
}

function hostsOf(lists: {
  readonly masters: string | undefined
  readonly nodes: string | undefined
}): readonly ClusterHost[] {
  const roles = [
    ['master', lists.masters],
    ['node', lists.nodes],
  ] as const
  const hosts = roles.flatMap(([role, list = '']) =>
    parseAddresses(list, `--${role}s`).map(
      ({ address, port }): ClusterHost => ({
        address,
        roles: [role],
        variables: {},
        access: port === undefined ? {} : { port },
        labels: {},
        taints: [],
      }),
    ),
  )
  if (!hosts.some(isMaster))
    throw new ToolError('CLUSTERFILE_INVALID', 'the cluster has no master: name one by --masters')
  return hosts
}
