// The rules of a build that touch no file: paths, modes, users, history, keys, words of Go, mounts, argv.
import t from 'tap'
import { chrootCommand } from '../src/chroot.js'
import { nextWorkdir } from '../src/config-step.js'
import { destination, hasWildcard, sourcePattern } from '../src/copy-paths.js'
import { createdBy } from '../src/created-by.js'
import { parseMode } from '../src/file-mode.js'
import { duration, quote, quoteRune } from '../src/go-format.js'
import { alignHistory, fillTimes } from '../src/history.js'
import { childDocument, setEnv } from '../src/image-config.js'
import { parseMount } from '../src/mounts.js'
import { cleanName } from '../src/rooted.js'
import { type ContainerWish, runtimeSpec } from '../src/runtime-spec.js'
import { declareArg, type GlobalScope, proxyEnv, Scope, unusedBuildArgs } from '../src/scope.js'
import { ownerIdentity, processIdentity } from '../src/users.js'

t.test('where a destination points', async t => {
  const rows: readonly [dest: string, workdir: string, path: string, isDirectory: boolean, why: string][] = [
    ['/a', '/', 'a', false, 'absolute'],
    ['a', '/w', 'w/a', false, 'below the working directory'],
    ['a/', '/w', 'w/a', true, 'a trailing slash'],
    ['.', '/w', 'w', true, 'the working directory itself'],
    ['', '/w', 'w', true, 'nothing means the same'],
    ['./', '/', '', true, 'the root'],
    ['/', '/w', '', true, 'the root'],
    ['a/.', '/', 'a', true, 'a trailing dot'],
    ['../../x', '/w', 'x', false, 'never above the root'],
    ['/a/../../x/', '/', 'x', true, 'clamped, and still a directory'],
  ]
  for (const [dest, workdir, path, isDirectory, why] of rows)
    t.same(destination(dest, workdir), { path, isDirectory }, `${dest}: ${why}`)
})

t.test('how a source is read', async t => {
  const rows: readonly [source: string, parents: boolean, want: object, why: string][] = [
    ['a/b', false, { base: 'a/b', optional: false }, 'a plain name'],
    ['', false, { base: '', optional: false }, 'a variable that is empty means the context'],
    ['../../x', false, { base: 'x', optional: false }, 'clamped at the context'],
    ['/a/', false, { base: 'a', optional: false }, 'slashes at the ends mean nothing'],
    ['a/*.c/d', false, { base: 'a', wildcard: '*.c/d', optional: true }, 'split where the wildcard begins'],
    ['a/./b', true, { base: 'a', include: 'b', optional: false }, 'the pivot'],
    ['./x/a', true, { base: '', include: 'x/a', optional: false }, 'no pivot: the whole path is kept'],
    ['a/./', true, { base: 'a', include: '**', optional: true }, 'all below the pivot'],
    ['a*/./b', true, { base: '', wildcard: 'a*', include: 'b', optional: true }, 'a wildcard before it'],
  ]
  for (const [source, parents, want, why] of rows)
    t.same(sourcePattern(source, { parents }), want, `${source}: ${why}`)
  for (const [name, want] of [
    ['a\\*', false],
    ['a*', true],
    ['a[b', true],
    ['a?', true],
    ['a', false],
  ] as const)
    t.equal(hasWildcard(name), want, name)
  for (const [name, want] of [
    ['/a//b/./c/..', 'a/b'],
    ['../..', ''],
    ['a/../../b', 'b'],
  ] as const)
    t.equal(cleanName(name), want, name)
})

t.test('what --chmod does', async t => {
  const rows: readonly [text: string, mode: number, isDirectory: boolean, want: number, why: string][] = [
    ['755', 0o600, false, 0o755, 'octal replaces'],
    ['04755', 0o600, false, 0o4755, 'with setuid'],
    ['u+x', 0o644, false, 0o744, 'one class'],
    ['+x', 0o644, false, 0o755, 'no class is all of them'],
    ['go-rwx', 0o777, false, 0o700, 'taken away'],
    ['a=rX', 0o777, false, 0o555, 'X: somebody may execute it'],
    ['a=rX', 0o644, false, 0o444, 'X: nobody may'],
    ['a=rX', 0o644, true, 0o555, 'X of a directory'],
    ['u=rwx,g=u,o=', 0o000, false, 0o770, 'copied from another class, in order'],
    ['g+s', 0o755, true, 0o2755, 'setgid'],
    ['+t', 0o777, true, 0o1777, 'sticky'],
    ['u-s', 0o4755, false, 0o755, 'no setuid any more'],
  ]
  for (const [text, mode, isDirectory, want, why] of rows)
    t.equal(parseMode(text)(mode, isDirectory).toString(8), want.toString(8), `${text}: ${why}`)
  for (const text of ['8', '10000', 'u+q', 'x', 'u', '7 7'])
    t.throws(() => parseMode(text), { code: 'CHMOD_INVALID' }, text)
})

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

