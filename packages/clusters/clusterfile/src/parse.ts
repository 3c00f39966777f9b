/**
 * Reads a Clusterfile: documents of kind Cluster, Config, Plugin, and those of kubeadm.
 *
 * Spec: sealerio/sealer v0.7.1 and v0.11, types/api/v1 and v2; kubeadm, "kubeadm Configuration".
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type YAMLNode, yamlDocuments } from '@pipelayer/yaml'
import { parseAddresses, parsePort } from './addresses.js'
import { Fields } from './fields.js'
import type { Access, Cluster, ClusterHost, ConfigFile, KubeadmDocument, Plugin } from './types.js'
import { mergeVariables, parseVariables } from './variables.js'

const KUBEADM = [
  'InitConfiguration',
  'ClusterConfiguration',
  'JoinConfiguration',
  'KubeletConfiguration',
  'KubeProxyConfiguration',
]
const KINDS = ['Cluster', 'Config', 'Plugin', 'KubeadmConfig', ...KUBEADM]
const TYPES = ['SHELL', 'LABEL', 'TAINT', 'HOSTNAME', 'ETCD', 'CLUSTERCHECK'] as const
const ACTIONS = [
  'Originally',
  'PreInit',
  'PreInstall',
  'PostInstall',
  'PreGuest',
  'PreClean',
  'PostClean',
] as const

/** The registry of sealer's own images, where a file names no other. */
const REGISTRY = { domain: 'sea.hub', port: 5000 }
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Reads a Clusterfile.
 *
 * @param file - its name in messages
 * @throws ToolError `CLUSTERFILE_INVALID` with file and line; `ADDRESS_INVALID`, `YAML_INVALID`, `YAML_TOO_LARGE`
 */
export function parseClusterfile(text: string, file: string): Cluster {
  const documents = [...yamlDocuments(text, { file })]
    .filter(({ kind }) => kind === 'map')
    .map(node => rootOf(node, file))
  const clusters = documents.filter(document => document.text('kind') === 'Cluster')
  const [cluster, other] = clusters
  if (cluster === undefined)
    throw new ToolError('CLUSTERFILE_INVALID', `${file}: it has no document of kind Cluster`)
  if (other !== undefined) throw other.error('is a second document of kind Cluster')
  for (const document of documents) checkKind(document)
  return {
    ...clusterOf(cluster),
    documents: {
      configs: documents.filter(isKind('Config')).map(configOf),
      plugins: documents.filter(isKind('Plugin')).map(pluginOf),
      kubeadm: documents.flatMap(kubeadmOf),
    },
  }
}

/** The documents of kind Plugin in a file. */
export function parsePlugins(text: string, file: string): readonly Plugin[] {
  const documents = [...yamlDocuments(text, { file })].map(node => rootOf(node, file))
  return documents.filter(isKind('Plugin')).map(pluginOf)
}

const rootOf = (node: YAMLNode, file: string): Fields => new Fields(node, { file, path: '' })

const isKind =
  (kind: string) =>
  (document: Fields): boolean =>
    document.text('kind') === kind

function checkKind(document: Fields): void {
  const kind = document.text('kind')
  if (kind === undefined) throw document.error('has no kind')
  if (!KINDS.includes(kind))
    throw document.error(`"${kind}" is no kind of a Clusterfile: known are ${KINDS.join(', ')}`, 'kind')
}

type Spec = Omit<Cluster, 'documents'>

function clusterOf(document: Fields): Spec {
  document.only('apiVersion', 'kind', 'metadata', 'spec', 'status')
  const name = document.map('metadata').text('name') ?? 'my-cluster'
  if (!NAME.test(name)) throw document.map('metadata').error(`"${name}" is no name: a-z, 0-9 and "-"`, 'name')
  const spec = document.map('spec')
  const isFirst = document.text('apiVersion')?.startsWith('zlink.aliyun.com/') === true
  const hosts = isFirst ? hostsOfFirst(spec) : hostsOf(spec)
  checkHosts(hosts, spec)
  const image = spec.text('image')
  return {
    name,
    ...(image !== undefined && { image }),
    hosts: [...hosts.filter(isMaster), ...hosts.filter(host => !isMaster(host))],
    variables: parseVariables(spec.texts('env')),
    arguments: [...spec.texts('cmd_args'), ...spec.texts('cmd')],
    access: accessOf(spec.map('ssh')),
    registry: registryOf(spec),
    hostAliases: spec
      .maps('hostAliases')
      .map(alias => [alias.text('ip') ?? '', ...alias.texts('hostnames')].join(' ')),
  }
}

export function isMaster({ roles }: Pick<ClusterHost, 'roles'>): boolean {
  return roles.includes('master')
}

