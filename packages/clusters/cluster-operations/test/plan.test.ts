// Plans: what comes after what, what a host gets, and what is refused.
import { assembleCluster, type Cluster, parsePlugins } from '@pipelayer/clusterfile'
import { checkRecord, type HostFacts, type OperationRecord } from '@pipelayer/records'
import t, { type Test } from 'tap'
import {
  type PlanContext,
  type PlannedImage,
  planCreate,
  planDelete,
  planJoin,
  planRemove,
  precheck,
} from '../src/index.js'

const LAYER = {
  mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
  digest: `sha256:${'1'.repeat(64)}`,
  size: 1000,
}
const SCRIPTS = ['scripts/init.sh', 'scripts/clean.sh', 'scripts/init-registry.sh', 'registry']

function imageWith(paths: readonly string[], files: Readonly<Record<string, string>> = {}): PlannedImage {
  return {
    name: 'docker.io/library/kubernetes:v1.19.8',
    digest: `sha256:${'ab'.repeat(32)}`,
    layers: new Map([['amd64', [LAYER]]]),
    files: new Map(Object.entries(files)),
    paths: new Set([...SCRIPTS, ...paths, ...Object.keys(files)]),
    commands: ['kubectl apply -f manifests/app.yaml'],
    variables: { FROM_IMAGE: ['1'] },
  }
}

const FACTS: HostFacts = {
  os: 'linux',
  architecture: 'amd64',
  cgroupDriver: 'systemd',
  freeBytes: 1e12,
  hostname: 'h',
}

function contextOf(cluster: Cluster, image: PlannedImage, plugins = ''): PlanContext {
  const facts = new Map(
    cluster.hosts.map(({ address }) => [address, { ...FACTS, hostname: `n${address.split('.').at(-1)}` }]),
  )
  return { cluster, image, facts, plugins: parsePlugins(plugins, 'p') }
}

const kubeadm = (files?: Readonly<Record<string, string>>): PlannedImage =>
  imageWith(['bin/kubeadm', 'bin/seautil'], files)
const cluster = (masters: string, nodes?: string): Cluster =>
  assembleCluster({ masters, nodes, env: ['A=1;2'] })

/** Checks that every operation comes after those that it needs, and returns them by id. */
function checked(t: Test, plan: readonly OperationRecord[]): ReadonlyMap<string, OperationRecord> {
  const seen = new Map<string, OperationRecord>()
  for (const operation of plan) {
    checkRecord(operation)
    t.same(
      operation.needs.filter(need => !seen.has(need)),
      [],
      `${operation.id} comes after what it needs`,
    )
    t.notOk(seen.has(operation.id), `${operation.id} comes once`)
    seen.set(operation.id, operation)
  }
  return seen
}

/** Whether one operation is done before another, directly or through others. */
function isBefore(plan: ReadonlyMap<string, OperationRecord>, first: string, later: string): boolean {
  const needs = plan.get(later)?.needs ?? []
  return needs.some(need => need === first || isBefore(plan, first, need))
}

