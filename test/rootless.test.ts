// Builds of an ordinary user with ranges of subordinate ids: they give the same digests as builds of root, and leave
// nothing behind.
//
// The machine is not changed: /etc/passwd, /etc/subuid, /etc/subgid and /dev/fuse are covered in a mount namespace.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ownedName } from '@pipelayer/sys'
import { childrenOf, isAlive, mountsBelow, need, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const PROGRAMS = [
  'busybox',
  'runc',
  'fuse-overlayfs',
  'newuidmap',
  'unshare',
  'setpriv',
  'setcap',
  'setfattr',
  'ldd',
]
const skip = need('root', ...PROGRAMS)

const BASE = `
mkdir -p bin etc usr/sbin data/sub data/shut c
cp "$(command -v busybox)" bin/busybox
for name in sh cat rm ln mkdir chown chmod touch stat id mkfifo ip sleep; do ln -s busybox bin/$name; done
cp "$(command -v setcap)" bin/setcap
ldd bin/setcap | grep -o '/[^ ]*' | while read -r lib; do mkdir -p ".\${lib%/*}"; cp "$lib" ".$lib"; done
printf 'root:x:0:0::/root:/bin/sh\\napp:x:1000:1001::/:/bin/sh\\n' > etc/passwd
printf 'root:x:0:\\napp:x:1001:\\nextra:x:2000:app\\n' > etc/group
echo a > data/a; setfattr -n user.note -v hi data/a; ln data/a data/alink
echo s > data/secret; chmod 600 data/secret; chown 33:34 data/secret
echo z > data/zero; chmod 0 data/zero; chown 7:8 data/zero
echo x > data/sub/x; chown -R 42:43 data/sub; chown 1000:1001 data data/a
chmod 700 data/shut; chown 30000:30000 data/shut
cp bin/busybox bin/su; chmod 4755 bin/su
cp bin/busybox bin/capped; setcap cap_net_bind_service+ep bin/capped
`

const DOCKERFILE = `
FROM oci:layout:base AS other
RUN mkdir /made /made/shut && echo f > /made/f && chown 1000:1000 /made/f && chmod 4755 /made/f && \
  echo n > /made/shut/n && chown -R 77:78 /made/shut && chmod 700 /made/shut && chmod 0 /made/shut/n
FROM oci:layout:base
USER app
RUN [ "$(id -u) $(id -G)" = "1000 1001 2000" ] && echo mine > /data/mine && ! cat /data/secret
USER 0
RUN cat /data/secret /data/zero && rm -rf /data/sub && mkdir /data/sub && echo n > /data/sub/n && chown 5:6 /data/sub
RUN ln /data/mine /data/again && rm /data/alink && mkfifo /pipe && chown 9:9 /pipe && ln -s no /l && chown -h 3:4 /l
COPY --chown=12:13 f d /copied/
COPY --chown=app capped /bin/copied
RUN touch /data/new && setcap cap_net_raw+ep /data/new && chown 55:66 /data/zero
RUN --mount=type=cache,target=/c,uid=1000,gid=1001 --network=none [ "$(stat -c %u:%g /c)" = 1000:1001 ] && ! ip link show eth0
COPY --from=other /made /from
COPY --from=other /data /data2
COPY --from=other /bin/capped /bin/su /bin2/
USER app
WORKDIR /work/dir
RUN touch here && [ -w /dev/null ] && [ -e /proc/self/status ] && [ -d /sys/kernel ]
`

const PIPE =
  'kf-parse Dockerfile | kf-run -q --context context ARGS | ovl-diff -q | layer-pack -q | manifest-gen -q -t app:1'

/** A lab whose files a user without a name can read, and the script `./as-user COMMAND`. */
async function userLab(t: Parameters<typeof lab>[0]): Promise<Lab> {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000', HOME: undefined, XDG_DATA_HOME: undefined })
  fs.chmodSync(place.dir, 0o777)
  place.write({
    passwd: 'root:x:0:0::/root:/bin/sh\nbuilder:x:1234:1234::/:/bin/sh\n',
    // The user has several lines, by name and by number; lines of other users and broken lines are ignored.
    subuid: 'other:100:9\nbuilder:200000:40000\n# no\nbuilder:x:9\nbuilder:300000:25536\nbuilder:300000:7\n',
    subgid: '1234:400000:65536\n',
    'as-user': [
      '#!/bin/sh',
      "exec unshare -m sh -ec '",
      'for name in passwd subuid subgid; do mount --bind $0/$name /etc/$name; done',
      'mount --bind $0/device /dev/fuse',
      `exec setpriv --reuid 1234 --regid 1234 --clear-groups env HOME="$0/home" "$@"' '${place.dir}' "$@"`,
    ].join('\n'),
    Dockerfile: DOCKERFILE,
    'context/f': 'f\n',
    'context/d/one': '1\n',
    'home/': '',
    'base/': '',
  })
  fs.chmodSync(place.path('as-user'), 0o755)
  execFileSync('mknod', ['-m', '666', place.path('device'), 'c', '10', '229'])
  const shell = (script: string, cwd: string): void =>
    void execFileSync('sh', ['-ec', script], { cwd: place.path(cwd), stdio: ['ignore', 'pipe', 'inherit'] })
  shell(BASE, 'base')
  shell(
    'cp "$(command -v busybox)" capped; setfattr -n user.of -v context f; chmod 600 f; chown -R 1234:1234 . ../home',
    'context',
  )
  shell('setcap cap_net_admin+ep capped', 'context')
  const env = { PIPELAYER_STORE: place.path('store-of-root') }
  await place.good('layer-pack --dir base | manifest-gen --platform linux/amd64 | blob-put oci:layout:base', {
    env,
  })
  return place
}

const INSIDE = 'unshare --map-root-user --map-auto'

t.test('the same digest as root', { skip }, async t => {
  const place = await userLab(t)
  const build = async (name: string, who: string, args: string): Promise<string> => {
    place.write({ [`${name}.sh`]: `${PIPE.replace('ARGS', args)}\n` })
    const { stdout, stderr } = await place.run(`${who} sh ${name}.sh`, {
      env: { PIPELAYER_STORE: place.path(name) },
    })
    const manifest = stdout
      .split('\n')
      .filter(line => line.startsWith('{"type":"manifest"'))
      .map(line => JSON.parse(line) as { digest: string })
    t.same(fs.readdirSync(place.path(name, 'tmp')), [], `${name}: nothing is left`)
    return manifest[0]?.digest ?? `${name}: ${stderr}${stdout.slice(-2000)}`
  }
  const want = await build('root', '', '')
  t.match(want, /^sha256:/)
  const rows: readonly [name: string, who: string, args: string, why: string][] = [
    ['kernel', './as-user', '--overlays kernel', "a user, the kernel's overlays, runc"],
    ['fuse', './as-user', '--overlays fuse --runtime chroot', 'fuse-overlayfs, chroot'],
    ['copies', './as-user', '--overlays none', 'whole copies'],
    ['inside', `./as-user ${INSIDE}`, '', 'root of a user namespace that is there already'],
  ]
  for (const [name, who, args, why] of rows) t.equal(await build(name, who, args), want, why)
  t.same(mountsBelow(place.dir), [])
  const store = place.path('kernel')
  t.match(fs.readdirSync(path.join(store, 'steps')), [/^user-[0-9a-f]{16}$/])
  place.write({ 'snapshots.sh': PIPE.replace('ARGS', '--snapshots') })
  const refused = await place.run('./as-user sh snapshots.sh', { env: { PIPELAYER_STORE: store } })
  t.match(refused.stderr, /^ovl-diff: .*podman unshare.*\[SNAPSHOT_MAPPED\]$/m, 'one line says what to do')
  const crossing = PIPE.replace('kf-run', `${INSIDE} kf-run`).replace('ARGS', '--snapshots')
  place.write({ 'crossing.sh': crossing })
  const crossed = await place.run('./as-user sh crossing.sh', { env: { PIPELAYER_STORE: store } })
  t.match(crossed.stderr, /\[SNAPSHOT_MAPPED\]/, 'nor are ids taken for those of the image')
  await place.run(`./as-user rm -rf ${store}/steps 2>&1`)
  t.ok(fs.existsSync(path.join(store, 'steps')), 'files of other ids')
  const env = { PIPELAYER_STORE: store }
  const refusedGc = await place.run('./as-user setpriv --no-new-privs img-gc --min-age 0', { env })
  t.equal(refusedGc.status, 1, 'without a user namespace they stay')
  t.match(refusedGc.stderr, /as root, or as the user whose builds made it \[GARBAGE_KEPT\]/)
  await place.good('./as-user img-gc --min-age 0', { env })
  const left = ['steps', 'layers', 'caches'].flatMap(area => {
    const folder = path.join(store, area)
    return fs.readdirSync(folder).flatMap(form => fs.readdirSync(path.join(folder, form)))
  })
  t.same([...left, ...fs.readdirSync(path.join(store, 'tmp'))], [], 'img-gc removes them in a user namespace')
})

t.test('nothing is left', { skip }, async t => {
  const place = await userLab(t)
  const step = 'chown -R 77:78 /data && chmod 700 /data && touch /data/new'
  const started = `for i in 1 2 3 4 5 6 7 8; do touch /data/$i; done; sleep 100`
  const tmp = path.join(place.store, 'tmp')
  place.write({ Dockerfile: `FROM oci:layout:base\nRUN ${step} && exit 3\n` })
  const failed = await place.run('kf-parse Dockerfile | ./as-user kf-run')
  t.match(failed.stderr, /ended with status 3 \[RUN_FAILED\]/)
  t.same(fs.readdirSync(tmp), [], 'after a step that failed')
  place.write({ Dockerfile: `FROM oci:layout:base\nRUN ${step} && ${started}\n` })
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const running = place.start('kf-parse Dockerfile | ./as-user kf-run > out')
    await waitUntil('the step runs', () => filesBelow(tmp).some(name => name.endsWith('/upper/data/8')))
    const pid = childrenOf(running.pid).find(child => commandOf(child).includes('kf-run')) ?? 0
    const all = descendants(pid)
    process.kill(pid, signal)
    await running.done
    await waitUntil(
      `all is gone after ${signal}`,
      () => !all.some(isAlive) && fs.readdirSync(tmp).length === 0,
    )
  }
  // A folder that not even the shell around the executor could remove, because it was killed too.
  const orphan = path.join(tmp, ownedName('run', 'abc').replace(`.${process.pid}.`, '.4194304.'))
  await place.good(
    `./as-user ${INSIDE} sh -c 'mkdir -p ${orphan}/d && chown 7:7 ${orphan}/d && chmod 700 ${orphan}/d'`,
  )
  await place.good(`./as-user ${INSIDE} touch ${orphan}/d/f`)
  place.write({ Dockerfile: `FROM oci:layout:base\nRUN ${step}\n` })
  await place.good('kf-parse Dockerfile | ./as-user kf-run > out')
  t.same(fs.readdirSync(tmp), [], 'what killed builds left is taken away by the next one')
})

