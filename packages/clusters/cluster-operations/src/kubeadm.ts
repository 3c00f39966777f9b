/**
 * Clusters by kubeadm: the first master, further masters one after the other, workers side by side.
 *
 * Spec: sealerio/sealer v0.7.1, pkg/runtime; kubeadm, "Creating Highly Available Clusters".
 *
 * @module
 */

import { type ClusterHost, isMaster } from '@pipelayer/clusterfile'
import { formatYAML } from '@pipelayer/yaml'
import { homeOf, type PlanContext, registryHost, rootfsOf } from './context.js'
import type { Driver, OnHost, ReadyHost } from './driver.js'
import {
  API_NAME,
  API_PORT,
  balanced,
  initDocuments,
  joinDocument,
  VIRTUAL_ADDRESS,
} from './kubeadm-config.js'
import type { Operations } from './operations.js'

const ADMIN = '/etc/kubernetes/admin.conf'
const KUBELET = '/etc/kubernetes/kubelet.conf'
const SECRETS = ['join-token', 'ca-hash', 'certificate-key']

const apiLine = (
  address?: string,
): { readonly lines: readonly { file: string; key: string; line?: string }[] } => ({
  lines: [
    { file: '/etc/hosts', key: API_NAME, ...(address !== undefined && { line: `${address} ${API_NAME}` }) },
  ],
})

export const KUBEADM: Driver = {
  name: 'kubeadm',
  fits: image => image.paths.has('bin/kubeadm'),
  kubectl: () => ['kubectl', '--kubeconfig', ADMIN],

  start(operations, context, { host, ready }) {
    const { address } = host
    const file = `${rootfsOf(context)}/etc/kubeadm.yml`
    const named = operations.add('init', [ready], {
      name: 'api-name',
      host: address,
      title: `name ${API_NAME} in /etc/hosts`,
      do: apiLine(address),
      undo: apiLine(),
    })
    const written = operations.add('init', [named], {
      name: 'kubeadm-config',
      host: address,
      title: 'write etc/kubeadm.yml',
      do: { files: [{ path: file, content: initDocuments(context, host) }] },
    })
    const started = operations.add(
      'init',
      [written, ...audit(operations, context, { host, after: [named] })],
      {
        name: 'kubeadm-init',
        host: address,
        title: 'start the first master',
        check: { argv: ['test', '-f', ADMIN] },
        do: { run: { argv: ['kubeadm', 'init', '--config', file, '--upload-certs'] } },
        undo: { run: { argv: ['kubeadm', 'reset', '-f'] } },
      },
    )
    return [kubeconfig(operations, host, started)]
  },

  invite(operations, context, after) {
    const { address } = registryHost(context)
    const pattern = (text: string): string => text
    const token = operations.add('join', after, {
      name: 'token',
      host: address,
      title: 'mint a token for hosts that join',
      do: {
        mint: {
          argv: ['kubeadm', 'token', 'create', '--print-join-command'],
          secrets: {
            'join-token': pattern('--token (\\S+)'),
            'ca-hash': pattern('--discovery-token-ca-cert-hash (\\S+)'),
          },
        },
      },
    })
    const key = operations.add('join', after, {
      name: 'certificate-key',
      host: address,
      title: 'mint a key for masters that join',
      do: {
        mint: {
          argv: ['kubeadm', 'init', 'phase', 'upload-certs', '--upload-certs'],
          secrets: { 'certificate-key': pattern('^([0-9a-f]{64})$') },
        },
      },
    })
    return [token, key]
  },

  join(operations, context, { added, after }) {
    const masters = added.filter(({ host }) => isMaster(host))
    const workers = added.filter(({ host }) => !isMaster(host))
    const joined: string[] = []
    let before = after
    for (const master of masters) {
      before = [joinMaster(operations, context, { host: master.host, after: [master.ready, ...before] })]
      joined.push(...before)
    }
    const balancing = masters.length > 0 ? rebalance(operations, context, { added, after: before }) : []
    return [
      ...joined,
      ...balancing,
      ...workers.map(worker =>
        joinWorker(operations, context, { host: worker.host, after: [worker.ready, ...before] }),
      ),
    ]
  },

  reset(operations, _context, { host, after }) {
    const { address } = host
    const reset = operations.add('reset', after, {
      name: 'kubeadm-reset',
      host: address,
      title: 'take Kubernetes away',
      check: { argv: ['sh', '-c', '! command -v kubeadm'] },
      do: { run: { argv: ['kubeadm', 'reset', '-f'] } },
    })
    const unnamed = operations.add('reset', [reset], {
      name: 'api-unname',
      host: address,
      title: `take ${API_NAME} out of /etc/hosts`,
      do: apiLine(),
    })
    return operations.add('reset', [unnamed], {
      name: 'kubernetes-remove',
      host: address,
      title: 'remove the settings of Kubernetes',
      do: { remove: ['/etc/kubernetes', '/var/lib/kubelet', '/var/lib/etcd', '/root/.kube'] },
    })
  },
}

function audit(
  operations: Operations,
  { image }: PlanContext,
  { host: { address }, after }: OnHost,
): readonly string[] {
  const policy = image.files.get('statics/audit-policy.yml')
  if (policy === undefined) return []
  return [
    operations.add('init', after, {
      name: 'audit-policy',
      host: address,
      title: 'write the audit policy',
      do: { files: [{ path: '/etc/kubernetes/audit-policy.yml', content: policy, mode: '0600' }] },
    }),
  ]
}