t.test('words of Go', async t => {
  t.equal(quote('a"b\\c\n\x07\x01é\u00a0😀'), '"a\\"b\\\\c\\n\\a\\x01é\\u00a0😀"')
  t.equal(quoteRune(3), "'\\x03'")
  t.equal(quoteRune(39), "'\\''")
  const rows = [
    [0, '0s'],
    [1, '1ns'],
    [1500, '1.5µs'],
    [1e8, '100ms'],
    [3e10, '30s'],
    [9e10, '1m30s'],
    [3.6e12, '1h0m0s'],
    [1.5e9, '1.5s'],
  ] as const
  for (const [ns, want] of rows) t.equal(duration(ns), want)
})

t.test('lines of the history, as BuildKit writes them', async t => {
  const file = { name: 'COPY', parents: false, sources: ['a', 'b'], inline: ['EOF'], dest: '/d/' } as const
  const check = {
    kind: 'healthcheck',
    test: ['CMD', 'x'],
    intervalNs: 3e10,
    timeoutNs: 0,
    startPeriodNs: 0,
    startIntervalNs: 0,
    retries: 3,
  } as const
  const rows: readonly [got: string, want: string][] = [
    [createdBy.run(['/bin/sh', '-c', 'make'], []), 'RUN /bin/sh -c make # buildkit'],
    [createdBy.run(['x'], ['A=1', 'B=']), 'RUN |2 A=1 B= x # buildkit'],
    [createdBy.transfer(file), 'COPY a b <<EOF /d/ # buildkit'],
    [
      createdBy.transfer({ ...file, parents: true, chown: 'a:b', chmod: '755' }),
      'COPY --parents --chown=a:b --chmod=755 a b <<EOF /d/ # buildkit',
    ],
    [createdBy.workdir('/w'), 'WORKDIR /w'],
    [createdBy.env([{ name: 'a', value: 'b c' }]), 'ENV a=b c'],
    [createdBy.arg([{ name: 'a' }, { name: 'b', value: '1' }]), 'ARG a b=1'],
    [createdBy.cmd(['a', 'b c']), 'CMD ["a" "b c"]'],
    [createdBy.expose(['443/tcp', '80/tcp']), 'EXPOSE [443/tcp 80/tcp]'],
    [createdBy.volume(['/a', '/b']), 'VOLUME [/a /b]'],
    [createdBy.shell(['/bin/bash', '-c']), 'SHELL [/bin/bash -c]'],
    [createdBy.healthcheck(check), `HEALTHCHECK &{["CMD" "x"] "30s" "0s" "0s" "0s" '\\x03'}`],
  ]
  for (const [got, want] of rows) t.equal(got, want)
})

t.test('times of a history', async t => {
  const [old, first, second] = ['2020-01-01T00:00:00Z', '2021-01-01T00:00:00Z', '2022-01-01T00:00:00Z']
  const filled = fillTimes(
    [
      { created: old },
      { created_by: 'ENV' },
      { created: first },
      { created_by: 'CMD' },
      { created: second },
      {},
    ],
    1,
    'now',
  )
  t.same(
    filled.map(entry => entry.created),
    [old, first, first, first, second, second],
    'the layer before, at first the next one',
  )
  t.equal(fillTimes([{ created: old }, {}], 1, 'now')[1]?.created, old, 'no new layer: the base')
  t.equal(fillTimes([{}], 0, 'now')[0]?.created, 'now', 'nothing at all: the clock')
  t.equal(alignHistory([], 2).length, 2, 'made up where the base has none')
  t.equal(alignHistory([{ empty_layer: true }, {}], 1).length, 2, 'as it is where it fits')
})

