/**
 * Looks into a Clusterfile: what a cluster could not be made with.
 *
 * Spec: sealerio/sealer v0.7.1, types/api/v1 and v2; labring/sealos v5, pkg/types/v1beta1
 *
 * @module
 */

import { isObject, type JsonObject } from '@pipelayer/oci'
import { valueOf, yamlDocuments } from '@pipelayer/yaml'

/** The kinds of documents that a Clusterfile may hold beside its Cluster. */
const KINDS = new Set([
  'Cluster',
  'Config',
  'Plugin',
  'KubeadmConfig',
  'InitConfiguration',
  'ClusterConfiguration',
  'JoinConfiguration',
  'KubeletConfiguration',
  'KubeProxyConfiguration',
])
const ROLES = new Set(['master', 'node', 'registry'])
const VARIABLE = /^[A-Za-z_][\w.-]*=/
const ADDRESS = /^[0-9a-fA-F.:[\]]+(?:-[0-9a-fA-F.:[\]]+)?$/

/**
 * What is wrong, each as a text that names the document's line.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`
 */
export function clusterfileFaults(text: string, file: string): readonly string[] {
  const documents = [...yamlDocuments(text, { file })]
  return documents.flatMap(node => {
    const value = valueOf(node, file)
    if (value === null) return []
    const faults = isObject(value) ? documentFaults(value) : ['it is no map']
    return faults.map(fault => `line ${node.line}: ${fault}`)
  })
}

function documentFaults(document: JsonObject): readonly string[] {
  const { kind, spec } = document
  if (typeof kind !== 'string') return ['it has no kind']
  if (!KINDS.has(kind)) return [`the kind ${JSON.stringify(kind)} is none of a Clusterfile`]
  if (kind === 'Config')
    return isObject(spec) && typeof spec.path === 'string' ? [] : ['a Config needs spec.path']
  return kind === 'Cluster' ? clusterFaults(document) : []
}

function clusterFaults({ spec }: JsonObject): readonly string[] {
  if (spec === undefined || spec === null) return []
  if (!isObject(spec)) return ['spec of the Cluster is no map']
  return [...envFaults(spec.env, 'spec.env'), ...sshFaults(spec.ssh), ...hostsFaults(spec.hosts ?? [])]
}

function envFaults(env: unknown, where: string): readonly string[] {
  if (env === undefined || env === null) return []
  if (!Array.isArray(env)) return [`${where} is no list of NAME=VALUE`]
  const wrong = env.find(entry => typeof entry !== 'string' || !VARIABLE.test(entry))
  return wrong === undefined ? [] : [`${where} has ${JSON.stringify(wrong)}, which is not NAME=VALUE`]
}

function sshFaults(ssh: unknown): readonly string[] {
  if (ssh === undefined || ssh === null) return []
  if (!isObject(ssh)) return ['spec.ssh is no map']
  const port = Number(ssh.port ?? 22)
  const isPort = Number.isInteger(port) && port > 0 && port < 65536
  return isPort ? [] : [`spec.ssh.port ${JSON.stringify(ssh.port)} is no port`]
}

function hostsFaults(hosts: unknown): readonly string[] {
  // sealer's first version of the Clusterfile has a map of masters and nodes.
  if (isObject(hosts)) return []
  if (!Array.isArray(hosts)) return ['spec.hosts is no list']
  return hosts.flatMap((host, index) => {
    const where = `spec.hosts[${index}]`
    if (!isObject(host)) return [`${where} is no map`]
    const ips = Array.isArray(host.ips) ? host.ips : []
    const roles = Array.isArray(host.roles) ? host.roles : []
    const address = ips.find(ip => typeof ip !== 'string' || !ADDRESS.test(ip))
    const role = roles.find(one => !ROLES.has(String(one)))
    return [
      ...(ips.length === 0 ? [`${where} has no ips`] : []),
      ...(address === undefined ? [] : [`${where}.ips has ${JSON.stringify(address)}, which is no address`]),
      ...(roles.length === 0 ? [`${where} has no roles`] : []),
      ...(role === undefined
        ? []
        : [`${where}.roles has ${JSON.stringify(role)}: it is master, node or registry`]),
      ...envFaults(host.env, `${where}.env`),
    ]
  })
}
