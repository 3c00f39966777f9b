// ovl-mount as a program, beside those that pull, unpack, commit, collect and run.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import {
  childrenOf,
  compareTrees,
  hard,
  type Item,
  isAlive,
  link,
  mountsBelow,
  need,
  ROOT,
  waitUntil,
} from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'
import { layeredImage } from './layered-image.js'

const ALL = process.env.PIPELAYER_TEST_ALL === '1'
const needsRoot = { skip: need('root', 'unshare', 'setpriv') }
const slow = { skip: needsRoot.skip || (ALL ? false : 'takes minutes: scripts/test --all runs it') }
const PULL = 'img-pull oci:layout:app'

const dir = (name: string, more: Partial<Item> = {}): Item => ({ name, type: 'dir', ...more })
const file = (name: string, content = name, more: Partial<Item> = {}): Item => ({ name, content, ...more })

/** Each kind of entry, and each way in which a layer hides those below it. */
const LAYERS: readonly (readonly Item[])[] = [
  [
    dir('etc'),
    file('etc/motd', 'hello'),
    file('etc/gone'),
    dir('srv', { mode: 0o1777, uid: 7, gid: 8 }),
    dir('srv/old'),
    file('srv/old/a'),
    file('srv/old/b'),
    dir('opaque'),
    file('opaque/below'),
    file('becomes-dir'),
    dir('becomes-file'),
    file('becomes-file/x'),
    link('link', 'etc/motd'),
    { name: 'null', type: 'char', mode: 0o666, devmajor: 1, devminor: 3 },
  ],
  [
    dir('etc'),
    file('etc/.wh.gone', ''),
    file('etc/setuid', 'x', { mode: 0o4755 }),
    dir('srv', { mode: 0o1777, uid: 7, gid: 8 }),
    file('srv/.wh.old', ''),
    dir('opaque', { mode: 0o700 }),
    file('opaque/.wh..wh..opq', ''),
    file('opaque/above'),
    dir('becomes-dir'),
    file('becomes-dir/y'),
    file('becomes-file'),
    hard('etc/motd2', 'etc/motd'),
  ],
  [
    dir('srv', { mode: 0o1777, uid: 7, gid: 8 }),
    dir('srv/old'),
    file('srv/old/c'),
    file('etc/motd', 'changed'),
  ],
]

function mountLab(t: Parameters<typeof lab>[0], layers = LAYERS): Lab {
  const place = lab(t)
  layeredImage(place.dir, 'app', layers)
  return place
}

/** What a mount leaves: mounts, notes of the store, temporary folders. */
function left(place: Lab): string[] {
  const namesIn = (area: string): string[] => {
    const folder = path.join(place.store, area)
    return fs.existsSync(folder) ? fs.readdirSync(folder).filter(name => name !== 'lock') : []
  }
  return [...mountsBelow(place.dir), ...namesIn('mounts'), ...namesIn('tmp')]
}

t.test('mount, change, collect, unmount', needsRoot, async t => {
  const place = mountLab(t)
  await place.good(`${PULL} | blob-put store:app:1`)
  await place.good('img-pull store:app:1 | ovl-mount --upper upper merged')
  await place.good(`
    rm merged/etc/setuid && echo new > merged/srv/new && chmod 755 merged/opaque && rm -r merged/srv/old && mkdir merged/srv/old`)
  await place.good('img-commit --upper upper store:app:1 store:app:2')
  const told = await place.good('ovl-mount --list merged | tee list | ovl-diff | layer-pack')
  await place.good('ovl-mount --unmount merged')
  await place.good('img-pull store:app:2 | untar after')
  await place.good('img-pull store:app:1 | untar wanted')
  await place.good(
    `cd wanted && rm etc/setuid && echo new > srv/new && chmod 755 opaque && rm -r srv/old && mkdir srv/old`,
  )
  t.same(compareTrees(place.path('after'), place.path('wanted'), { ignore: ['mtime'] }), [])
  // With the lowers known, ovl-diff writes whiteouts in place of an opaque mark, so the blobs differ; the trees do not.
  const layer = told.records().find(({ type }) => type === 'layer')
  t.match(layer, { createdBy: 'ovl-mount', diffID: /^sha256:/ })
  await place.good(
    'img-pull store:app:1 | img-edit --append <(ovl-diff < list | layer-pack) | blob-put store:app:3 > three',
  )
  await place.good('img-pull store:app:3 | untar again')
  t.same(compareTrees(place.path('again'), place.path('wanted'), { ignore: ['mtime'] }), [])
  t.match(fs.readFileSync(place.path('three'), 'utf8'), String(layer?.diffID), 'the layer stays what it was')
  await waitUntil(
    'nothing is left',
    async () => (await place.good('ovl-mount --list')).records().length === 1,
  )
  t.same(left(place), [])
})

