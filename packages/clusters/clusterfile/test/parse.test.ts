// Clusterfiles: what is read, and what is refused with its line.
import t from 'tap'
import { assembleCluster, parseAddresses, parsePlugins, parseVariables } from '../src/index.js'
import { parseClusterfile } from '../src/parse.js'

const V2 = `apiVersion: sealer.cloud/v2
kind: Cluster
metadata:
  name: prod
spec:
  image: registry.example/kubernetes:v1.19.8
  env:
    - A=1
    - A=2;3
    - B=x=y
  cmd_args: [one, two]
  ssh:
    user: admin
    passwd: canary
    port: 2222
  hosts:
    - ips: [10.0.0.5-10.0.0.6]
      roles: [node]
      env: [B=own]
      labels: {rack: r1}
    - ips: ["10.0.0.1", "10.0.0.2:2200"]
      roles: [master, front]
      ssh: {user: root}
---
apiVersion: sealer.cloud/v1
kind: Config
metadata: {name: c}
spec:
  path: etc/x.yaml
  strategy: merge
  data: |
    a: 1
---
apiVersion: sealer.cloud/v1
kind: Plugin
metadata: {name: p}
spec:
  type: Taint
  action: PreGuest
  data: |
    10.0.0.1 a=b:NoSchedule
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
networking:
  podSubnet: 100.64.0.0/10
`

t.test('the second form', async t => {
  const cluster = parseClusterfile(V2, 'Clusterfile')
  t.match(cluster, {
    name: 'prod',
    image: 'registry.example/kubernetes:v1.19.8',
    arguments: ['one', 'two'],
    registry: { domain: 'sea.hub', port: 5000 },
    documents: {
      configs: [{ name: 'c', path: 'etc/x.yaml', strategy: 'merge', data: 'a: 1\n' }],
      plugins: [{ name: 'p', type: 'TAINT', action: 'PreGuest', on: '' }],
      kubeadm: [{ kind: 'ClusterConfiguration', fields: { networking: { podSubnet: '100.64.0.0/10' } } }],
    },
  })
  t.same(cluster.variables, { A: ['1', '2', '3'], B: ['x=y'] })
  t.same(
    cluster.hosts.map(({ address, roles, access, variables }) => [
      address,
      roles.join(),
      access.user,
      access.port,
      variables.B?.join(),
    ]),
    [
      ['10.0.0.1', 'master,front', 'root', 2222, 'x=y'],
      ['10.0.0.2', 'master,front', 'root', 2200, 'x=y'],
      ['10.0.0.5', 'node', 'admin', 2222, 'own'],
      ['10.0.0.6', 'node', 'admin', 2222, 'own'],
    ],
    'masters come first, and what a host says of itself wins',
  )
})

t.test('the first form', async t => {
  const text = `apiVersion: zlink.aliyun.com/v1alpha1
kind: Cluster
metadata: {name: my-cluster}
spec:
  image: kubernetes:v1.19.8
  provider: BAREMETAL
  ssh: {passwd: x, pk: /root/.ssh/id_rsa}
  network: {podCIDR: 100.64.0.0/10}
  masters: {ipList: [10.0.0.1]}
  nodes:
    ipList:
      - 10.0.0.2
`
  t.same(
    parseClusterfile(text, 'F').hosts.map(({ address, roles, access }) => [address, roles[0], access.key]),
    [
      ['10.0.0.1', 'master', '/root/.ssh/id_rsa'],
      ['10.0.0.2', 'node', '/root/.ssh/id_rsa'],
    ],
  )
})

t.test('addresses', async t => {
  const texts = (list: string): string[] =>
    parseAddresses(list, 'x').map(({ address, port }) => `${address}${port === undefined ? '' : ` ${port}`}`)
  t.same(texts('10.0.0.1, 10.0.0.2:22,'), ['10.0.0.1', '10.0.0.2 22'])
  t.same(texts('10.0.0.254-10.0.1.1'), ['10.0.0.254', '10.0.0.255', '10.0.1.0', '10.0.1.1'])
  t.same(texts('FD00::1,[fd00:0::2]:2222'), ['fd00::1', 'fd00::2 2222'], 'IPv6 in its usual form')
  for (const [list, message] of [
    ['10.0.0.5-10.0.0.1', /goes down: write 10\.0\.0\.1-10\.0\.0\.5/],
    ['10.0.0.1-10.1.0.0', /more than 4096 hosts/],
    ['10.0.0', /no IP address/],
    ['10.0.0.1:0', /no port/],
    ['10.0.0.1:x', /no port/],
    ['a-b', /no IPv4 addresses/],
    ['-oProxyCommand=x', /no IPv4 addresses/],
  ] as const)
    t.throws(() => texts(list), { code: 'ADDRESS_INVALID', message }, list)
})

