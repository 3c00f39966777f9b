/**
 * cluster-exec: does on hosts what a plan says.
 *
 * @module
 */
import { askFacts, Connections, execute, type SshOptions, type SshTarget } from '@pipelayer/cluster-hosts'
import type { Cluster } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, HostFacts, HostRecord, OperationRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { lineWriter } from './lines.js'

export interface ClusterExecOptions extends SshOptions {
  /** Access to the hosts: a host that its own record or this cluster names is reached as they say. */
  readonly cluster: Cluster
  /** The folder of the store, from which blobs go to hosts. */
  readonly store: string
  readonly width: number
  readonly keepGoing: boolean
  readonly undo: boolean
  readonly timeout: number | undefined
  readonly now: () => Date
  /** Gets whole lines of what a host's commands say. */
  output(host: string, lines: Buffer): void
}

/**
 * Takes `operation` records out of the stream, and yields an `outcome` for each that was done, skipped, failed or undone.
 * `host` records say how hosts are reached. Others pass.
 *
 * @throws ToolError `PLAN_INVALID` before anything is done; `HOST_UNREACHABLE` for a host that tells nothing
 */
export async function* clusterExec(
  records: AsyncIterable<AnyRecord>,
  options: ClusterExecOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const plan: OperationRecord[] = []
  const hosts = new Map<string, HostRecord>()
  for await (const record of records) {
    if (record.type === 'operation') plan.push(record as OperationRecord)
    else if (record.type === 'host') hosts.set(String(record.address), record as HostRecord)
    else yield record
  }
  const [first] = plan
  if (first === undefined) throw new ToolError('PLAN_INVALID', 'there is nothing to do: no operation came')
  const other = plan.find(({ cluster }) => cluster !== first.cluster)
  if (other !== undefined)
    throw new ToolError('PLAN_INVALID', `the plan is of two clusters: ${first.cluster} and ${other.cluster}`)
  const connections = new Connections(options)
  const targets = targetsOf(plan, hosts, options.cluster)
  const write = lineWriter(options.output)
  try {
    const facts = await journals(connections, targets, { cluster: first.cluster, now: options.now })
    yield* execute(plan, facts, {
      ...options,
      connections,
      cluster: first.cluster,
      target: address => targets.get(address) ?? { address },
      blobPath: digest => Store.open(options.store).blobPath(digest),
      onOutput: write.add,
    })
  } finally {
    write.end()
    connections.close()
  }
}

function targetsOf(
  plan: readonly OperationRecord[],
  hosts: ReadonlyMap<string, HostRecord>,
  cluster: Cluster,
): ReadonlyMap<string, SshTarget> {
  return new Map(
    plan.map(({ host: address }) => {
      const record = hosts.get(address)
      const known = cluster.hosts.find(host => host.address === address)
      const { port, user } = record ?? {}
      const access = known?.access ?? cluster.access
      return [address, { ...access, address, ...(port && { port }), ...(user && { user }) }]
    }),
  )
}

async function journals(
  connections: Connections,
  targets: ReadonlyMap<string, SshTarget>,
  { cluster, now }: { readonly cluster: string; readonly now: () => Date },
): Promise<ReadonlyMap<string, HostFacts>> {
  const asked = [...targets].map(async ([address, target]) => {
    const facts = await askFacts(connections, target, { cluster, now: () => now().getTime() })
    return [address, facts] as const
  })
  return new Map(await Promise.all(asked))
}
