// The options of docker run: what they become in config.json, and what is refused before anything is read.

import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { canLimitSwap, isDelegated } from '../src/cgroups.js'
import { type BundleGenOptions, bundleGen } from '../src/index.js'
import { parseLimits } from '../src/limits.js'
import { findConnector } from '../src/private-network.js'

type Options = Partial<BundleGenOptions>

// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
type Spec = any

async function* image(config: object): AsyncGenerator<AnyRecord> {
  yield { type: 'config', image: '1', config: { architecture: 'amd64', os: 'linux', config } }
}

/** A folder with the sources of mounts, in which relative names are resolved, and a bundle. */
function place(t: Test): string {
  const dir = tempDir(t, 'options')
  const etc = path.join(dir, 'bundle/rootfs/etc')
  fs.mkdirSync(etc, { recursive: true })
  fs.mkdirSync(path.join(dir, 'data'))
  fs.writeFileSync(path.join(dir, 'vars'), '# comment\n\nA=from file\n  B=2\nHERE\nNOTHERE\nA=again=1\n')
  fs.writeFileSync(path.join(etc, 'passwd'), 'root:x:0:0::/root:\njoe:x:1000:100::/home/joe:\n')
  fs.writeFileSync(path.join(etc, 'group'), 'users:x:100:\nwheel:x:10:joe\n')
  fs.symlinkSync('/', path.join(dir, 'bundle/rootfs/all'))
  return dir
}

async function specOf(
  dir: string,
  options: Options,
  config: object = { Cmd: ['a'], Env: ['A=image', 'C=3'] },
): Promise<Spec> {
  const bundle = path.join(dir, 'bundle')
  await collect(bundleGen(image(config), { bundle, outer: { HERE: 'here', PATH: '/none' }, ...options }))
  return JSON.parse(fs.readFileSync(path.join(bundle, 'config.json'), 'utf8'))
}

function mountAt({ mounts }: Spec, destination: string): Spec {
  const found = mounts.filter((mount: Spec) => mount.destination === destination)
  return found.length === 1 ? found[0] : found
}