t.test('the tree is that of untar', needsRoot, async t => {
  const place = mountLab(t)
  await place.good(`${PULL} | untar tree`)
  await place.good(`${PULL} | ovl-mount ro`)
  await place.good(`${PULL} | ovl-mount --upper u rw`)
  await place.good(`${PULL} | ovl-mount private -- cp -a private copy`)
  for (const name of ['ro', 'rw', 'copy'])
    t.same(compareTrees(place.path(name), place.path('tree'), { ignore: ['names'] }), [], name)
  t.notOk(fs.existsSync(place.path('tree/srv/old/a')))
  const table = await place.good(`script -qec 'ovl-mount --list' /dev/null`)
  t.match(
    table.stdout.replaceAll('\r', ''),
    /^TARGET +IMAGE +LOWERS +UPPER +BY +STATE\n\S+\/ro +\S+ +3 +- +uid 0 +mounted\n/,
  )
  await place.good('ovl-mount -u ro rw')
})

t.test('500 lowers', slow, async t => {
  const place = lab(t)
  const long = 'a-long-name-'.repeat(15)
  const names = Array.from({ length: 500 }, (_, at) => `${long}${at}`)
  for (const [at, name] of names.entries())
    place.write({ [`${name}/own-${at}`]: String(at), [`${name}/shared`]: String(at) })
  await place.good(`ovl-mount --lower "$(printf '%s:' ${long}{0..498})${long}499" --upper u m`)
  t.equal(fs.readFileSync(place.path('m/shared'), 'utf8'), '0', 'the nearest')
  const own = names.map((_, at) => fs.readFileSync(place.path(`m/own-${at}`), 'utf8'))
  t.same(
    own,
    names.map((_, at) => String(at)),
  )
  place.write({ 'm/own-499': 'changed' })
  t.same(fs.readdirSync(place.path('u')), ['own-499'])
  await place.good('ovl-mount -u m')
  const layers = Array.from({ length: ALL ? 500 : 40 }, (_, at) => [
    file(`own-${at}`),
    file('shared', String(at)),
  ])
  layeredImage(place.dir, 'app', layers)
  await place.good(`${PULL} | ovl-mount m`)
  t.equal(fs.readFileSync(place.path('m/shared'), 'utf8'), String(layers.length - 1), 'the top layer')
  t.equal(fs.readdirSync(place.path('m')).length, layers.length + 1)
  await place.good('ovl-mount -u m')
})

t.test('img-gc keeps what is mounted', needsRoot, async t => {
  const place = mountLab(t)
  const gc = 'img-gc --min-age 0 --wait 30'
  const count = (): number => fs.readdirSync(path.join(place.store, 'layers/root')).length
  await place.good(`${PULL} | ovl-mount m`)
  await place.good('mkdir l && ovl-mount --lower l other')
  for (const command of [gc, `${gc} --keep-bytes 0`]) {
    await place.good(command)
    t.equal(count(), LAYERS.length, command)
  }
  t.equal(fs.readFileSync(place.path('m/etc/motd'), 'utf8'), 'changed')
  await place.good('ovl-mount -u m')
  await waitUntil(
    'nobody uses the layers',
    async () => (await place.good('ovl-mount --list')).records().length === 2,
  )
  // While a command sees a mount, nobody has to wait for it, and its layers stay.
  const running = place.start(
    `${PULL} | ovl-mount m -- sh -c 'touch began; cat m/etc/motd; read -r line < end; cat m/srv/old/c'`,
  )
  await place.good('mkfifo end')
  await waitUntil('the command runs', () => fs.existsSync(place.path('began')))
  await place.good('img-gc --min-age 0 --wait 0')
  t.equal(count(), LAYERS.length)
  t.match((await place.good('ovl-mount --list m')).records(), [
    { state: 'private', target: place.path('m') },
    {},
  ])
  const refused = await place.run('ovl-mount --unmount m')
  t.match(
    [refused.status, refused.stderr],
    [1, /for its command \(pid \d+\), and goes with it \[MOUNT_PRIVATE\]/],
  )
  await place.good('echo > end')
  t.match(await running.done, { statuses: [0, 0], stdout: 'changedsrv/old/c' })
  await place.good(gc)
  t.equal(count(), 0)
  await place.good('ovl-mount -u other')
})

