/**
 * cluster-plan: says what is to be done to make, change or delete a cluster.
 *
 * @module
 */
import {
  type PlanContext,
  type Precheck,
  planCreate,
  planDelete,
  planJoin,
  planRemove,
  precheck,
} from '@pipelayer/cluster-operations'
import { type Cluster, parseAddresses } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, HostFacts, HostRecord } from '@pipelayer/records'
import { type ImageOptions, pluginsOf, readClusterImage } from './image.js'

/** What the plan is for: a new cluster, hosts that come or go, the end of a cluster. */
export type Purpose =
  | { readonly kind: 'create' }
  | { readonly kind: 'delete' }
  | { readonly kind: 'join'; readonly hosts: string }
  | { readonly kind: 'remove'; readonly hosts: string }

export interface ClusterPlanOptions extends Omit<ImageOptions, 'architectures'> {
  readonly cluster: Cluster
  readonly purpose: Purpose
}

/**
 * Takes `host` records, passes them on, and yields `finding` records for what speaks against the plan, then its
 * `operation` records in an order in which each comes after those that it needs. Where a finding is an error, there is no
 * operation.
 *
 * @throws ToolError those of reading the image; `CLUSTERFILE_INVALID`, `ADDRESS_INVALID`, `PLAN_INVALID`,
 *   `TEMPLATE_INVALID`, `CONFIG_INVALID`, `PLUGIN_INVALID`
 */
export async function* clusterPlan(
  records: AsyncIterable<AnyRecord>,
  options: ClusterPlanOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const facts = new Map<string, HostFacts>()
  for await (const record of records) {
    if (record.type === 'host') {
      const { address, facts: known } = record as HostRecord
      if (known !== undefined) facts.set(address, known)
    }
    yield record
  }
  const { cluster, purpose } = options
  const [first] = cluster.hosts
  if (first === undefined)
    throw new ToolError('CLUSTERFILE_INVALID', 'the cluster has no host: give a Clusterfile, or --masters')
  const all = cluster.hosts
    .map(({ address }) => facts.get(address)?.architecture ?? '')
    .filter(one => one !== '')
  const architectures = all.length > 0 ? [...new Set(all)] : ['amd64']
  const image = await readClusterImage({ ...options, architectures })
  const context = { cluster, image, facts, plugins: [...cluster.documents.plugins, ...pluginsOf(image)] }
  const found = checked(context, purpose)
  yield* found.map(asFinding)
  if (!found.some(({ severity }) => severity === 'error')) yield* operationsOf(context, purpose)
}

function checked(context: PlanContext, purpose: Purpose): readonly Precheck[] {
  const { hosts } = context.cluster
  if (purpose.kind === 'create') return precheck(context, hosts)
  if (purpose.kind !== 'join') return []
  const added = new Set(addressesOf(purpose.hosts))
  return precheck(
    context,
    hosts.filter(({ address }) => added.has(address)),
  )
}

function operationsOf(context: PlanContext, purpose: Purpose): readonly AnyRecord[] {
  if (purpose.kind === 'create') return planCreate(context)
  if (purpose.kind === 'delete') return planDelete(context)
  const addresses = addressesOf(purpose.hosts)
  return purpose.kind === 'join' ? planJoin(context, addresses) : planRemove(context, addresses)
}

const addressesOf = (text: string): readonly string[] =>
  parseAddresses(text, 'the hosts').map(({ address }) => address)

function asFinding({ severity, host, message }: Precheck): AnyRecord {
  const text = host === undefined ? message : `${host}: ${message}`
  return { type: 'finding', rule: 'precheck', severity, message: text, ...(host !== undefined && { host }) }
}
