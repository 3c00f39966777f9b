/**
 * cluster-facts: asks hosts by ssh what they are.
 *
 * @module
 */
import { askFacts, Connections, type SshOptions } from '@pipelayer/cluster-hosts'
import type { Cluster, ClusterHost } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, HostRecord } from '@pipelayer/records'

export interface ClusterFactsOptions extends SshOptions {
  readonly cluster: Cluster
  readonly now: () => Date
  warn(message: string, code?: string): void
}

/**
 * Yields a `host` record for each host of a cluster, in its order; all hosts are asked at the same time. A host that
 * cannot be asked is a `failed` record.
 */
export async function* clusterFacts(
  options: ClusterFactsOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  if (options.cluster.hosts.length === 0)
    options.warn('there is no host to ask: give a Clusterfile, or --masters', 'HOSTS_MISSING')
  const connections = new Connections(options)
  try {
    const asked = options.cluster.hosts.map(host => ask(connections, host, options))
    for (const record of asked) yield await record
  } finally {
    connections.close()
  }
}

async function ask(
  connections: Connections,
  host: ClusterHost,
  { cluster, now }: ClusterFactsOptions,
): Promise<AnyRecord> {
  const { address, roles, access } = host
  try {
    const facts = await askFacts(
      connections,
      { address, ...access },
      { cluster: cluster.name, now: () => now().getTime() },
    )
    const { port, user } = access
    const record: HostRecord = {
      type: 'host',
      address,
      ...(port !== undefined && { port }),
      ...(user !== undefined && { user }),
      roles,
      facts,
    }
    return record
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return {
      type: 'failed',
      tool: 'cluster-facts',
      code: error.code,
      message: error.message,
      item: { address },
    }
  }
}