t.test('a command', needsRoot, async t => {
  const place = mountLab(t)
  const rows: readonly (readonly [command: string, status: number, out: string, why: string])[] = [
    [`ovl-mount m -- cat m/etc/motd < records`, 0, 'changed', 'its output'],
    [`ovl-mount m -- sh -c 'exit 3' < records`, 3, '', 'its status'],
    [`ovl-mount m -- sh -c 'kill -TERM $$' < records`, 143, '', 'its signal'],
    [`ovl-mount m -- cat < records`, 0, '', 'no stdin beside records'],
    [`echo in | ovl-mount --lower layout m -- cat`, 0, 'in\n', 'stdin without records'],
    [`SHELL=/bin/echo ovl-mount m -- < records`, 0, '\n', 'the shell of the user'],
    [`ovl-mount m -- ls -d --color=never m < records`, 0, 'm\n', 'its options are its own'],
    [
      `cd sub && ovl-mount --over --lower ../layout . -- ls oci-layout`,
      0,
      'oci-layout\n',
      'mounted on its own directory',
    ],
    [`_ovl_status=7 x=8 ovl-mount --lower layout m -- sh -c 'echo $x'`, 0, '8\n', 'its environment'],
    [
      `ovl-mount --lower layout m -- sh -c 'ls /proc/self/fd | grep -c ^.$'`,
      0,
      '4\n',
      'no descriptor but its own',
    ],
    [`ovl-mount --lower layout m -- sh -c 'umask'`, 0, '0027\n', 'its mask'],
    [
      `ovl-mount --lower layout m -- sh -c 'sleep 1000 & echo ended'`,
      0,
      'ended\n',
      'what it leaves running ends',
    ],
  ]
  place.write({ 'sub/': '' })
  await place.good(`${PULL} > records`)
  for (const [command, status, out, why] of rows) {
    const { stderr, stdout, ...ended } = await place.run(`umask 027\n${command}`)
    t.same([ended.status, stdout, stderr], [status, out, ''], `${why}: ${command}`)
    t.same([left(place), fs.existsSync(place.path('m'))], [[], false], `nothing is left: ${command}`)
  }
  await place.good(`${PULL} | ovl-mount --upper u m -- sh -c 'rm m/etc/motd; echo x > m/x'`)
  t.same([fs.readdirSync(place.path('u')).sort(), fs.existsSync(place.path('u.work'))], [['etc', 'x'], false])
  const wrong: readonly (readonly [command: string, want: RegExp, why: string])[] = [
    [
      'ovl-mount --lower layout m -- no-such-program',
      /cannot run "no-such-program": no such program \[COMMAND_NOT_RUN\]/,
      'no program',
    ],
    ['ovl-mount --lower layout:layout m -- true', /\[DIRECTORIES_OVERLAP\]/, 'wrong directories'],
    [`${PULL} | jq -c 'select(.type != "layer")' | ovl-mount m -- true`, /\[NO_LAYERS\]/, 'a cut stream'],
    [
      'PATH=$PWD/none:$PATH ovl-mount --lower layout --upper new m -- true',
      /setpriv and unshare.*\[SESSION_DIED\]/,
      'no namespaces',
    ],
    ['ovl-mount --lower layout --upper new m -- no-such-program', /COMMAND_NOT_RUN/, 'a new upper goes'],
    ['ovl-mount -- true', /the DIR to mount on is missing.*\[USAGE\]/, 'no target'],
  ]
  place.write({ 'none/unshare': '#!/bin/sh\nexit 1\n' })
  fs.chmodSync(place.path('none/unshare'), 0o755)
  for (const [command, want, why] of wrong) {
    const run = await place.run(command)
    t.match(run.stderr, want, why)
    t.not(run.status, 0)
    t.same(
      [left(place), fs.existsSync(place.path('m')), fs.existsSync(place.path('new'))],
      [[], false, false],
      why,
    )
  }
})