t.test('the process', async t => {
  const dir = place(t)
  const vars = path.join(dir, 'vars')
  const rows: readonly [options: Options, want: object, why: string][] = [
    [{ env: ['A=1', 'D=x y'] }, { env: [/^PATH=/, 'A=1', 'C=3', 'D=x y', 'HOME=/root'] }, 'values'],
    [
      { env: ['HERE', 'A'] },
      { env: [/^PATH=/, 'C=3', 'HERE=here', 'HOME=/root'] },
      'a name takes what is here, or goes',
    ],
    [
      { env: ['PATH=/p', 'HOME=/h'] },
      { env: ['A=image', 'C=3', 'PATH=/p', 'HOME=/h'] },
      'no defaults beside those',
    ],
    [
      { envFile: [vars], env: ['B=3'] },
      { env: [/^PATH=/, 'A=again=1', 'C=3', 'B=3', 'HERE=here', 'HOME=/root'] },
      'a file, and a flag over it',
    ],
    [{ user: 'joe' }, { user: { uid: 1000, gid: 100, additionalGids: [10, 100] } }, 'a user with groups'],
    [{ user: 'joe:wheel' }, { user: { uid: 1000, gid: 10, additionalGids: [10] } }, 'a group'],
    [{ user: '7:8' }, { user: { uid: 7, gid: 8 } }, 'numbers'],
    [{ workdir: '/w' }, { cwd: '/w' }, 'a directory'],
    [
      { hostname: 'box' },
      { env: [/^PATH=/, 'HOSTNAME=box', 'A=image', 'C=3', 'HOME=/root'] },
      'the name of the host',
    ],
    [{ terminal: true }, { terminal: true }, 'a terminal'],
    [{ entrypoint: '/e', command: ['x'] }, { args: ['/e', 'x'] }, 'an entrypoint'],
    [{ entrypoint: '/e' }, { args: ['/e'] }, 'without the command of the image'],
    [{ entrypoint: '', command: ['x'] }, { args: ['x'] }, 'none'],
    [{ capDrop: ['ALL'] }, { capabilities: { bounding: [], effective: [], permitted: [] } }, 'no capability'],
    [
      { capDrop: ['all'], capAdd: ['net_raw', 'CAP_CHOWN'] },
      { capabilities: { bounding: ['CAP_CHOWN', 'CAP_NET_RAW'], effective: ['CAP_CHOWN', 'CAP_NET_RAW'] } },
      'two of them',
    ],
    [
      { capAdd: ['SYS_ADMIN'], user: '5' },
      { capabilities: { bounding: [/AUDIT/], effective: [], permitted: [] } },
      'none in effect for an ordinary user',
    ],
    [
      { ulimit: ['nofile=10:20', 'core=0', 'nofile=11'] },
      {
        rlimits: [
          { type: 'RLIMIT_NOFILE', soft: 11, hard: 11 },
          { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
        ],
      },
      'limits',
    ],
  ]
  for (const [options, want, why] of rows) t.match((await specOf(dir, options)).process, want, why)
  t.same((await specOf(dir, { env: ['HERE', 'A'] })).process.env.length, 4, 'A of the image is gone')
  const dropped = await specOf(dir, { capDrop: ['MKNOD', 'CAP_CHOWN'] })
  t.equal(dropped.process.capabilities.bounding.length, 12)
  const all = await specOf(dir, { capAdd: ['ALL'], capDrop: ['SYS_ADMIN'] })
  t.ok(all.process.capabilities.bounding.length > 14)
  t.notOk(all.process.capabilities.bounding.includes('CAP_SYS_ADMIN'))
  await specOf(dir, { ulimit: ['memlock=-1'] })
  t.match(
    fs.readFileSync(path.join(dir, 'bundle/config.json'), 'utf8'),
    /"soft": 18446744073709551615,/,
    'no limit, exactly',
  )
  const named = await specOf(
    dir,
    { label: ['a=1', 'b'], annotation: ['a=2'] },
    { Cmd: ['a'], Labels: { a: '0', c: '3' } },
  )
  t.match(named.annotations, { a: '2', b: '', c: '3' })
  await t.rejects(
    specOf(dir, { entrypoint: '' }),
    { code: 'COMMAND_MISSING' },
    'an empty entrypoint leaves nothing to start',
  )
})

t.test('mounts', async t => {
  const dir = place(t)
  const data = path.join(dir, 'data')
  const relative = path.relative(process.cwd(), data)
  const rows: readonly [options: Options, at: string, want: object, why: string][] = [
    [
      { volume: [`${data}:/d`] },
      '/d',
      { type: 'bind', source: data, options: ['rbind', 'rprivate'] },
      'a volume',
    ],
    [
      { volume: [`${data}:/d:ro,Z`] },
      '/d',
      { options: ['rbind', 'rprivate', 'ro'] },
      'read-only; Z does nothing',
    ],
    [{ volume: [`${data}:/d:rslave`] }, '/d', { options: ['rbind', 'rslave'] }, 'mounts that pass on'],
    [{ volume: [`${relative}:/d`] }, '/d', { source: data }, 'a relative source'],
    [{ volume: [`${data}:/d/../../e/`] }, '/e', { source: data }, 'a destination is cleaned'],
    [{ volume: [`${data}:/etc/hosts`] }, '/etc/hosts', { source: data }, 'in place of the file that all get'],
    [{ volume: [`${data}:/dev/shm`] }, '/dev/shm', { source: data }, 'in place of a standard mount'],
    [{ volume: [`${data}:/dev`] }, '/dev/pts', [], 'nothing below a directory of the caller'],
    [
      { mount: [`type=bind,src=${data},dst=/d`] },
      '/d',
      { source: data, options: ['rbind', 'rprivate'] },
      'fields',
    ],
    [
      { mount: [`type=bind,"source=${data}",target=/d,readonly,bind-propagation=rslave,bind-nonrecursive`] },
      '/d',
      { source: data, options: ['bind', 'rslave', 'ro'] },
      'all fields',
    ],
    [
      { mount: [`type=bind,src=${data},dst=/d,ro=false`] },
      '/d',
      { options: ['rbind', 'rprivate'] },
      'not read-only',
    ],
    [
      { mount: ['type=tmpfs,target=/d,tmpfs-size=64m,tmpfs-mode=1770,readonly'] },
      '/d',
      { type: 'tmpfs', options: ['noexec', 'nosuid', 'nodev', 'ro', 'size=67108864', 'mode=1770'] },
      'a tmpfs by fields',
    ],
    [{ tmpfs: ['/d'] }, '/d', { type: 'tmpfs', options: ['noexec', 'nosuid', 'nodev'] }, 'a tmpfs'],
    [
      { tmpfs: ['/d:rw,exec,size=64m'] },
      '/d',
      { options: ['nosuid', 'nodev', 'rw', 'exec', 'size=64m'] },
      'its options',
    ],
    [{ volume: ['/v'], readOnly: true }, '/v', { type: 'tmpfs' }, 'a volume without a source'],
    [{ volume: ['/v'] }, '/v', [], 'which a writable root has already'],
  ]
  for (const [options, at, want, why] of rows) t.match(mountAt(await specOf(dir, options), at), want, why)
  const sorted = await specOf(dir, { volume: [`${data}:/a/b`, `${data}:/a`], tmpfs: ['/a/b/c'] })
  const own = sorted.mounts
    .map((mount: Spec) => mount.destination)
    .filter((at: string) => at.startsWith('/a'))
  t.same(own, ['/a', '/a/b', '/a/b/c'], 'outer ones first')
  const volumes = { Cmd: ['a'], Volumes: { '/v': {} } }
  const readOnly = await specOf(dir, { readOnly: true, volume: [`${data}:/v`] }, volumes)
  t.match(mountAt(readOnly, '/v'), { source: data }, 'a volume of the image gives way')
  await t.rejects(
    specOf(dir, { volume: [`${data}:/all`] }),
    { code: 'OPTION_INVALID' },
    'a symlink to the root',
  )
})

t.test('resources', async t => {
  const dir = place(t)
  const rows: readonly [options: Options, want: object, why: string][] = [
    [{ memory: '512m' }, { memory: { limit: 536870912 } }, 'memory'],
    [
      { memory: '1.5GiB', memorySwap: '2g' },
      { memory: { limit: 1610612736, swap: 2147483648 } },
      'with swap',
    ],
    [{ memory: '6291456', memorySwap: '-1' }, { memory: { limit: 6291456, swap: -1 } }, 'any swap'],
    [{ cpus: '1.5' }, { cpu: { quota: 150000, period: 100000 } }, 'processors'],
    [{ cpus: '.5' }, { cpu: { quota: 50000 } }, 'half of one'],
    [{ pidsLimit: '64' }, { pids: { limit: 64 } }, 'processes'],
  ]
  for (const [options, want, why] of rows) t.match((await specOf(dir, options)).linux.resources, want, why)
  for (const options of [{ pidsLimit: '-1' }, { pidsLimit: '0' }, { cpus: '0' }, { memory: '0' }])
    t.same(Object.keys((await specOf(dir, options)).linux.resources), ['devices'], 'no limit')
  const flags = { memory: '8m', memorySwap: undefined, cpus: undefined, pidsLimit: undefined }
  t.same(
    parseLimits(flags, () => true),
    { memory: 8388608, memorySwap: 16777216 },
    'as much swap again',
  )
  t.same(
    parseLimits(flags, () => false),
    { memory: 8388608 },
    'where the kernel counts it',
  )
  const cgroups = tempDir(t, 'cgroups')
  t.equal(canLimitSwap(cgroups), false)
  t.equal(isDelegated(cgroups), false)
  fs.mkdirSync(path.join(cgroups, 'memory'))
  fs.writeFileSync(path.join(cgroups, 'memory/memory.memsw.limit_in_bytes'), '')
  t.equal(canLimitSwap(cgroups), true)
  const rootless = {
    uid: 5,
    gid: 6,
    idMap: {
      uid: [
        [0, 5, 1],
        [1, 100, 50],
      ],
      gid: [
        [0, 6, 1],
        [1, 200, 50],
      ],
    },
  } as const
  const mapped = await specOf(dir, { rootless, user: '7:8' })
  t.match(mapped.linux, {
    uidMappings: [{ hostID: 5 }, { containerID: 1, hostID: 100, size: 50 }],
    gidMappings: [{}, { hostID: 200 }],
  })
  t.notOk('resources' in mapped.linux, 'no limits')
  t.match(mountAt(mapped, '/dev/pts').options, /gid=5/, 'the group of terminals is mapped')
  await t.rejects(specOf(dir, { rootless, user: '70' }), { code: 'USER_NOT_MAPPED' })
  if (!isDelegated()) await t.rejects(specOf(dir, { rootless, memory: '8m' }), { code: 'LIMITS_UNSUPPORTED' })
  const said: string[] = []
  await specOf(dir, {
    rootless: { ...rootless, idMap: { uid: [[0, 5, 2000]], gid: [[0, 6, 2000]] } },
    user: 'joe',
    onWarning: text => said.push(text),
  })
  t.match(said, [/not in groups 10:/], 'groups that a runtime without root cannot give')
  const inside = await specOf(dir, { inside: { uid: [[0, 5, 3]], gid: [[0, 5, 3]] } })
  t.notOk(
    inside.linux.namespaces.some((each: Spec) => each.type === 'user'),
    'the namespace is there',
  )
  t.notOk('resources' in inside.linux)
  t.same(mountAt(inside, '/sys/fs/cgroup'), [])
})

t.test('networks and files', async t => {
  const dir = place(t)
  const has = (spec: Spec): boolean => spec.linux.namespaces.some((each: Spec) => each.type === 'network')
  const host = await specOf(dir, {})
  t.notOk(has(host))
  t.match(mountAt(host, '/etc/hosts'), { source: '/etc/hosts' })
  const none = await specOf(dir, { network: 'none', hostname: 'box' })
  t.ok(has(none))
  t.same(mountAt(none, '/etc/resolv.conf'), [])
  const hosts = mountAt(none, '/etc/hosts').source
  t.match(fs.readFileSync(hosts, 'utf8'), /^127.0.0.1\tlocalhost\n::1\tlocalhost .*\n127.0.1.1\tbox\n$/)
  t.equal(fs.readFileSync(mountAt(none, '/etc/hostname').source, 'utf8'), 'box\n')
  t.equal(none.hostname, 'box')
  const said: string[] = []
  const onWarning = (text: string): number => said.push(text)
  const alone = await specOf(dir, { network: 'private', connect: () => undefined, onWarning })
  t.ok(has(alone))
  t.notOk('hooks' in alone)
  t.match(said, [/neither pasta nor slirp4netns is installed/])
  for (const [name, nameServer] of [
    ['slirp4netns', '10.0.2.3'],
    ['pasta', '169.254.1.1'],
  ] as const) {
    const publish = ['8080:80', '127.0.0.1:53:5353/udp', '[::1]:81:81']
    const found = findConnector('/none', each => (each === name ? `/programs/${name}` : undefined))
    const spec = await specOf(dir, { network: 'private', publish, connect: () => found, onWarning })
    const [hook] = spec.hooks.createRuntime
    t.ok(has(spec))
    t.ok(hook.args.includes(`/programs/${name}`), name)
    t.match(hook.args.join(' '), /8080.*80/)
    t.equal(spec.hooks.poststop.length, 1)
    t.match(fs.readFileSync(path.join(dir, 'bundle/resolv.conf'), 'utf8'), `nameserver ${nameServer}\n`)
  }
  t.match(
    findConnector('/none', each => `/${each}`),
    { kind: 'pasta' },
    'pasta comes first',
  )
  t.equal(
    findConnector('/none', () => undefined),
    undefined,
  )
  said.length = 0
  await specOf(dir, { publish: ['1:1'], onWarning })
  t.match(said, [/--network private alone/])
})

t.test('what is refused', async t => {
  const dir = place(t)
  const data = path.join(dir, 'data')
  fs.writeFileSync(path.join(dir, 'blank'), 'A B=1\n')
  fs.writeFileSync(path.join(dir, 'binary'), Buffer.from([0x41, 0x3d, 0xff]))
  const rows: readonly [options: Options, said: RegExp][] = [
    [{ env: ['=x'] }, /--env "=x": it names no variable/],
    [{ envFile: ['/none/vars'] }, /--env-file "\/none\/vars" cannot be read/],
    [{ envFile: [path.join(dir, 'blank')] }, /a name has a blank/],
    [{ envFile: [path.join(dir, 'binary')] }, /cannot be read/],
    [{ workdir: 'w' }, /--workdir "w": it is not absolute/],
    [{ hostname: 'a b' }, /--hostname "a b"/],
    [{ hostname: '' }, /--hostname ""/],
    [{ user: 'a b' }, /--user "a b"/],
    [{ label: ['=x'] }, /--label "=x"/],
    [{ volume: [`${dir}/none:/d`] }, /the source ".*none" does not exist: make it first/],
    [{ volume: [`${data}:d`] }, /the destination "d" is not absolute/],
    [{ volume: [`${data}:/`] }, /cannot be "\/"/],
    [{ volume: [`${data}:/a/../..`] }, /cannot be "\/"/],
    [{ volume: [`:${data}`] }, /SOURCE:DESTINATION/],
    [{ volume: [`${data}:/d:ro:x`] }, /SOURCE:DESTINATION/],
    [{ volume: [`${data}:/d:fast`] }, /"fast" is not known/],
    [{ volume: [`${data}:/d:shared`] }, /"shared" is not done/],
    [{ volume: [`${data}:/d`], tmpfs: ['/d/'] }, /two mounts have this destination/],
    [{ mount: ['src=a,dst=/d'] }, /type=volume is not known/],
    [{ mount: ['type=bind,dst=/d'] }, /it has no source/],
    [{ mount: [`type=bind,src=${data}`] }, /is not absolute/],
    [{ mount: [`type=bind,src=${data},dst=/d,speed=1`] }, /the field "speed" is not known/],
    [{ mount: [`type=bind,src=${data},dst=/d,constructor=1`] }, /the field "constructor" is not known/],
    [{ mount: [`type=bind,src=${data},dst=/d,tmpfs-size=1`] }, /belong to type=tmpfs/],
    [{ mount: [`type=bind,src=${data},dst=/d,ro=maybe`] }, /neither true nor false/],
    [{ mount: [`type=bind,src,dst=/d`] }, /the field "src" needs a value/],
    [{ mount: [`type=tmpfs,src=${data},dst=/d`] }, /a tmpfs has/],
    [{ mount: ['type=tmpfs,dst=/d,tmpfs-mode=9'] }, /tmpfs-mode is octal/],
    [{ mount: ['type=tmpfs,dst=/d,tmpfs-size=x'] }, /an amount such as/],
    [{ mount: [''] }, /KEY=VALUE/],
    [{ tmpfs: ['/d:uid'] }, /"uid" is no option of a tmpfs/],
    [{ tmpfs: ['d'] }, /is not absolute/],
    [{ capAdd: ['FLY'] }, /--cap-add "FLY": there is no such capability/],
    [{ capDrop: [''] }, /--cap-drop "": there is no such capability/],
    [{ memory: '1x' }, /--memory "1x"/],
    [{ memory: '5m' }, /the least is 6m/],
    [{ memorySwap: '1g' }, /it needs --memory/],
    [{ memory: '1g', memorySwap: '512m' }, /not below --memory/],
    [{ cpus: 'two' }, /--cpus "two"/],
    [{ cpus: '0.001' }, /from 0.01 on/],
    [{ cpus: '-1' }, /--cpus "-1"/],
    [{ pidsLimit: '-2' }, /--pids-limit "-2"/],
    [{ ulimit: ['files=1'] }, /--ulimit "files=1"/],
    [{ ulimit: ['nofile=2:1'] }, /the soft limit is above/],
    [{ publish: ['80'] }, /HOST:CONTAINER/],
    [{ publish: ['0:80'] }, /ports from 1 to 65535/],
    [{ publish: ['1:65536'] }, /ports from 1 to 65535/],
  ]
  for (const [options, said] of rows) {
    const untouched: AsyncIterable<AnyRecord> = {
      [Symbol.asyncIterator]: () => {
        throw new Error('the input was read')
      },
    }
    const made = collect(bundleGen(untouched, { bundle: path.join(dir, 'new'), outer: {}, ...options }))
    await t.rejects(made, { code: 'OPTION_INVALID', status: 2, message: said }, JSON.stringify(options))
  }
  t.notOk(fs.existsSync(path.join(dir, 'new')), 'nothing is written')
})
