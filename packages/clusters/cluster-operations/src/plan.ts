/**
 * Plans: what is to be done to make a cluster, to change it, to take it away.
 *
 * A plan depends on its input alone. Phases of a new cluster: Originally, distribute, PreInit, init, registry, PreInstall,
 * join, PreGuest, guest, PostInstall.
 *
 * @module
 */

import { type ClusterHost, isMaster } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import type { OperationRecord } from '@pipelayer/records'
import { formatYAML } from '@pipelayer/yaml'
import { homeOf, kept, type PlanContext, type PlannedImage, registryHost, rootfsOf } from './context.js'
import { prepare, serveImages } from './distribute.js'
import type { Driver, OnHost, ReadyHost } from './driver.js'
import { K3S } from './k3s.js'
import { KUBEADM } from './kubeadm.js'
import { Operations } from './operations.js'
import { addPlugins } from './plugins.js'
import { environmentOf } from './template.js'

/** Succeeds where a command does and says nothing. */
const NOTHING = 'said=$("$@") && test -z "$said"'

const DRIVERS: readonly Driver[] = [KUBEADM, K3S]

/**
 * The driver of an image.
 *
 * @throws ToolError `CLUSTER_IMAGE_INVALID` for an image from which no cluster can be started
 */
export function driverOf(image: PlannedImage): Driver {
  const driver = DRIVERS.find(one => one.fits(image))
  if (driver !== undefined) return driver
  const why = 'it has neither bin/kubeadm nor bin/k3s: it may hold an application, which needs a cluster'
  throw new ToolError('CLUSTER_IMAGE_INVALID', `cannot start a cluster from ${image.name}: ${why}`)
}

type Planned = PlanContext & { readonly driver: Driver }

/**
 * The operations that make a cluster.
 *
 * @throws ToolError `CLUSTERFILE_INVALID` for a cluster without hosts; `PLUGIN_INVALID`, `TEMPLATE_INVALID`, `CONFIG_INVALID`
 */
export function planCreate(context: PlanContext): readonly OperationRecord[] {
  const operations = new Operations(context.cluster.name)
  const planned = { ...context, driver: driverOf(context.image) }
  const { hosts } = context.cluster
  const begun = addPlugins(operations, planned, { action: 'Originally', after: [] })
  const ready = makeReady(operations, planned, { hosts, after: begun })
  const [first, ...others] = ready
  if (first === undefined) throw new ToolError('CLUSTERFILE_INVALID', 'the cluster has no host')
  const started = planned.driver.start(operations, planned, first)
  const installing = addPlugins(operations, planned, { action: 'PreInstall', after: started })
  const isKubeadm = planned.driver.name === 'kubeadm'
  const invited =
    others.length > 0 && isKubeadm ? planned.driver.invite(operations, planned, installing) : installing
  const joined = planned.driver.join(operations, planned, { added: others, after: invited })
  finish(operations, planned, [...installing, ...joined])
  return operations.all()
}

/** The operations that add hosts to a cluster that stands. */
export function planJoin(context: PlanContext, addresses: readonly string[]): readonly OperationRecord[] {
  const operations = new Operations(context.cluster.name)
  const planned = { ...context, driver: driverOf(context.image) }
  const hosts = named(context, addresses)
  const invited = planned.driver.invite(operations, planned, [])
  const ready = makeReady(operations, planned, { hosts, after: [] })
  const joined = planned.driver.join(operations, planned, { added: ready, after: invited })
  save(operations, planned, joined)
  return operations.all()
}

/**
 * The operations that take hosts out of a cluster, which goes on.
 *
 * @throws ToolError `PLAN_INVALID` for hosts that it does not have, and for its first master
 */
export function planRemove(context: PlanContext, addresses: readonly string[]): readonly OperationRecord[] {
  const operations = new Operations(context.cluster.name)
  const planned = { ...context, driver: driverOf(context.image) }
  const first = registryHost(context)
  const hosts = named(context, addresses)
  if (hosts.some(({ address }) => address === first.address))
    throw new ToolError(
      'PLAN_INVALID',
      `${first.address} is the first master, which serves the images: delete the cluster as a whole`,
    )
  // One after the other, since masters lose a member of etcd each.
  let before: readonly string[] = []
  for (const host of hosts) before = [leave(operations, planned, { host, after: before })]
  save(operations, { ...planned, cluster: without(context, addresses) }, before)
  return operations.all()
}

/** The operations that take a cluster away: workers side by side, then masters, the first one last. */
export function planDelete(context: PlanContext): readonly OperationRecord[] {
  const operations = new Operations(context.cluster.name)
  const planned = { ...context, driver: driverOf(context.image) }
  const { hosts } = context.cluster
  const begun = addPlugins(operations, planned, { action: 'PreClean', after: [] })
  const workers = hosts
    .filter(host => !isMaster(host))
    .map(host => clean(operations, planned, { host, after: begun }))
  let before: readonly string[] = workers.length > 0 ? workers : begun
  for (const host of hosts.filter(isMaster).reverse())
    before = [clean(operations, planned, { host, after: before })]
  const cleaned = addPlugins(operations, planned, { action: 'PostClean', after: before })
  forget(operations, planned, { hosts, after: cleaned })
  return operations.all()
}