t.test('a cluster by kubeadm', async t => {
  const context = contextOf(cluster('10.0.0.1-10.0.0.3', '10.0.0.4-10.0.0.5'), kubeadm())
  const plan = planCreate(context)
  t.equal(JSON.stringify(planCreate(context)), JSON.stringify(plan), 'the same input gives the same plan')
  const byID = checked(t, plan)
  for (const [first, later] of [
    ['rootfs@10.0.0.1', 'init@10.0.0.1'],
    ['registry@10.0.0.1', 'registry-name@10.0.0.5'],
    ['kubeadm-init@10.0.0.1', 'token@10.0.0.1'],
    ['certificate-key@10.0.0.1', 'kubeadm-join@10.0.0.2'],
    ['kubeadm-join@10.0.0.2', 'kubeadm-join@10.0.0.3'],
    ['kubeadm-join@10.0.0.3', 'kubeadm-join@10.0.0.4'],
    ['balance-once@10.0.0.4', 'kubeadm-join@10.0.0.4'],
    ['kubeadm-join@10.0.0.5', 'command-1@10.0.0.1'],
    ['command-1@10.0.0.1', 'state@10.0.0.1'],
  ] as const)
    t.ok(isBefore(byID, first, later), `${first} is before ${later}`)
  t.notOk(isBefore(byID, 'kubeadm-join@10.0.0.4', 'kubeadm-join@10.0.0.5'), 'workers join side by side')
  t.notOk(isBefore(byID, 'rootfs@10.0.0.1', 'rootfs@10.0.0.2'), 'hosts get their files side by side')
  t.match(byID.get('rootfs@10.0.0.2')?.do, { unpack: { layers: [LAYER], except: ['registry'] } })
  t.notMatch(
    byID.get('rootfs@10.0.0.1')?.do,
    { unpack: { except: ['registry'] } },
    'the registry is on one host',
  )
  t.match(byID.get('init@10.0.0.4')?.do, {
    run: {
      argv: ['bash', 'init.sh', '/var/lib/docker', 'sea.hub', '5000'],
      env: { A: '1 2', FROM_IMAGE: '1' },
    },
  })
  const config = JSON.stringify(byID.get('kubeadm-config@10.0.0.1')?.do)
  for (const word of [
    'advertiseAddress: 10.0.0.1',
    'apiserver.cluster.local:6443',
    '- 10.0.0.3',
    'cgroupDriver: systemd',
  ])
    t.match(config, word)
  const join = JSON.stringify(byID.get('join-config@10.0.0.4')?.do)
  t.match(join, /apiServerEndpoint: 10\.103\.97\.2:6443/)
  t.match(join, '<secret:join-token>')
  t.notMatch(join, 'certificateKey', 'workers get no key of masters')
  t.match(byID.get('join-config@10.0.0.2')?.secrets, ['join-token', 'ca-hash', 'certificate-key'])
  t.match(byID.get('balance@10.0.0.4')?.do, { files: [{ content: /10\.0\.0\.3:6443/ }] })
})

t.test('settings of the file win over those of the image', async t => {
  const given = assembleCluster({
    file: {
      name: 'F',
      text: `kind: Cluster
spec:
  env: [NAME=x]
  hosts: [{ips: [10.0.0.1], roles: [master]}, {ips: [10.0.0.2], roles: [node], env: [NAME=y]}]
---
kind: ClusterConfiguration
networking: {podSubnet: 100.64.0.0/10}
---
kind: Config
spec: {path: etc/conf.yaml, strategy: merge, data: "a: {b: 2}"}
---
kind: Config
spec: {path: etc/whole, data: "new"}
`,
    },
  })
  const image = kubeadm({
    'etc/kubeadm.yml':
      'apiVersion: kubeadm.k8s.io/v1beta2\nkind: ClusterConfiguration\nkubernetesVersion: v1.19.8\nnetworking: {podSubnet: 1.0.0.0/8, dnsDomain: d}\n',
    'etc/conf.yaml': 'a: {b: 1, c: 3}\n',
    'manifests/app.yaml.tmpl': 'name: {{ .NAME }} {{- .NAME -}}\n',
  })
  const byID = checked(t, planCreate(contextOf(given, image)))
  const config = JSON.stringify(byID.get('kubeadm-config@10.0.0.1')?.do)
  for (const word of ['kubeadm.k8s.io/v1beta2', 'v1.19.8', '100.64.0.0/10', 'dnsDomain: d'])
    t.match(config, word)
  t.match(byID.get('settings@10.0.0.1')?.do, {
    files: [
      { path: /\/etc\/conf\.yaml$/, content: 'a:\n  b: 2\n  c: 3\n' },
      { path: /\/etc\/whole$/, content: 'new' },
      { path: /\/manifests\/app\.yaml$/, content: 'name: x x\n' },
    ],
  })
  t.match(
    byID.get('settings@10.0.0.2')?.do,
    { files: [{}, {}, { content: 'name: y y\n' }] },
    'each host has its own',
  )
})

