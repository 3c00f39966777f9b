// What check finds in a Clusterfile and in root filesystems of each kind.
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { clusterfileFaults } from '../src/clusterfile-check.js'
import { checkRootfs } from '../src/index.js'

t.test('Clusterfiles', async t => {
  const cluster = (spec: string): string => `kind: Cluster\nmetadata: {name: a}\nspec: ${spec}\n`
  const rows: readonly [text: string, faults: readonly RegExp[], why: string][] = [
    [
      cluster(
        '{image: a, env: [A=1, "B=c d"], ssh: {port: "22"}, hosts: [{ips: [10.0.0.1, 10.0.0.2-10.0.0.9], roles: [master]}]}',
      ),
      [],
      'all that is right',
    ],
    [
      'kind: Cluster\n---\nkind: Config\nspec: {path: etc/a}\n---\n---\nkind: KubeletConfiguration\n',
      [],
      'other documents',
    ],
    [cluster('{hosts: {masters: [1.2.3.4]}}'), [], 'the first version'],
    ['kind: Pod\n', [/^line 1: the kind "Pod" is none of a Clusterfile/], 'a kind of something else'],
    ['a: 1\n', [/has no kind/], 'no kind'],
    ['kind: Cluster\n---\n- x\n', [/^line 3: it is no map/], 'a list'],
    ['kind: Config\nspec: {}\n', [/needs spec\.path/], 'a Config of nothing'],
    [cluster('[]'), [/spec of the Cluster is no map/], ''],
    [cluster('{env: {A: 1}}'), [/spec\.env is no list/], ''],
    [cluster('{env: [A]}'), [/spec\.env has "A"/], ''],
    [cluster('{ssh: x}'), [/spec\.ssh is no map/], ''],
    [cluster('{ssh: {port: "ssh"}}'), [/spec\.ssh\.port "ssh" is no port/], ''],
    [cluster('{hosts: x}'), [/spec\.hosts is no list/], ''],
    [cluster('{hosts: [x]}'), [/spec\.hosts\[0\] is no map/], ''],
    [cluster('{hosts: [{}]}'), [/has no ips/, /has no roles/], ''],
    [
      cluster('{hosts: [{ips: [node-1], roles: [boss], env: [x]}]}'),
      [/ips has "node-1"/, /roles has "boss"/, /env has "x"/],
      'all at once',
    ],
  ]
  for (const [text, faults, why] of rows) {
    const found = clusterfileFaults(text, 'f')
    t.equal(found.length, faults.length, `${why}: ${text}`)
    for (const [index, fault] of faults.entries()) t.match(found[index], fault, why)
  }
})

t.test('root filesystems', async t => {
  const find = (files: Readonly<Record<string, string>>): string[] => {
    const dir = t.testdir({})
    for (const [name, text] of Object.entries(files)) {
      fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
      if (name.endsWith('/')) fs.mkdirSync(path.join(dir, name), { recursive: true })
      else fs.writeFileSync(path.join(dir, name), text)
    }
    return checkRootfs(dir).map(({ severity, rule, file }) => `${severity} ${rule} ${file}`)
  }
  const sealer = Object.fromEntries(
    ['bin/', 'cri/', 'etc/', 'images/', 'registry/', 'statics/'].map(name => [name, '']),
  )
  const whole = { ...sealer, 'scripts/init.sh': '', Kubefile: 'FROM scratch\nCOPY . .', Metadata: '{}' }
  t.same(find(whole), [], "sealer's")
  t.same(
    find({ ...sealer, 'scripts/init.sh/': '', Kubefile: 'FROM scratch', Metadata: '{}' }).slice(0, 1),
    ['error wrong-type scripts/init.sh'],
    'a folder in place of a script',
  )
  t.same(find({ ...sealer, 'scripts/': '', Kubefile: 'FROM scratch', Metadata: '{}' }), [
    'warning missing scripts/init.sh',
  ])
  t.same(
    find({ ...sealer, Kubefile: 'FROM scratch', Metadata: '{}' }),
    ['warning missing scripts'],
    'told once',
  )
  t.same(
    find({ ...whole, 'etc/Clusterfile': 'kind: Cluster\nspec: {env: x}' }),
    ['error invalid etc/Clusterfile'],
    'what is in it',
  )
  t.same(
    find({ ...whole, 'etc/Clusterfile': 'kind: Pod' }),
    ['error invalid etc/Clusterfile'],
    'no Cluster in it',
  )
  const application = {
    Kubefile: 'FROM scratch\nCOPY charts charts\nCMD ["helm install a charts/a"]',
    'charts/': '',
  }
  t.same(
    find(application),
    ['warning missing registry', 'warning missing images/shim'],
    'an application of sealos',
  )
  t.same(find({ ...application, 'registry/': '', 'images/shim/a': '' }), [], 'a whole one')
  t.same(find({ 'images/shim/a': '', 'registry/': '' }), [], 'shown by its lists')
  const root = {
    Kubefile: 'FROM scratch\nLABEL sealos.io.type="rootfs"\nCOPY . .',
    'registry/': '',
    'images/shim/a': '',
  }
  t.same(
    find(root),
    ['bin', 'cri', 'etc', 'opt', 'scripts', 'statics'].map(name => `warning missing ${name}`),
  )
  t.same(
    find({ ...whole, Kubefile: 'FROM a\nLAUNCH b\nUSER c' }),
    [],
    'a Kubefile of two dialects shows nothing',
  )
})