function makeReady(
  operations: Operations,
  context: Planned,
  { hosts, after }: { readonly hosts: readonly ClusterHost[]; readonly after: readonly string[] },
): readonly ReadyHost[] {
  const prepared = hosts.map(host => ({ host, ready: prepare(operations, context, { host, after }) }))
  const named = serveImages(operations, context, prepared)
  const begun = addPlugins(operations, context, { action: 'PreInit', after: [...named.values()] })
  if (begun.every(id => [...named.values()].includes(id)))
    return prepared.map(({ host, ready }) => ({ host, ready: named.get(host.address) ?? ready }))
  // A plugin may prepare what another host needs, so all of them are waited for.
  return prepared.map(({ host }) => ({
    host,
    ready: operations.add('PreInit', begun, {
      name: 'ready',
      host: host.address,
      title: 'all plugins of PreInit are done',
      do: { run: { argv: ['true'] } },
    }),
  }))
}

/** What runs on a cluster that stands, and the note of what it is. */
function finish(operations: Operations, context: Planned, after: readonly string[]): void {
  const { image, cluster } = context
  const first = registryHost(context)
  let before = addPlugins(operations, context, { action: 'PreGuest', after })
  image.commands.forEach((command, at) => {
    const env = {
      ...environmentOf({ ...image.variables, ...first.variables }),
      KUBECONFIG: '/root/.kube/config',
    }
    before = [
      operations.add('guest', before, {
        name: `command-${at + 1}`,
        host: first.address,
        title: `run ${command.split('\n')[0]}`,
        do: { run: { argv: ['sh', '-c', command, 'sh', ...cluster.arguments], cwd: rootfsOf(context), env } },
      }),
    ]
  })
  save(operations, context, addPlugins(operations, context, { action: 'PostInstall', after: before }))
}

/** Writes what the cluster is, without secrets, where a later plan and a person find it. */
function save(operations: Operations, context: PlanContext, after: readonly string[]): void {
  const { cluster, image } = context
  const hosts = cluster.hosts.map(({ address, roles }) => ({ ips: [address], roles }))
  operations.add('save', after, {
    name: 'state',
    host: registryHost(context).address,
    title: 'write down what the cluster is',
    do: {
      files: [
        {
          path: `${homeOf(context)}/Clusterfile`,
          mode: '0600',
          content: formatYAML({
            apiVersion: 'sealer.cloud/v2',
            kind: 'Cluster',
            metadata: { name: cluster.name },
            spec: { image: image.name, hosts },
          }),
        },
      ],
    },
  })
}

/** Takes a host out of a cluster that goes on. */
function leave(operations: Operations, context: Planned, { host, after }: OnHost): string {
  const { address } = host
  const name = context.facts.get(address)?.hostname ?? address
  const first = registryHost(context).address
  const kubectl = context.driver.kubectl(context)
  const drained = operations.add('reset', after, {
    name: `drain-${address}`,
    host: first,
    title: `move what runs on ${name} elsewhere`,
    check: {
      argv: ['sh', '-c', NOTHING, 'sh', ...kubectl, 'get', 'node', name, '--ignore-not-found', '-o', 'name'],
    },
    do: {
      run: {
        argv: [
          ...kubectl,
          'drain',
          name,
          '--ignore-daemonsets',
          '--delete-emptydir-data',
          '--force',
          '--timeout=120s',
        ],
      },
    },
  })
  const deleted = operations.add('reset', [drained], {
    name: `delete-${address}`,
    host: first,
    title: `take ${name} out of the cluster`,
    do: { run: { argv: [...kubectl, 'delete', 'node', name, '--ignore-not-found'] } },
  })
  const cleaned = clean(operations, context, { host, after: [deleted] })
  return forget(operations, context, { hosts: [host], after: [cleaned] })[0] ?? cleaned
}

/** Takes everything of the cluster off a host, but for what plugins may still need. */
function clean(operations: Operations, context: Planned, { host, after }: OnHost): string {
  const { address } = host
  const { image, cluster } = context
  const reset = context.driver.reset(operations, context, { host, after })
  const unnamed = operations.add('clean', [reset], {
    name: 'registry-unname',
    host: address,
    title: `take ${cluster.registry.domain} out of /etc/hosts`,
    do: { lines: [{ file: '/etc/hosts', key: cluster.registry.domain }, ...aliases(context)] },
  })
  if (!image.paths.has('scripts/clean.sh')) return unnamed
  return operations.add('clean', [unnamed], {
    name: 'clean',
    host: address,
    title: 'run scripts/clean.sh',
    check: { argv: ['sh', '-c', '! test -d "$1"', 'sh', `${rootfsOf(context)}/scripts`] },
    do: { run: { argv: ['bash', 'clean.sh'], cwd: `${rootfsOf(context)}/scripts` } },
  })
}

const aliases = ({ cluster }: PlanContext): readonly { file: string; key: string }[] =>
  cluster.hostAliases.map(line => ({ file: '/etc/hosts', key: line.split(' ').at(-1) ?? '' }))

function forget(
  operations: Operations,
  context: PlanContext,
  { hosts, after }: { readonly hosts: readonly ClusterHost[]; readonly after: readonly string[] },
): readonly string[] {
  return hosts.map(host =>
    operations.add('clean', after, {
      name: 'forget',
      host: host.address,
      title: 'remove the files of the cluster',
      do: { remove: kept(context, host) },
    }),
  )
}

function named({ cluster }: PlanContext, addresses: readonly string[]): readonly ClusterHost[] {
  return addresses.map(address => {
    const host = cluster.hosts.find(one => one.address === address)
    if (host !== undefined) return host
    throw new ToolError(
      'PLAN_INVALID',
      `the cluster has no host ${address}: its Clusterfile names ${cluster.hosts.map(one => one.address).join(', ')}`,
    )
  })
}

function without({ cluster }: PlanContext, addresses: readonly string[]): PlanContext['cluster'] {
  return { ...cluster, hosts: cluster.hosts.filter(({ address }) => !addresses.includes(address)) }
}