t.test('a cluster by k3s', async t => {
  const image = imageWith(['bin/k3s', 'images', 'images/all.tar'])
  const byID = checked(t, planCreate(contextOf(cluster('10.0.0.1,10.0.0.2', '10.0.0.3'), image)))
  t.match(byID.get('k3s-service@10.0.0.1')?.do, {
    files: [{ content: /k3s server --node-ip 10\.0\.0\.1 --cluster-init\n/ }, { mode: '0600' }],
  })
  t.match(byID.get('k3s-service@10.0.0.2')?.do, {
    files: [{ content: /server --node-ip 10\.0\.0\.2 --server https:\/\/10\.0\.0\.1:6443\n/ }, {}],
  })
  t.match(byID.get('k3s-service@10.0.0.3')?.do, { files: [{ content: /agent --node-ip 10\.0\.0\.3/ }, {}] })
  t.ok(isBefore(byID, 'k3s-ready@10.0.0.1', 'k3s-start@10.0.0.2'))
  t.ok(isBefore(byID, 'k3s-ready@10.0.0.2', 'k3s-start@10.0.0.3'))
  t.ok(isBefore(byID, 'k3s-images@10.0.0.3', 'k3s-start@10.0.0.3'), 'images are there before the start')
})

t.test('hosts that come, hosts that go, the end', async t => {
  const context = contextOf(cluster('10.0.0.1,10.0.0.2', '10.0.0.3,10.0.0.4'), kubeadm())
  const join = checked(t, planJoin(context, ['10.0.0.2', '10.0.0.4']))
  t.ok(
    isBefore(join, 'kubeadm-join@10.0.0.2', 'balance@10.0.0.3'),
    'workers that are there learn of the new master',
  )
  t.notOk(join.has('rootfs@10.0.0.3'), 'they get nothing else')
  t.notOk(join.has('kubeadm-init@10.0.0.1'))
  t.ok(join.has('kubeadm-join@10.0.0.4'))
  const remove = checked(t, planRemove(context, ['10.0.0.4']))
  t.match(remove.get('drain-10.0.0.4@10.0.0.1')?.do, {
    run: { argv: ['kubectl', '--kubeconfig', /./, 'drain', 'n4'] },
  })
  t.ok(isBefore(remove, 'delete-10.0.0.4@10.0.0.1', 'kubeadm-reset@10.0.0.4'))
  t.notMatch(JSON.stringify(remove.get('state@10.0.0.1')?.do), '10.0.0.4', 'what is left is written down')
  t.throws(() => planRemove(context, ['10.0.0.1']), {
    code: 'PLAN_INVALID',
    message: /delete the cluster as a whole/,
  })
  t.throws(() => planJoin(context, ['10.0.0.9']), { code: 'PLAN_INVALID', message: /no host 10\.0\.0\.9/ })
  const end = checked(t, planDelete(context))
  t.ok(isBefore(end, 'clean@10.0.0.4', 'kubeadm-reset@10.0.0.2'), 'workers first')
  t.ok(isBefore(end, 'clean@10.0.0.2', 'kubeadm-reset@10.0.0.1'), 'the first master last')
  for (const host of ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])
    t.match(end.get(`forget@${host}`), {
      again: true,
      do: {
        remove: [
          '/var/lib/pipelayer/clusters/my-cluster',
          /my-cluster\.journal$/,
          /my-cluster\.jobs$/,
          /\/blobs\/1+$/,
        ],
      },
    })
})

const plugin = (type: string, action: string, fields: string): string =>
  `kind: Plugin\nmetadata: {name: p}\nspec:\n  type: ${type}\n  action: ${action}\n${fields}---\n`