function kubeconfig(operations: Operations, { address }: ClusterHost, after: string): string {
  return operations.add('init', [after], {
    name: 'kubeconfig',
    host: address,
    title: 'make kubectl find the cluster',
    check: { argv: ['cmp', '-s', ADMIN, '/root/.kube/config'] },
    do: { run: { argv: ['install', '-D', '-m', '600', ADMIN, '/root/.kube/config'] } },
  })
}

/** `kubeadm join` with a file of settings that holds secrets, and that is removed behind it. */
function joinBy(operations: Operations, context: PlanContext, { host, after }: OnHost): string {
  const { address } = host
  const file = `${homeOf(context)}/join.yml`
  const written = operations.add('join', after, {
    name: 'join-config',
    host: address,
    title: 'write the settings for joining',
    check: { argv: ['test', '-f', KUBELET] },
    do: { files: [{ path: file, content: joinDocument(context, host), mode: '0600' }] },
    secrets: isMaster(host) ? SECRETS : SECRETS.slice(0, 2),
  })
  const joined = operations.add('join', [written], {
    name: 'kubeadm-join',
    host: address,
    title: isMaster(host) ? 'join as a master' : 'join as a worker',
    check: { argv: ['test', '-f', KUBELET] },
    do: { run: { argv: ['kubeadm', 'join', '--config', file] } },
    undo: { run: { argv: ['kubeadm', 'reset', '-f'] } },
  })
  return operations.add('join', [joined], {
    name: 'join-forget',
    host: address,
    title: 'remove the settings for joining',
    do: { remove: [file] },
  })
}

function joinMaster(operations: Operations, context: PlanContext, { host, after }: OnHost): string {
  const { address } = host
  const named = operations.add('join', after, {
    name: 'api-first',
    host: address,
    title: `name the first master ${API_NAME}`,
    do: apiLine(registryHost(context).address),
  })
  const policy = audit(operations, context, { host, after: [named] })
  const joined = joinBy(operations, context, { host, after: [named, ...policy] })
  const own = operations.add('join', [joined], {
    name: 'api-name',
    host: address,
    title: `name itself ${API_NAME}`,
    do: apiLine(address),
    undo: apiLine(),
  })
  return kubeconfig(operations, host, own)
}

function joinWorker(operations: Operations, context: PlanContext, { host, after }: OnHost): string {
  const { address } = host
  const server = balanced(context) ? VIRTUAL_ADDRESS : registryHost(context).address
  const named = operations.add('join', after, {
    name: 'api-name',
    host: address,
    title: `name ${server} ${API_NAME}`,
    do: apiLine(server),
    undo: apiLine(),
  })
  if (!balanced(context)) return joinBy(operations, context, { host, after: [named] })
  const rules = operations.add('join', [named], {
    name: 'balance-once',
    host: address,
    title: 'balance between the masters',
    do: { run: { argv: [`${rootfsOf(context)}/bin/seautil`, 'ipvs', ...balancing(context), '--run-once'] } },
  })
  return keepBalancing(operations, context, {
    host,
    after: [joinBy(operations, context, { host, after: [rules] })],
  })
}

/** Tells the workers that are there of masters that have come. */
function rebalance(
  operations: Operations,
  context: PlanContext,
  { added, after }: { readonly added: readonly ReadyHost[]; readonly after: readonly string[] },
): readonly string[] {
  if (!balanced(context)) return []
  const isNew = new Set(added.map(({ host }) => host.address))
  const workers = context.cluster.hosts.filter(host => !isMaster(host) && !isNew.has(host.address))
  return workers.map(host => keepBalancing(operations, context, { host, after }))
}

function keepBalancing(
  operations: Operations,
  context: PlanContext,
  { host: { address }, after }: OnHost,
): string {
  return operations.add('join', after, {
    name: 'balance',
    host: address,
    title: 'go on balancing between the masters',
    do: { files: [{ path: '/etc/kubernetes/manifests/kube-lvscare.yaml', content: balancer(context) }] },
  })
}

function balancing({ cluster }: PlanContext): readonly string[] {
  const masters = cluster.hosts.filter(isMaster)
  const servers = masters.flatMap(({ address }) => ['--rs', `${address}:${API_PORT}`])
  return [
    '--vs',
    `${VIRTUAL_ADDRESS}:${API_PORT}`,
    ...servers,
    '--health-path',
    '/healthz',
    '--health-schem',
    'https',
  ]
}

/** The static pod that balances. Spec: sealerio/sealer v0.7.1, pkg/runtime, lvscare. */
function balancer(context: PlanContext): string {
  const { domain, port } = context.cluster.registry
  return formatYAML({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'kube-lvscare', namespace: 'kube-system' },
    spec: {
      hostNetwork: true,
      containers: [
        {
          name: 'kube-lvscare',
          image: `${domain}:${port}/fanux/lvscare:latest`,
          command: ['/usr/bin/lvscare'],
          args: ['care', ...balancing(context), '--mode', 'route'],
          securityContext: { privileged: true },
          volumeMounts: [{ mountPath: '/lib/modules', name: 'lib-modules', readOnly: true }],
        },
      ],
      volumes: [{ name: 'lib-modules', hostPath: { path: '/lib/modules' } }],
    },
  })
}