t.test('no trace is left by a signal', slow, async t => {
  const place = mountLab(t)
  for (const [signal, status] of [
    ['SIGKILL', 137],
    ['SIGTERM', 143],
  ] as const) {
    const running = place.start(
      `ovl-mount --lower layout --upper up m -- sh -c 'echo $PPID > pid; touch m/began; while :; do sleep 1; done' & echo $! > own; wait $!; exit $?`,
    )
    await waitUntil('the command runs', () => fs.existsSync(place.path('up/began')))
    t.same(mountsBelow(place.path('m')), [], 'nobody else sees it')
    const own = Number(fs.readFileSync(place.path('own'), 'utf8'))
    const all = descendants(own)
    t.ok(all.length >= 4, String(all))
    process.kill(own, signal)
    await running.done
    await waitUntil(
      `all is gone after ${signal}`,
      () => !all.some(isAlive) && !fs.existsSync(place.path('m')),
    )
    await waitUntil('and its work directory', () => !fs.existsSync(place.path('up.work')))
    await place.good('ovl-mount --list')
    t.same([left(place), status > 0], [[], true], signal)
    fs.rmSync(place.path('up'), { recursive: true })
  }
})

t.test('SIGKILL while layers are unpacked leaves no half layer', slow, async t => {
  const many = Array.from({ length: 1500 }, (_, at) => file(`d/${at}`, `${at}`.repeat(50)))
  const place = mountLab(t, [
    [dir('d'), ...many],
    [file('top')],
    [dir('d'), ...many.map(item => ({ ...item, mode: 0o600 }))],
  ])
  await place.good(`${PULL} | blob-put store:app && img-pull store:app | untar tree`)
  const tmp = path.join(place.store, 'tmp')
  for (let at = 0; at < (ALL ? 20 : 2); at++) {
    fs.rmSync(path.join(place.store, 'layers'), { recursive: true, force: true })
    const running = place.start('img-pull store:app > records; exec ovl-mount m < records')
    await waitUntil('it unpacks', () => fs.existsSync(tmp) && fs.readdirSync(tmp).length > 0)
    await new Promise(resolve => setTimeout(resolve, at * 60))
    process.kill(running.pid, 'SIGKILL')
    await running.done
    await place.run('ovl-mount -u m')
    await place.good('img-pull store:app | ovl-mount m')
    t.same(compareTrees(place.path('m'), place.path('tree'), { ignore: ['names'] }), [])
    await place.good('ovl-mount -u m')
    t.same(fs.readdirSync(tmp), [], 'what was left is swept')
  }
})

t.test('of two that want one upper, one gets it', needsRoot, async t => {
  const place = mountLab(t)
  await place.good(`${PULL} | blob-put store:app`)
  const one = (target: string): string =>
    `(img-pull store:app | ovl-mount --upper u ${target} >/dev/null; echo $?) &`
  const { stdout, stderr } = await place.run(`${[1, 2, 3, 4].map(at => one(`m${at}`)).join('\n')}\nwait`)
  t.same(stdout.trim().split('\n').sort(), ['0', '1', '1', '1'])
  t.equal(stderr.match(/\[UPPER_BUSY\]/g)?.length, 3, stderr)
  t.equal(mountsBelow(place.dir).length, 1)
})

