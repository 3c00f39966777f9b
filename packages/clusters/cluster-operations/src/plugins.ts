/**
 * Plugins: what a user adds at certain points of a plan.
 *
 * Spec: sealerio/sealer v0.7.1, pkg/plugin. Here all of them work at every action, and PreInstall fires.
 *
 * @module
 */

import {
  type ClusterHost,
  isMaster,
  mergeVariables,
  type Plugin,
  type PluginAction,
  parseAddresses,
} from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import type { HostAction, HostCommand } from '@pipelayer/records'
import { homeOf, type PlanContext, registryHost, rootfsOf } from './context.js'
import type { Driver } from './driver.js'
import type { Operations } from './operations.js'
import { environmentOf } from './template.js'

/** Seconds that a cluster gets until all of its hosts are ready. */
const READY_SECONDS = 600

interface Placed {
  readonly host: ClusterHost
  readonly title: string
  readonly action: HostAction
}

/**
 * Adds the plugins of an action: those of one host one after the other, in their order.
 *
 * @returns the ids after which all are done; `after` where there is none
 * @throws ToolError `PLUGIN_INVALID` for a line of its data that names no host of the cluster
 */
export function addPlugins(
  operations: Operations,
  context: Planned,
  { action, after }: { readonly action: PluginAction; readonly after: readonly string[] },
): readonly string[] {
  const plugins = context.plugins.filter(plugin => plugin.action === action)
  const last = new Map<string, readonly string[]>()
  let count = 0
  for (const plugin of plugins) {
    count++
    for (const { host, title, action: work } of placesOf(plugin, context)) {
      const before = last.get(host.address) ?? after
      const name = `plugin-${action}-${count}-${slug(title)}`
      last.set(host.address, [operations.add(action, before, { name, host: host.address, title, do: work })])
    }
  }
  return last.size === 0 ? after : [...last.values()].flat()
}

type Planned = PlanContext & { readonly driver: Driver }

function placesOf(plugin: Plugin, context: Planned): readonly Placed[] {
  switch (plugin.type) {
    case 'SHELL':
      return hostsOf(plugin, context).map(host => ({
        host,
        title: `plugin ${plugin.name}`,
        action: { run: script(plugin.data, context, host) },
      }))
    case 'HOSTNAME':
      return linesOf(plugin, context).map(({ host, words: [name = ''] }) => ({
        host,
        title: `call the host ${name}`,
        action: { run: { argv: ['hostnamectl', 'set-hostname', name] } },
      }))
    case 'LABEL':
    case 'TAINT':
      return linesOf(plugin, context).map(line => marked(plugin.type.toLowerCase(), line, context))
    case 'CLUSTERCHECK':
      return [
        { host: registryHost(context), title: 'wait until all hosts are ready', action: ready(context) },
      ]
    case 'ETCD':
      return [
        {
          host: registryHost(context),
          title: 'save a snapshot of etcd',
          action: { run: snapshot(plugin, context) },
        },
      ]
  }
}

function script(text: string, context: Planned, host: ClusterHost): HostCommand {
  const env = environmentOf(mergeVariables(context.image.variables, host.variables))
  return { argv: ['sh', '-c', text], cwd: rootfsOf(context), env }
}

/** `kubectl label` or `kubectl taint` of the node that a host is. */
function marked(verb: string, { host, words }: HostLine, context: Planned): Placed {
  const node = context.facts.get(host.address)?.hostname ?? host.address
  const argv = [...context.driver.kubectl(context), verb, 'node', node, ...words, '--overwrite']
  return {
    host: registryHost(context),
    title: `${verb} ${host.address} ${words.join(' ')}`,
    action: { run: { argv } },
  }
}

function ready(context: Planned): HostAction {
  const wanted = ['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=5s']
  return { wait: { argv: [...context.driver.kubectl(context), ...wanted], seconds: READY_SECONDS, every: 5 } }
}

/** Spec: etcd documentation, "Disaster recovery"; the certificates are where kubeadm puts them. */
function snapshot({ on }: Plugin, context: Planned): HostCommand {
  const keys = '/etc/kubernetes/pki/etcd'
  const tls = [`--cacert=${keys}/ca.crt`, `--cert=${keys}/server.crt`, `--key=${keys}/server.key`]
  const argv = [
    'etcdctl',
    '--endpoints=https://127.0.0.1:2379',
    ...tls,
    'snapshot',
    'save',
    on || `${homeOf(context)}/etcd.db`,
  ]
  return { argv, env: { ETCDCTL_API: '3' } }
}

/** The hosts that `on` names: roles, addresses and ranges, or a label. */
function hostsOf({ on, name }: Plugin, { cluster }: PlanContext): readonly ClusterHost[] {
  const { hosts } = cluster
  const wanted = on.trim()
  if (wanted === '') return hosts
  if (wanted === 'master0') return hosts.slice(0, 1)
  const byRole = hosts.filter(host => wanted.split(',').some(role => host.roles.includes(role.trim())))
  if (byRole.length > 0) return byRole
  if (wanted === 'master' || wanted === 'node') return []
  const label = /^([^=]+)=(.*)$/.exec(wanted)
  if (label !== null) return hosts.filter(({ labels }) => labels[label[1] ?? ''] === label[2])
  const addresses = new Set(parseAddresses(wanted, `plugin ${name}: on`).map(({ address }) => address))
  return hosts.filter(({ address }) => addresses.has(address))
}

interface HostLine {
  readonly host: ClusterHost
  readonly words: readonly string[]
}

/** The lines of `data`: an address, and what is meant for it. Masters are also `master0` and so on. */
function linesOf({ data, name }: Plugin, { cluster }: PlanContext): readonly HostLine[] {
  const masters = cluster.hosts.filter(isMaster)
  return data
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const [place = '', ...words] = line.split(/\s+/)
      const host =
        cluster.hosts.find(({ address }) => address === place) ??
        masters[Number(/^master(\d+)$/.exec(place)?.[1])]
      if (host !== undefined && words.length > 0) return { host, words }
      throw new ToolError(
        'PLUGIN_INVALID',
        `plugin ${name}: ${JSON.stringify(line)} is no line "ADDRESS VALUE" of a host of the cluster`,
      )
    })
}

function slug(title: string): string {
  return title.toLowerCase().replace(/[^a-z0-9.]+/g, '-')
}