t.test('variables', async t => {
  t.same(parseVariables(['A=1', 'A=2', 'B=', 'C', ' D =x ']), { A: ['1', '2'], B: [''], C: [''], D: ['x '] })
})

t.test('what is refused', async t => {
  const head = 'apiVersion: sealer.cloud/v2\nkind: Cluster\nmetadata: {name: a}\nspec:\n'
  const host = (more: string): string =>
    `${head}  hosts:\n    - ips: [10.0.0.1]\n      roles: [master]\n${more}`
  for (const [text, message] of [
    ['', /no document of kind Cluster/],
    ['kind: Nothing', /no document of kind Cluster/],
    [`${host('')}---\nkind: Nothing\n`, /F:\d+: kind "Nothing" is no kind/],
    [`${host('')}---\n${host('')}`, /second document of kind Cluster/],
    [host('  hostz: []\n'), /F:8: spec\.hostz is no field/],
    [host('      role: [x]\n'), /F:8: spec\.hosts\[0\]\.role is no field: known are ips, roles/],
    [host('      Env: [x]\n'), /spec\.hosts\[0\]\.Env is no field: did you mean "env"\?/],
    [`${head}  hosts:\n    - ips: [10.0.0.1]\n      roles: [boss]\n`, /neither master nor node/],
    [host('    - ips: [10.0.0.1]\n      roles: [master]\n'), /names the host 10\.0\.0\.1 twice/],
    [host('    - ips: [10.0.0.1]\n      roles: [node]\n'), /10\.0\.0\.1 as a master and as a node/],
    [host('  env: {a: b}\n'), /F:8: spec\.env is no list/],
    [host('  ssh: x\n'), /F:8: spec\.ssh is no map of fields/],
    [host('').replace('name: a', 'name: ../a'), /"\.\.\/a" is no name/],
    [
      `${host('')}---\nkind: Config\nspec: {path: ../../etc/passwd}\n`,
      /is no path below the root filesystem/,
    ],
    [`${host('')}---\nkind: Config\nspec: {path: a, strategy: mix}\n`, /neither overwrite nor merge/],
    [`${host('')}---\nkind: Plugin\nspec: {type: NOPE, action: PreInit}\n`, /"NOPE" is no type of a plugin/],
    [`${host('')}---\nkind: Plugin\nspec: {type: SHELL, action: preinit}\n`, /"preinit" is no action/],
  ] as const)
    t.throws(() => parseClusterfile(text, 'F'), { code: 'CLUSTERFILE_INVALID', message }, text)
})

t.test('a command line', async t => {
  const cluster = assembleCluster({
    masters: '10.0.0.1',
    nodes: '10.0.0.2-10.0.0.3',
    user: 'me',
    env: ['A=1'],
  })
  t.equal(cluster.name, 'my-cluster')
  t.same(
    cluster.hosts.map(({ address, roles, access, variables }) => [
      address,
      roles[0],
      access.user,
      variables.A,
    ]),
    [
      ['10.0.0.1', 'master', 'me', ['1']],
      ['10.0.0.2', 'node', 'me', ['1']],
      ['10.0.0.3', 'node', 'me', ['1']],
    ],
  )
  t.equal(assembleCluster({ file: { name: 'F', text: V2 }, name: 'other' }).name, 'other')
  t.throws(() => assembleCluster({ nodes: '10.0.0.1' }), { message: /no master/ })
  t.throws(() => assembleCluster({ masters: '10.0.0.1', nodes: '10.0.0.1' }), { message: /comes twice/ })
})

t.test('plugins of an image', async t => {
  const text = 'kind: Plugin\nmetadata: {name: a}\nspec: {type: SHELL, action: PreInit, data: "ls"}\n'
  t.match(parsePlugins(`${text}---\nkind: Other\n---\n${text}`, 'plugins/a.yaml'), [
    { name: 'a' },
    { name: 'a' },
  ])
})