t.test('variables', async t => {
  const outer: GlobalScope = {
    buildArgs: new Map([
      ['A', 'given'],
      ['HTTPS_PROXY', 'p'],
      ['MISSPELT', 'x'],
    ]),
    globals: new Map([['G', 'global']]),
    used: new Set(),
  }
  const scope = new Scope([['E', 'env']])
  const word = (text: string): string => text
  t.equal(
    declareArg(scope, outer, { name: 'A', value: 'default' }, word),
    'given',
    '--build-arg beats the default',
  )
  t.equal(declareArg(scope, outer, { name: 'B', value: 'default' }, word), 'default')
  t.equal(declareArg(scope, outer, { name: 'G' }, word), 'global', 'a bare ARG takes the one before FROM')
  t.equal(declareArg(scope, outer, { name: 'E', value: 'arg' }, word), 'arg')
  t.equal(scope.get('E'), 'arg', 'the later of ENV and ARG counts')
  scope.set('E', 'env')
  t.equal(scope.get('E'), 'env', 'whichever it is')
  declareArg(scope, outer, { name: 'E' }, word)
  t.equal(scope.get('E'), 'env', 'an ARG without a value changes nothing')
  declareArg(scope, outer, { name: 'N' }, word)
  t.same(scope.declared(), ['A=given', 'B=default', 'G=global', 'E=env', 'N='])
  t.notOk(scope.values().has('N'), 'declared without a value is not set')
  t.same(
    [...proxyEnv(outer.buildArgs)],
    [
      ['HTTPS_PROXY', 'p'],
      ['https_proxy', 'p'],
    ],
    'a proxy needs no ARG',
  )
  t.same(unusedBuildArgs(outer), ['MISSPELT'])
})

t.test('the config of a child', async t => {
  const base = {
    architecture: 'arm64',
    os: 'linux',
    'os.version': '1',
    rootfs: { type: 'layers' },
    config: { Cmd: null, Env: ['A=1', 'B=2'] },
  }
  const doc = childDocument(base, { os: 'linux', architecture: 'amd64' })
  t.same(doc, {
    architecture: 'arm64',
    os: 'linux',
    'os.version': '1',
    config: { Env: ['A=1', 'B=2'] },
    history: [],
  })
  setEnv(doc.config, 'A', '3')
  setEnv(doc.config, 'C', '4')
  t.same(doc.config.Env, ['A=3', 'B=2', 'C=4'], 'replaced where it stands')
  for (const [current, wanted, want] of [
    ['/a', 'b', '/a/b'],
    ['/a', '/b/../c/', '/b/../c/'],
    ['/a/', 'b/', '/a/b'],
    ['/a', '', '/a'],
    [undefined, '', '/'],
    [undefined, 'x', '/x'],
    ['/', '../..', '/'],
  ] as const)
    t.equal(nextWorkdir(current, wanted), want)
})