t.test('programs run in a mounted image', { skip: need('root', 'busybox', 'runc') }, async t => {
  const place = lab(t)
  await place.good(`mkdir -p base/bin base/etc && cp "$(command -v busybox)" base/bin/busybox && ln -s busybox base/bin/sh && ln -s busybox base/bin/cat && echo hi > base/etc/motd
    layer-pack --dir base | manifest-gen --platform linux/amd64 --cmd cat --cmd /etc/motd -t app | blob-put oci:layout:app`)
  await place.good(`${PULL} | ovl-mount --upper u root | bundle-gen --rootfs root bundle`)
  t.equal((await place.good('chroot root cat /etc/motd')).stdout, 'hi\n')
  t.equal((await place.good(`runc run --bundle bundle pipelayer-mount-${process.pid}`)).stdout, 'hi\n')
  await place.good('ovl-mount -u root')
  const { stdout } = await place.good(`${PULL} | ovl-mount root -- chroot root cat /etc/motd`)
  t.equal(stdout, 'hi\n')
})

const forUsers = { skip: need('root', 'newuidmap', 'unshare', 'setpriv', 'setfattr') }

t.test('an ordinary user', forUsers, async t => {
  const place = mountLab(
    t,
    LAYERS.map(items => items.filter(({ type }) => type !== 'char')),
  )
  place.write({ 'home/': '' })
  fs.chmodSync(place.dir, 0o777)
  execFileSync('chmod', ['-R', 'a+rX', place.path('layout')])
  await place.good(`${PULL} | untar tree`)
  const asUser = `'${path.join(ROOT, 'scripts/as-user')}' '${place.path('home')}'`
  const run = (script: string) => {
    place.write({ 'script.sh': script })
    return place.run(`${asUser} bash script.sh`, { env: { PIPELAYER_STORE: place.path('home/store') } })
  }
  const refused = await run(`${PULL} | ovl-mount home/m`)
  t.match(refused.stderr, /an ordinary user .*: ovl-mount \.\.\. "home\/m" -- COMMAND \[NEEDS_COMMAND\]/)
  t.notOk(fs.existsSync(place.path('home/m')))
  const seen = await run(
    `${PULL} | ovl-mount --upper home/u home/m -- bash -c 'id -u; stat -c %u:%g home/m/srv; rm -r home/m/srv/old; chown 5:6 home/m/etc/motd; ls home/m/etc'`,
  )
  t.same([seen.stdout, seen.stderr, seen.status], ['0\n7:8\nmotd\nmotd2\nsetuid\n', '', 0])
  t.equal(
    fs.statSync(place.path('home/u/etc/motd')).uid,
    700004,
    'ids are mapped as those of the steps of a build',
  )
  t.same(
    fs.readdirSync(place.path('home')).sort(),
    ['store', 'u'],
    'the mount is gone, with what was made for it',
  )
  const [form = ''] = fs.readdirSync(place.path('home/store/layers'))
  t.match(form, /^user-[0-9a-f]{16}$/, 'where kf-run looks for the layers')
  const again = await run(`${PULL} | ovl-mount home/m -- tar -C home/m -cf home/tree.tar .`)
  t.same([again.stderr, again.status], ['', 0])
  await place.good('mkdir copy && tar -C copy -xpf home/tree.tar')
  t.same(
    compareTrees(place.path('copy'), place.path('tree'), { ignore: ['names'] }),
    [],
    'the tree is that of untar',
  )
  const kept = await run(
    `${PULL} | blob-put store:app:1 >/dev/null && img-pull store:app:1 | ovl-mount --upper home/u home/m -- img-commit --xattrs user --upper home/u store:app:1 store:app:2 && img-pull store:app:2 | ovl-mount home/m -- test ! -e home/m/srv/old/c`,
  )
  t.same([kept.stderr, kept.status], ['', 0])
  t.match(kept.stdout, /"tool":"img-commit".*\n$/, 'the change is an image, and the image is mounted')
  await run('img-gc --min-age 0')
  t.same(fs.readdirSync(place.path('home/store/layers', form)), [], 'img-gc takes the layers away')
  const single = await run(`setpriv --no-new-privs ovl-mount --lower layout home/m -- id -u`)
  t.same([single.stdout, single.status], ['0\n', 0], 'one id is enough where no more are needed')
})

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap(child => [child, ...descendants(child)])
}