t.test('what is said where ids cannot be mapped', { skip }, async t => {
  const place = await userLab(t)
  place.write({
    Dockerfile: 'FROM scratch\nCOPY f /\n',
    'none/unshare': '#!/bin/sh\nexit 1\n',
    'fake/newuidmap': '#!/bin/sh\necho not today >&2\nexit 1\n',
  })
  const fake = place.path('fake/newuidmap')
  fs.chmodSync(place.path('none/unshare'), 0o755)
  const [path_ = '', none = ''] = ['fake', 'none'].map(name => `PATH=${place.path(name)}:$PATH`)
  const rows: readonly [mode: number, before: string, status: number, want: RegExp, why: string][] = [
    [
      0o755,
      path_,
      0,
      /no user but root exists in steps: .*fake\/newuidmap is neither setuid root/,
      'no rights',
    ],
    [0o4755, 'setpriv --no-new-privs', 0, /no user but root.*no_new_privs/, 'no rights for anybody'],
    [0o4755, path_, 75, /^kf-run: .*newuidmap: not today \[ID_MAP_FAILED\]$/m, 'refused'],
    [0o4755, none, 75, /the right to make namespaces .*\[EXECUTOR_DIED\]/, 'no namespaces'],
  ]
  for (const [mode, before, status, want, why] of rows) {
    fs.chmodSync(fake, mode)
    const run = await place.run(
      `kf-parse Dockerfile | ./as-user env ${before} kf-run --no-cache -c context > out`,
    )
    t.match(run.stderr, want, why)
    t.equal(run.statuses[1], status, why)
    t.same(fs.readdirSync(path.join(place.store, 'tmp')), [], why)
  }
  place.write({ Dockerfile: 'FROM scratch\nCOPY shut /\n', 'context/shut/f': '' })
  fs.chmodSync(place.path('context/shut'), 0o700)
  const shut = await place.run('kf-parse Dockerfile | ./as-user kf-run -c context > out')
  t.match(shut.stderr, /cannot open "\/shut" in ".*\/context": permission denied \[EACCES\]/)
})

function commandOf(pid: number): string {
  return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1')
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap(child => [child, ...descendants(child)])
}

/** The names of files; those that are removed in the meantime are skipped. */
function filesBelow(dir: string): string[] {
  try {
    return fs.readdirSync(dir, { recursive: true }).map(String)
  } catch {
    return []
  }
}