t.test('mounts of a RUN', async t => {
  const rows: readonly [text: string, want: object, why: string][] = [
    ['type=bind,target=/a', { type: 'bind', target: '/a', source: '/', writable: false }, 'the context'],
    [
      'target=b,from=x,src=y,rw',
      { type: 'bind', target: '/w/b', from: 'x', source: 'y', writable: true },
      'bind is usual; aliases',
    ],
    ['type=bind,dst=/a,ro', { writable: false }, 'read-only it is anyway'],
    [
      'type=cache,target=/c',
      { type: 'cache', id: '/c', sharing: 'shared', mode: 0o755 },
      'its target is its name',
    ],
    [
      'type=cache,target=/c,sharing=locked,uid=3,mode=0700',
      { sharing: 'locked', uid: 3, mode: 0o700 },
      'all fields',
    ],
    ['type=tmpfs,target=/t,size=1m', { type: 'tmpfs', size: 1048576 }, 'with a size'],
    ['type=tmpfs,target=/t,size=1.5KiB', { size: 1536 }, "in docker's words, which mount(8) does not know"],
    ['type=tmpfs,target=/t,size=2 GB', { size: 2147483648 }, 'all of them powers of 1024'],
    ['type=tmpfs,target=/t,size=4096', { size: 4096 }, 'or none'],
    [
      'type=secret,id=s',
      { type: 'secret', target: '/run/secrets/s', required: false, mode: 0o400 },
      'where secrets are',
    ],
    ['type=secret,id=s,env=S', { env: 'S' }, 'only in a variable'],
    ['type=secret,src=s', { id: 's', target: '/run/secrets/s' }, 'by source'],
    ['TYPE=BIND,target=/a,ro,rw', { type: 'bind', writable: true }, 'the last one counts'],
    ['"target=/a,b",ro=0', { target: '/a,b', writable: true }, 'a comma in quotes'],
    ['target=/a,type=bind,id=x,env=y', { type: 'bind' }, 'what means nothing and is not refused'],
    ['type=cache,target=c,sharing=LOCKED,mode=1777', { id: 'c', sharing: 'locked', mode: 0o1777 }, ''],
    ['mode=1,type=secret,id=s', { mode: 1 }, 'before its type'],
    ['type=ssh', { id: 'default', required: false, mode: 0o600, uid: 0, gid: 0 }, 'an agent'],
    ['type=ssh,id=x,dst=a,mode=640', { id: 'x', target: '/w/a', mode: 0o640 }, 'in its place'],
  ]
  for (const [text, want, why] of rows) t.match(parseMount(text, '/w'), want, `${text}: ${why}`)
  const bad = [
    'type=x,target=/',
    'type=cache',
    'type=tmpfs,target=/',
    'type=tmpfs,target=/t,size=x',
    'type=tmpfs,target=/t,size=1m,mode=1',
    'type=tmpfs,target=/t,size=-1',
    'type=bind,target=/a,sharing=x',
    'type=cache,target=/a,mode=z',
    'type=cache,target=/a,mode=9',
    'type=cache,target=/a,uid=4294967296',
    'type=bind,target=/a,ro=x',
    'type=bind,target=/a,',
    'type=bind,target',
    'type=secret,id=s,from=x',
    'type=secret,id=s,src=y',
    'type=secret,env=S',
    'required,type=secret,id=s',
    'target="/a',
    'type=secret',
  ]
  for (const text of bad) t.throws(() => parseMount(text, '/'), { code: 'MOUNT_INVALID' }, text)
})

t.test('containers', async t => {
  const wish: ContainerWish = {
    args: ['x'],
    env: ['A=b', 'LD_PRELOAD=/evil.so'],
    cwd: '/w',
    user: { uid: 0, gid: 0, groups: [3], home: '/' },
    rootfs: '/r',
    network: 'none',
  }
  const spec = JSON.parse(JSON.stringify(runtimeSpec(wish)))
  t.same(spec.process.user, { uid: 0, gid: 0, umask: 18, additionalGids: [3] })
  t.ok(
    spec.linux.namespaces.some((n: { type: string }) => n.type === 'network'),
    'its own network',
  )
  t.notOk('rlimits' in spec.process, 'no limits: raising one may be forbidden')
  t.notOk('inheritable' in spec.process.capabilities, 'CVE-2022-27649')
  t.same(
    JSON.parse(JSON.stringify(runtimeSpec({ ...wish, user: { ...wish.user, uid: 5 } }))).process.capabilities
      .effective,
    [],
    'none for an ordinary user',
  )
  const host = JSON.parse(
    JSON.stringify(runtimeSpec({ ...wish, network: 'host', rootless: { uid: 7, gid: 8 } })),
  )
  t.match(host.linux, { uidMappings: [{ containerID: 0, hostID: 7, size: 1 }], gidMappings: [{ hostID: 8 }] })
  t.notOk(host.linux.namespaces.some((n: { type: string }) => n.type === 'network'))
  t.match(
    host.mounts.find((m: { destination: string }) => m.destination === '/sys'),
    { source: '/sys' },
    'no sysfs of its own',
  )
  const tools = { unshare: '/u', setpriv: '/s', mount: '/m', mkdir: '/d', ln: '/l', sh: '/sh' }
  const command = chrootCommand({ ...wish, rootfs: "/it's" }, tools)
  t.notOk('LD_PRELOAD' in command.env, 'the loader of programs outside must not see it')
  t.ok(command.args.includes('LD_PRELOAD=/evil.so'), 'it is set inside')
  t.ok(command.args.includes('-n'), 'its own network')
  t.match(command.args.join(' '), `'/it'\\''s/proc'`, 'quoted for the shell')
  t.match(command.args.join(' '), /for each in [^;]*proc\/sys'/, 'what root could change is read-only')
})
