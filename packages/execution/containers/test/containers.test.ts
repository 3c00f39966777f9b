// Users of a root filesystem, and the specs of containers.

import t from 'tap'
import { chrootCommand } from '../src/chroot.js'
import { type ContainerRequest, runtimeSpec } from '../src/runtime-spec.js'
import { ownerIdentity, processIdentity } from '../src/users.js'

t.test('who a user is', async t => {
  const accounts = {
    passwd:
      'root:x:0:0:root:/root:/bin/sh\njoe:x:1000:100::/home/joe:\n7:x:70:71::/seven:\nbad:x:99999999999:0::/:\n',
    group: 'root:x:0:\nusers:x:100:\nwheel:x:10:joe,ann\ndocker:x:20:joe\n',
  }
  const rows: readonly [spec: string, want: object, why: string][] = [
    ['', { uid: 0, gid: 0, groups: [0], home: '/root' }, 'nobody said: root'],
    [
      'joe',
      { uid: 1000, gid: 100, groups: [10, 20, 100], home: '/home/joe' },
      'with the groups that have him',
    ],
    ['joe:wheel', { uid: 1000, gid: 10, groups: [10], home: '/home/joe' }, 'a named group is the only one'],
    ['1000', { uid: 1000, gid: 100, groups: [10, 20, 100], home: '/home/joe' }, 'a number that passwd knows'],
    ['1234', { uid: 1234, gid: 0, groups: [0], home: '/' }, 'a number that it does not know'],
    ['7', { uid: 70, gid: 71, groups: [71], home: '/seven' }, 'a user whose name is a number'],
    ['5:6', { uid: 5, gid: 6, groups: [6], home: '/' }, 'numbers'],
  ]
  for (const [spec, want, why] of rows) t.same(processIdentity(spec, accounts), want, `${spec}: ${why}`)
  t.throws(() => processIdentity('ann', accounts), { code: 'USER_UNKNOWN' })
  t.throws(() => processIdentity('joe:nogroup', accounts), { code: 'USER_UNKNOWN' })
  t.throws(
    () => processIdentity('bad', accounts),
    { code: 'USER_UNKNOWN' },
    'an id that wraps: CVE-2024-40635',
  )
  t.throws(() => processIdentity('4294967296', accounts), { code: 'USER_INVALID' }, 'would be root')
  const unknown: string[] = []
  const owner = (spec: string): unknown => ownerIdentity(spec, accounts, why => unknown.push(why))
  t.same(owner('joe'), { uid: 1000, gid: 100 }, 'a name brings its group')
  t.same(owner('7'), { uid: 7, gid: 7 }, 'a number is both')
  t.same(owner('joe:20'), { uid: 1000, gid: 20 })
  t.same(unknown, [])
  t.same(owner('ann'), { uid: 0, gid: 0 }, 'BuildKit takes root for who is not there')
  t.same(owner('joe:nogroup'), { uid: 1000, gid: 100 }, 'the group that came with the user')
  t.match(unknown, [/"ann"/, /"nogroup"/], 'and it is said')
  const parts: [string, number, number][] = [
    ['7:', 7, 0],
    ['joe:', 1000, 0],
    [':20', 0, 20],
    ['7:nogroup', 7, 7],
    ['joe:1:2', 1000, 100],
    ['+7:+8', 7, 8],
    ['4294967295', 0, 0],
    ['7:4294967295', 7, 7],
    ['root:root', 0, 0],
  ]
  for (const [spec, uid, gid] of parts) t.same(owner(spec), { uid, gid }, `${spec}, as BuildKit has it`)
})

t.test('containers', async t => {
  const request: ContainerRequest = {
    process: {
      args: ['x'],
      env: ['A=b', 'LD_PRELOAD=/evil.so'],
      cwd: '/w',
      user: { uid: 0, gid: 0, groups: [3], home: '/' },
    },
    rootfs: '/r',
    network: 'none',
  }
  const spec = JSON.parse(JSON.stringify(runtimeSpec(request)))
  t.same(spec.process.user, { uid: 0, gid: 0, umask: 18, additionalGids: [3] })
  t.ok(
    spec.linux.namespaces.some((n: { type: string }) => n.type === 'network'),
    'its own network',
  )
  t.notOk('rlimits' in spec.process, 'no limits: raising one may be forbidden')
  t.notOk('inheritable' in spec.process.capabilities, 'CVE-2022-27649')
  const { process } = request
  const ordinary = { ...request, process: { ...process, user: { ...process.user, uid: 5 } } }
  t.same(
    JSON.parse(JSON.stringify(runtimeSpec(ordinary))).process.capabilities.effective,
    [],
    'none for an ordinary user',
  )
  const host = JSON.parse(
    JSON.stringify(runtimeSpec({ ...request, network: 'host', caller: { rootless: { uid: 7, gid: 8 } } })),
  )
  t.match(host.linux, { uidMappings: [{ containerID: 0, hostID: 7, size: 1 }], gidMappings: [{ hostID: 8 }] })
  t.notOk(host.linux.namespaces.some((n: { type: string }) => n.type === 'network'))
  t.match(
    host.mounts.find((m: { destination: string }) => m.destination === '/sys'),
    { source: '/sys' },
    'no sysfs of its own',
  )
  const tools = { unshare: '/u', setpriv: '/s', mount: '/m', mkdir: '/d', ln: '/l', sh: '/sh' }
  const command = chrootCommand({ ...request, rootfs: "/it's" }, tools)
  t.notOk('LD_PRELOAD' in command.env, 'the loader of programs outside must not see it')
  t.ok(command.args.includes('LD_PRELOAD=/evil.so'), 'it is set inside')
  t.ok(command.args.includes('-n'), 'its own network')
  t.match(command.args.join(' '), `'/it'\\''s/proc'`, 'quoted for the shell')
  t.match(command.args.join(' '), /for each in [^;]*proc\/sys'/, 'what root could change is read-only')
})
