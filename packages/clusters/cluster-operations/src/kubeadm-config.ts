/**
 * The documents that kubeadm reads: those of the Clusterfile over those of the image over our own.
 *
 * Spec: kubeadm, "kubeadm Configuration (v1beta3)"; sealerio/sealer v0.7.1, pkg/runtime/kubeadm_config.
 *
 * @module
 */

import { type ClusterHost, isMaster } from '@pipelayer/clusterfile'
import { formatYAML, valueOf, yamlDocuments } from '@pipelayer/yaml'
import { merged } from './configs.js'
import type { PlanContext } from './context.js'

/** The name under which every host finds an API server. */
export const API_NAME = 'apiserver.cluster.local'
export const API_PORT = 6443
/** The address on which each worker balances between the masters. */
export const VIRTUAL_ADDRESS = '10.103.97.2'
const KUBEADM_API = 'kubeadm.k8s.io/v1beta3'

type Fields = Readonly<Record<string, unknown>>

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
const map = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}

/** The text of the file for `kubeadm init` on the first master. */
export function initDocuments(context: PlanContext, first: ClusterHost): string {
  const { cluster, facts } = context
  const masters = cluster.hosts.filter(isMaster)
  const documents = given(context)
  const api = apiOf(documents)
  const init = merged(
    { apiVersion: api, kind: 'InitConfiguration', localAPIEndpoint: { bindPort: API_PORT } },
    documents.get('InitConfiguration') ?? {},
  )
  const { domain, port } = cluster.registry
  const own = { apiVersion: api, kind: 'ClusterConfiguration', imageRepository: `${domain}:${port}/library` }
  const wanted = merged(own, documents.get('ClusterConfiguration') ?? {})
  const server = map(wanted.apiServer)
  const names = ['127.0.0.1', API_NAME, VIRTUAL_ADDRESS, ...masters.map(({ address }) => address)]
  const cgroupDriver = facts.get(first.address)?.cgroupDriver
  return [
    merged(init, { localAPIEndpoint: { advertiseAddress: first.address } }),
    merged(wanted, {
      controlPlaneEndpoint: `${API_NAME}:${API_PORT}`,
      apiServer: { ...server, certSANs: [...new Set([...list(server.certSANs), ...names])] },
    }),
    merged(
      {
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        kind: 'KubeletConfiguration',
        ...(cgroupDriver && { cgroupDriver }),
      },
      documents.get('KubeletConfiguration') ?? {},
    ),
    merged(
      {
        apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
        kind: 'KubeProxyConfiguration',
        mode: 'ipvs',
        ipvs: { excludeCIDRs: [`${VIRTUAL_ADDRESS}/32`] },
      },
      documents.get('KubeProxyConfiguration') ?? {},
    ),
  ]
    .map(document => formatYAML(document))
    .join('---\n')
}

/** The text of the file for `kubeadm join`. The secrets in it are known only while the plan is executed. */
export function joinDocument(context: PlanContext, host: ClusterHost): string {
  const documents = given(context)
  const join = merged(
    { apiVersion: apiOf(documents), kind: 'JoinConfiguration' },
    documents.get('JoinConfiguration') ?? {},
  )
  const endpoint = isMaster(host)
    ? `${API_NAME}:${API_PORT}`
    : `${balanced(context) ? VIRTUAL_ADDRESS : API_NAME}:${API_PORT}`
  return formatYAML(
    merged(join, {
      discovery: {
        bootstrapToken: {
          apiServerEndpoint: endpoint,
          token: '<secret:join-token>',
          caCertHashes: ['<secret:ca-hash>'],
        },
      },
      ...(isMaster(host) && {
        controlPlane: {
          localAPIEndpoint: { advertiseAddress: host.address, bindPort: API_PORT },
          certificateKey: '<secret:certificate-key>',
        },
      }),
    }),
  )
}

/** Whether the image has the program by which each worker balances between the masters. */
export function balanced({ image }: PlanContext): boolean {
  return image.paths.has('bin/seautil')
}

/** The documents of the Clusterfile and the image, by kind. */
function given({ cluster, image }: PlanContext): ReadonlyMap<string, Fields> {
  const found = new Map<string, Fields>()
  const file = 'etc/kubeadm.yml'
  for (const node of yamlDocuments(image.files.get(file) ?? '', { file })) {
    const fields = map(valueOf(node, file))
    found.set(String(fields.kind), fields)
  }
  for (const { kind, fields } of cluster.documents.kubeadm)
    found.set(kind, merged(found.get(kind) ?? {}, fields))
  return found
}

function apiOf(documents: ReadonlyMap<string, Fields>): string {
  const named = [...documents.values()].map(({ apiVersion }) => String(apiVersion))
  return named.find(version => version.startsWith('kubeadm.k8s.io/')) ?? KUBEADM_API
}