t.test('plugins', async t => {
  const text = [
    plugin('SHELL', 'Originally', '  "on": node\n  data: echo $A\n'),
    plugin('HOSTNAME', 'PreInit', '  data: |\n    10.0.0.2 worker\n'),
    plugin('SHELL', 'PreInstall', '  "on": master0\n  data: date\n'),
    plugin('LABEL', 'PreGuest', '  data: |\n    10.0.0.2 a=b c=d\n'),
    plugin('TAINT', 'PostInstall', '  data: |\n    master0 a=b:NoSchedule\n'),
    plugin('CLUSTERCHECK', 'PreGuest', ''),
    plugin('ETCD', 'PostInstall', '  "on": /backup/x.db\n'),
    plugin('SHELL', 'PostClean', '  "on": 10.0.0.2\n  data: last\n'),
  ].join('')
  const context = contextOf(cluster('10.0.0.1', '10.0.0.2'), kubeadm(), text)
  const byID = checked(t, planCreate(context))
  const of = (word: string): string => [...byID.keys()].find(id => id.includes(word)) ?? 'none'
  t.match(byID.get(of('plugin-Originally'))?.host, '10.0.0.2')
  t.ok(isBefore(byID, of('plugin-Originally'), 'rootfs@10.0.0.1'), 'before everything')
  t.ok(isBefore(byID, of('plugin-PreInit'), 'kubeadm-init@10.0.0.1'))
  t.ok(isBefore(byID, 'kubeadm-init@10.0.0.1', of('plugin-PreInstall')), 'PreInstall fires')
  t.ok(isBefore(byID, of('plugin-PreInstall'), 'kubeadm-join@10.0.0.2'))
  t.match(byID.get(of('label-10.0.0.2'))?.do, {
    run: { argv: ['kubectl', '--kubeconfig', /./, 'label', 'node', 'n2', 'a=b', 'c=d', '--overwrite'] },
  })
  t.match(byID.get(of('taint-10.0.0.1'))?.do, {
    run: { argv: [/./, /./, /./, 'taint', 'node', 'n1', 'a=b:NoSchedule'] },
  })
  t.match(byID.get(of('wait-until'))?.do, { wait: { every: 5 } })
  t.ok(isBefore(byID, of('wait-until'), 'command-1@10.0.0.1'))
  t.match(byID.get(of('snapshot'))?.do, { run: { argv: /\/backup\/x\.db/ } })
  const end = checked(t, planDelete(context))
  t.ok(isBefore(end, 'kubeadm-reset@10.0.0.2', [...end.keys()].find(id => id.includes('PostClean')) ?? ''))
  const wrong = plugin('LABEL', 'PreGuest', '  data: 10.9.9.9 a=b\n')
  t.throws(() => planCreate(contextOf(cluster('10.0.0.1'), kubeadm(), wrong)), {
    code: 'PLUGIN_INVALID',
    message: /10\.9\.9\.9/,
  })
})

t.test('what is refused', async t => {
  const one = cluster('10.0.0.1')
  t.throws(() => planCreate(contextOf(one, imageWith([]))), {
    code: 'CLUSTER_IMAGE_INVALID',
    message: /neither bin\/kubeadm nor bin\/k3s/,
  })
  for (const [text, message] of [
    ['x\n{{ .NONE }}', /etc\/a\.tmpl:2: no variable NONE is set/],
    ['{{ if .A }}', /only \{\{ \.NAME \}\} is known/],
  ] as const)
    t.throws(() => planCreate(contextOf(one, kubeadm({ 'etc/a.tmpl': text }))), {
      code: 'TEMPLATE_INVALID',
      message,
    })
})

t.test('prechecks tell everything at once', async t => {
  const context = contextOf(cluster('10.0.0.1,10.0.0.2', '10.0.0.3'), kubeadm())
  t.match(precheck(context, context.cluster.hosts), [
    { severity: 'warning', message: /2 masters bear no more failures than 1/ },
  ])
  const facts = new Map<string, HostFacts>([
    ['10.0.0.1', { ...FACTS, clockAhead: -300, ports: [22, 6443], swap: true }],
    ['10.0.0.2', { ...FACTS, architecture: 'arm64', freeBytes: 10 }],
  ])
  const found = precheck({ ...context, facts }, context.cluster.hosts)
  t.same(
    found.map(({ severity, host, message }) => `${severity} ${host ?? ''} ${message.slice(0, 30)}`),
    [
      'warning  2 masters bear no more failure',
      'error 10.0.0.1 its clock is 300 seconds behin',
      'error 10.0.0.1 something listens on 6443, whi',
      'warning 10.0.0.1 it swaps, which kubelet refuse',
      'error 10.0.0.2 it is arm64, and docker.io/lib',
      'error 10.0.0.3 nothing is known of it: run cl',
    ],
  )
})

t.test('500 hosts', async t => {
  const context = contextOf(cluster('10.0.0.1-10.0.0.3', '10.0.1.0-10.0.2.240'), kubeadm())
  const plan = planCreate(context)
  t.equal(new Set(plan.map(({ host }) => host)).size, context.cluster.hosts.length, 'every host is in it')
})
