/**
 * Clusters by k3s: one program, and archives of images that it imports when it starts.
 *
 * Spec: k3s documentation, "Air-Gap Install", "High Availability Embedded etcd", "Server" and "Agent" options.
 *
 * @module
 */

import { isMaster } from '@pipelayer/clusterfile'
import { type PlanContext, registryHost, rootfsOf } from './context.js'
import type { Driver, OnHost } from './driver.js'
import type { Operations } from './operations.js'

const PROGRAM = '/usr/local/bin/k3s'
const IMAGES = '/var/lib/rancher/k3s/agent/images'
const TOKEN = '/etc/rancher/k3s/token'
const API_PORT = 6443
/** Keeps the token of an earlier run, so that a second one joins the same cluster. Its output is the token. */
const MAKE_TOKEN =
  'umask 077; test -s "$1" || { mkdir -p "$(dirname "$1")"; od -An -N16 -tx1 /dev/urandom | tr -d " \\n" > "$1.new" && mv "$1.new" "$1"; }; cat "$1"'

export const K3S: Driver = {
  name: 'k3s',
  fits: image => image.paths.has('bin/k3s'),
  kubectl: () => [PROGRAM, 'kubectl'],

  start(operations, context, { host, ready }) {
    const minted = token(operations, context, [ready])
    const many = context.cluster.hosts.filter(isMaster).length > 1
    const mode = ['server', '--node-ip', host.address, ...(many ? ['--cluster-init'] : [])]
    return [run(operations, context, { host, after: [ready, ...minted], mode })]
  },

  invite(operations, context, after) {
    return token(operations, context, after)
  },

  join(operations, context, { added, after }) {
    const server = `https://${registryHost(context).address}:${API_PORT}`
    let before = after
    const joined = added
      .filter(({ host }) => isMaster(host))
      .map(master => {
        const mode = ['server', '--node-ip', master.host.address, '--server', server]
        const id = run(operations, context, { host: master.host, after: [master.ready, ...before], mode })
        before = [id]
        return id
      })
    const workers = added
      .filter(({ host }) => !isMaster(host))
      .map(worker => {
        const mode = ['agent', '--node-ip', worker.host.address, '--server', server]
        return run(operations, context, { host: worker.host, after: [worker.ready, ...before], mode })
      })
    return [...joined, ...workers]
  },

  reset(operations, _context, { host, after }) {
    const { address } = host
    const stopped = operations.add('reset', after, {
      name: 'k3s-stop',
      host: address,
      title: 'stop k3s and what it started',
      check: { argv: ['sh', '-c', '! test -e /etc/systemd/system/k3s.service'] },
      do: { run: { argv: ['systemctl', 'disable', '--now', 'k3s.service'] } },
    })
    return operations.add('reset', [stopped], {
      name: 'k3s-remove',
      host: address,
      title: 'remove k3s',
      do: {
        remove: [
          '/etc/systemd/system/k3s.service',
          '/etc/systemd/system/k3s.service.env',
          PROGRAM,
          '/etc/rancher',
          '/var/lib/rancher',
        ],
      },
    })
  },
}

function token(operations: Operations, context: PlanContext, after: readonly string[]): readonly string[] {
  return [
    operations.add('init', after, {
      name: 'token',
      host: registryHost(context).address,
      title: 'mint the token of the cluster',
      do: {
        mint: { argv: ['sh', '-c', MAKE_TOKEN, 'sh', TOKEN], secrets: { 'k3s-token': '^([0-9a-f]{32})$' } },
      },
    }),
  ]
}

function run(
  operations: Operations,
  context: PlanContext,
  { host, after, mode }: OnHost & { readonly mode: readonly string[] },
): string {
  const { address } = host
  const root = rootfsOf(context)
  const installed = operations.add('init', after, {
    name: 'k3s-install',
    host: address,
    title: 'install k3s',
    do: { run: { argv: ['install', '-D', '-m', '755', `${root}/bin/k3s`, PROGRAM] } },
  })
  const offered = context.image.paths.has('images')
    ? operations.add('init', [installed], {
        name: 'k3s-images',
        host: address,
        title: 'put the archives of images where k3s imports them',
        do: {
          run: { argv: ['sh', '-c', 'mkdir -p "$2" && cp -R "$1/." "$2/"', 'sh', `${root}/images`, IMAGES] },
        },
      })
    : installed
  const written = operations.add('init', [offered], {
    name: 'k3s-service',
    host: address,
    title: `write the service of the k3s ${mode[0]}`,
    do: {
      files: [
        { path: '/etc/systemd/system/k3s.service', content: service(mode) },
        {
          path: '/etc/systemd/system/k3s.service.env',
          content: 'K3S_TOKEN=<secret:k3s-token>\n',
          mode: '0600',
        },
      ],
    },
    secrets: ['k3s-token'],
  })
  const started = operations.add('init', [written], {
    name: 'k3s-start',
    host: address,
    title: 'start k3s',
    do: { run: { argv: ['sh', '-c', 'systemctl daemon-reload && systemctl enable --now k3s.service'] } },
    undo: { run: { argv: ['systemctl', 'disable', '--now', 'k3s.service'] } },
  })
  if (mode[0] === 'agent') return started
  return operations.add('init', [started], {
    name: 'k3s-ready',
    host: address,
    title: 'wait for the API server',
    do: { wait: { argv: [PROGRAM, 'kubectl', 'get', '--raw', '/readyz'], seconds: 300, every: 2 } },
  })
}

function service(mode: readonly string[]): string {
  return [
    '[Unit]',
    'Description=Lightweight Kubernetes',
    'After=network-online.target',
    '[Service]',
    'Type=notify',
    'EnvironmentFile=-/etc/systemd/system/k3s.service.env',
    `ExecStart=${[PROGRAM, ...mode].join(' ')}`,
    'KillMode=process',
    'Delegate=yes',
    'LimitNOFILE=1048576',
    'TasksMax=infinity',
    'Restart=always',
    'RestartSec=5s',
    '[Install]',
    'WantedBy=multi-user.target',
    '',
  ].join('\n')
}