function hostsOf(spec: Fields): readonly ClusterHost[] {
  spec.only(
    'image',
    'env',
    'cmd_args',
    'cmd',
    'hosts',
    'ssh',
    'registry',
    'hostAliases',
    'containerRuntime',
    'appNames',
    'dataRoot',
  )
  const shared = { access: accessOf(spec.map('ssh')), variables: parseVariables(spec.texts('env')) }
  return spec.maps('hosts').flatMap(host => {
    host.only('ips', 'roles', 'ssh', 'env', 'labels', 'taints')
    const roles = host.texts('roles')
    if (!roles.includes('master') && !roles.includes('node'))
      throw host.error('names neither master nor node among its roles')
    const own = {
      roles,
      access: { ...shared.access, ...accessOf(host.map('ssh')) },
      variables: mergeVariables(shared.variables, parseVariables(host.texts('env'))),
      labels: textsOf(host.map('labels')),
      taints: host.texts('taints'),
    }
    return addressed(host.texts('ips'), own, host.path)
  })
}

/** The first form of the file: lists of addresses for masters and nodes. */
function hostsOfFirst(spec: Fields): readonly ClusterHost[] {
  spec.only('image', 'env', 'cmd_args', 'provider', 'ssh', 'network', 'certSANS', 'masters', 'nodes')
  const access = accessOf(spec.map('ssh'))
  const variables = parseVariables(spec.texts('env'))
  return (['master', 'node'] as const).flatMap(role => {
    const group = spec.map(`${role}s`).only('cpu', 'memory', 'count', 'systemDisk', 'dataDisks', 'ipList')
    const own = { roles: [role], access, variables, labels: {}, taints: [] }
    return addressed(group.texts('ipList'), own, group.path)
  })
}

function addressed(
  texts: readonly string[],
  own: Omit<ClusterHost, 'address'>,
  what: string,
): readonly ClusterHost[] {
  return parseAddresses(texts.join(','), what).map(({ address, port }) => ({
    ...own,
    address,
    access: { ...own.access, ...(port !== undefined && { port }) },
  }))
}

function checkHosts(hosts: readonly ClusterHost[], spec: Fields): void {
  const seen = new Map<string, ClusterHost>()
  for (const host of hosts) {
    const before = seen.get(host.address)
    seen.set(host.address, host)
    if (before === undefined) continue
    const both = isMaster(before) === isMaster(host) ? 'twice' : 'as a master and as a node'
    throw spec.error(`names the host ${host.address} ${both}`)
  }
}

function accessOf(ssh: Fields): Access {
  ssh.only('user', 'passwd', 'pk', 'pkPasswd', 'port', 'encrypted')
  const [user, password, key, keyPassword] = ['user', 'passwd', 'pk', 'pkPasswd'].map(name => ssh.text(name))
  const port = ssh.text('port')
  return {
    ...(user !== undefined && { user }),
    ...(password !== undefined && password !== '' && { password }),
    ...(key !== undefined && key !== '' && { key }),
    ...(keyPassword !== undefined && keyPassword !== '' && { keyPassword }),
    ...(port !== undefined && { port: parsePort(port, `${ssh.path}.port`) }),
  }
}

function registryOf(spec: Fields): Cluster['registry'] {
  const registry = spec.map('registry')
  const local = registry.has('localRegistry') ? registry.map('localRegistry') : registry
  const [domain = REGISTRY.domain, username, password] = ['domain', 'username', 'password'].map(name =>
    local.text(name),
  )
  const port = local.text('port')
  return {
    domain,
    port: port === undefined ? REGISTRY.port : parsePort(port, `${local.path}.port`),
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  }
}

function textsOf(map: Fields): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map.whole()).map(([name, value]) => [name, String(value ?? '')]))
}

function configOf(document: Fields): ConfigFile {
  document.only('apiVersion', 'kind', 'metadata', 'spec')
  const spec = document.map('spec').only('path', 'data', 'strategy', 'process', 'appName')
  const path = spec.text('path') ?? ''
  if (path === '' || path.startsWith('/') || path.split('/').includes('..'))
    throw spec.error(`"${path}" is no path below the root filesystem of the image`, 'path')
  const strategy = spec.text('strategy') ?? 'overwrite'
  if (strategy !== 'overwrite' && strategy !== 'merge')
    throw spec.error('is neither overwrite nor merge', 'strategy')
  const name = document.map('metadata').text('name') ?? ''
  return { name, path, strategy, data: spec.text('data') ?? '' }
}

function pluginOf(document: Fields): Plugin {
  const spec = document.map('spec')
  const given = spec.text('type') ?? ''
  const type = TYPES.find(one => one === given.toUpperCase())
  if (type === undefined)
    throw spec.error(`"${given}" is no type of a plugin: known are ${TYPES.join(', ')}`, 'type')
  const act = spec.text('action') ?? ''
  const action = ACTIONS.find(one => one === act)
  if (action === undefined)
    throw spec.error(`"${act}" is no action: known are ${ACTIONS.join(', ')}`, 'action')
  const name = document.map('metadata').text('name') ?? ''
  return { name, type, action, on: spec.text('on') ?? '', data: spec.text('data') ?? '' }
}

function kubeadmOf(document: Fields): readonly KubeadmDocument[] {
  const kind = document.text('kind') ?? ''
  return KUBEADM.includes(kind) ? [{ kind, fields: document.whole() }] : []
}
