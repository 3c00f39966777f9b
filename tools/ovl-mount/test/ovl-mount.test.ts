// Mounts of directories and of images, by root. Mounts for a command, and ordinary users, are in test/mount.test.ts,
// since they need the built programs.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import type { AnyRecord } from '@pipelayer/records'
import { lsetxattr, makedev, mknod } from '@pipelayer/sys'
import { mountsBelow, need, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { dirsIn, optionsOf } from '../src/arguments.js'
import { MountKit } from './kit.js'

const needsRoot = { skip: need('root') }
const NONE = { mounts: [], notes: [] }

t.test('directories: read, written, listed, unmounted', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/near', 'a/both', 'b/far', 'b/both')
  const seen = await kit.mount('m', 'a:b')
  t.match(seen, {
    type: 'mount',
    target: kit.path('m'),
    lowers: [kit.path('a'), kit.path('b')],
    state: 'mounted',
  })
  t.same(
    [kit.names('m'), kit.read('m/both')],
    [['both', 'far', 'near'], 'a/both'],
    'the nearest lower is on top',
  )
  t.throws(() => kit.write('m/new'), { code: 'EROFS' }, 'read-only')
  await kit.mount('w', 'a:b', { upper: 'u' })
  kit.write('w/new')
  fs.rmSync(kit.path('w/far'))
  t.same(
    [kit.names('u'), kit.names('b')],
    [
      ['far', 'new'],
      ['both', 'far'],
    ],
    'changes are in the upper alone',
  )
  t.match(await kit.list(), [
    { target: kit.path('m'), upper: undefined, uid: 0, image: '1' },
    { target: kit.path('w'), upper: kit.path('u'), work: kit.path('u.work'), image: '2' },
  ])
  t.match(await kit.list('w'), [{ target: kit.path('w') }])
  t.match(await kit.list('a'), [{ type: 'failed', code: 'MOUNT_UNKNOWN' }])
  t.match(await kit.unmount('m'), [{ type: 'mount', target: kit.path('m'), state: 'unmounted' }])
  t.match(await kit.unmount('w'), [{ state: 'unmounted' }])
  await waitUntil('the notes are gone', async () => (await kit.list()).length === 0)
  t.same(kit.left(), NONE)
  t.same(
    kit.names('.'),
    ['a', 'b', 'store', 'u'],
    'what was made for the mounts is gone, what was written stays',
  )
})

t.test('a directory that was there stays, and one lower is enough', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f', 'm/', 'u/', 'w/')
  fs.chmodSync(kit.path('a'), 0o711)
  await kit.mount('m', 'a', { upper: 'u', work: 'w' })
  t.equal(fs.statSync(kit.path('m')).mode & 0o777, 0o755, 'an upper that was there gives its mode')
  await kit.unmount('m')
  await kit.mount('m', 'a')
  t.same(kit.names('m'), ['f'])
  await kit.unmount('m')
  await kit.mount('m', 'a', { upper: 'new/' })
  t.match(await kit.list(), [{ work: kit.path('new.work') }], 'a slash at the end of a name is nothing')
  t.equal(fs.statSync(kit.path('m')).mode & 0o777, 0o711, 'a new one gets that of the lower')
  await kit.unmount('m')
  t.same(
    kit.names('.').filter(name => name.length < 4),
    ['a', 'm', 'new', 'u', 'w'],
  )
})

t.test('names with any character', needsRoot, async t => {
  for (const name of ['a:b', 'a,b', 'a\\b', 'a\nb', 'a b', 'a"b', 'lowerdir=x', 'ä', ':', ',', '\\']) {
    const kit = new MountKit(t)
    kit.write(`${name}/l/f`, `${name}/u/`)
    const list = `${name}/l`.replaceAll('\\', '\\\\').replaceAll(':', '\\:')
    const record = await kit.mount(`${name}/m`, list, { upper: `${name}/u` })
    kit.write(`${name}/m/new`)
    t.same(kit.names(`${name}/m`), ['f', 'new'], JSON.stringify(name))
    t.same(record.lowers, [kit.path(name, 'l')])
    t.match(await kit.unmount(`${name}/m`), [{ state: 'unmounted' }])
  }
  t.same(dirsIn('a:b\\:c:\\\\:\\d'), ['a', 'b:c', '\\', '\\d'])
  for (const list of ['', ':', 'a::b', 'a:', ':a']) t.throws(() => dirsIn(list), { code: 'USAGE' }, list)
})

t.test('what is refused, and leaves nothing', needsRoot, async t => {
  type Row = readonly [
    why: string,
    code: string,
    target: string,
    lowers: string,
    more?: Parameters<MountKit['mount']>[2],
  ]
  const rows: readonly Row[] = [
    ['no such lower', 'ENOENT', 'm', 'a:none'],
    ['a lower that is a file', 'NOT_A_DIRECTORY', 'm', 'a/f'],
    ['a target that is a file', 'NOT_A_DIRECTORY', 'a/f', 'a'],
    ['a target without a parent', 'ENOENT', 'none/m', 'a'],
    ['a target that is a symlink to nothing', 'ENOENT', 'loose', 'a'],
    ['a target that holds something', 'TARGET_NOT_EMPTY', 'b', 'a'],
    ['an overlay on the target', 'TARGET_MOUNTED', 'busy', 'a'],
    ['a lower twice', 'DIRECTORIES_OVERLAP', 'm', 'a:a'],
    ['a lower by another name', 'DIRECTORIES_OVERLAP', 'm', 'a:same'],
    ['a lower in a lower', 'DIRECTORIES_OVERLAP', 'm', 'a:a/d'],
    ['an upper in a lower', 'DIRECTORIES_OVERLAP', 'm', 'a', { upper: 'a/d' }],
    ['a lower in the upper', 'DIRECTORIES_OVERLAP', 'm', 'a/d', { upper: 'a' }],
    ['a work directory in the upper', 'DIRECTORIES_OVERLAP', 'm', 'b', { upper: 'u', work: 'u/w' }],
    ['the upper as work directory', 'DIRECTORIES_OVERLAP', 'm', 'b', { upper: 'u', work: 'u' }],
    ['a target in the upper', 'DIRECTORIES_OVERLAP', 'u/m', 'a', { upper: 'u' }],
    ['an upper that is a file', 'NOT_A_DIRECTORY', 'm', 'b', { upper: 'a/f' }],
    ['a work directory elsewhere', 'WORK_ELSEWHERE', 'm', 'b', { upper: 'u', work: 'memory/w' }],
    ['an upper on an overlay', 'UPPER_UNSUITABLE', 'm', 'b', { upper: 'busy/u' }],
    ['an upper that is in use', 'UPPER_BUSY', 'm', 'b', { upper: 'used' }],
    ['a work directory that is in use', 'UPPER_BUSY', 'm', 'b', { upper: 'u', work: 'used.work' }],
    ['an upper of a mount that is not ours', 'UPPER_BUSY', 'm', 'b', { upper: 'foreign' }],
  ]
  const kit = new MountKit(t)
  kit.write('a/f', 'a/d/', 'b/f', 'c/f', 'busy/', 'memory/', 'u/', 'foreign/', 'fw/', 'fm/')
  fs.symlinkSync('a', kit.path('same'))
  fs.symlinkSync('nowhere', kit.path('loose'))
  await kit.mount('busy', 'c', { upper: 'used' })
  const options = `lowerdir=${kit.path('c')},upperdir=${kit.path('foreign')},workdir=${kit.path('fw')}`
  for (const args of [
    ['-t', 'tmpfs', 'x', kit.path('memory')],
    ['-t', 'overlay', '-o', options, 'x', kit.path('fm')],
  ])
    t.equal(spawnSync('mount', args).status, 0)
  const [before, left] = [kit.names('.'), kit.left()]
  for (const [why, code, target, lowers, more] of rows) {
    await t.rejects(kit.mount(target, lowers, more), { code }, why)
    t.same([kit.names('.'), kit.left()], [before, left], `${why}: nothing is left`)
  }
  t.same(kit.names('u'), [])
})

t.test('what the kernel refuses leaves nothing', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f', 'b/f', 'bare/')
  // An overlay on an overlay on an overlay is one too many.
  await kit.mount('one', 'a')
  await kit.mount('two', 'one')
  const before = [kit.names('.'), kit.left()]
  await t.rejects(kit.mount('three', 'two:b', { upper: 'u' }), { code: 'MOUNT_REFUSED', message: /dmesg/ })
  t.same([kit.names('.'), kit.left()], before)
  await t.rejects(kit.mount('three', Array.from({ length: 501 }, (_, at) => `l${at}`).join(':')), {
    code: 'ENOENT',
  })
  const many = Array.from({ length: 501 }, (_, at) => `many/${at}/`)
  kit.write(...many)
  await t.rejects(kit.mount('three', many.join(':')), { code: 'TOO_MANY_LAYERS', message: /501 .* 500/ })
  t.same(kit.left(), before[1])
})

t.test('--over hides what is there', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f', 'm/old', 'b/g')
  await kit.mount('m', 'a', { over: true })
  t.same(kit.names('m'), ['f'])
  await kit.mount('m', 'b', { over: true })
  t.same(kit.names('m'), ['g'], 'and another mount')
  await kit.unmount('m')
  t.same(kit.names('m'), ['f'])
  await kit.unmount('m')
  t.same(kit.names('m'), ['old'])
})

t.test('an image: its layers are unpacked once', needsRoot, async t => {
  const kit = new MountKit(t)
  const base = [
    { name: 'd', type: 'dir' },
    { name: 'd/old', content: 'old' },
    { name: 'f', content: 'base' },
  ] as const
  const top = [
    { name: '.wh.f' },
    { name: 'd', type: 'dir', mode: 0o700 },
    { name: 'd/.wh..wh..opq' },
    { name: 'd/new' },
  ] as const
  const records = kit.imageOf(base, top)
  const seen = await kit.image('m', records)
  t.same(seen.slice(0, -1), records, 'records pass')
  t.match(seen.at(-1), { type: 'mount', image: 'a', reference: 'docker.io/library/a:1', upper: undefined })
  t.same([kit.names('m'), kit.names('m/d')], [['d'], ['new']], 'whiteouts and opaque directories')
  t.equal(fs.statSync(kit.path('m/d')).mode & 0o777, 0o700)
  const layers = path.join(kit.root, 'layers/root')
  const inodes = (): number[] => fs.readdirSync(layers).map(name => fs.statSync(path.join(layers, name)).ino)
  const first = inodes()
  await kit.image('other', records, { upper: kit.path('u') })
  t.same([inodes(), first.length], [first, 2], 'no layer is unpacked twice')
  kit.write('other/changed')
  t.same([kit.names('m'), kit.names('u')], [['d'], ['changed']])
  t.match(await kit.list(), [{ reference: 'docker.io/library/a:1' }, { upper: kit.path('u') }])
  for (const name of ['m', 'other']) await kit.unmount(name)
  t.same(fs.readdirSync(path.join(kit.root, 'tmp')), [])
})

t.test('images that are refused', needsRoot, async t => {
  const kit = new MountKit(t)
  const records = kit.imageOf([{ name: 'a' }], [{ name: 'b' }])
  const [
    base = {} as AnyRecord,
    top = {} as AnyRecord,
    config = {} as AnyRecord,
    manifest = {} as AnyRecord,
  ] = records
  const { diffID: _, ...bare } = base
  const nowhere = { ...base, path: '/nowhere', digest: `sha256:${'0'.repeat(64)}` }
  const damaged = path.join(kit.dir, 'damaged')
  fs.writeFileSync(damaged, 'damaged')
  const rows: readonly (readonly [why: string, code: string, records: readonly AnyRecord[]])[] = [
    ['nothing', 'NO_LAYERS', []],
    ['no layer', 'NO_LAYERS', [config, manifest]],
    ['a layer that a filter dropped', 'LAYERS_MISSING', [top, config, manifest]],
    ['layers in another order', 'DIFF_ID_MISMATCH', [top, base, config, manifest]],
    ['no config', 'CONFIG_MISSING', [base, top, manifest]],
    ['no diffID', 'DIFF_ID_MISSING', [bare]],
    ['two images', 'MANY_IMAGES', [...records, { ...base, image: 'b' }]],
    ['an index', 'MANY_IMAGES', [...records, { ...manifest, type: 'index' }]],
    ['a step', 'STEP_UNPACKED', [base, { type: 'snapshot', image: 'a' }]],
    ['changes', 'STEP_UNPACKED', [base, { type: 'layer-begin', image: 'a' }]],
    ['a layer without a blob', 'LAYER_INVALID', [{ type: 'layer', image: 'a' }]],
    ['a blob that is nowhere', 'BLOB_UNKNOWN', [nowhere]],
    ['a blob that was damaged', 'SIZE_MISMATCH', [{ ...base, path: damaged }]],
    ['another tar than was said', 'DIFF_ID_MISMATCH', [{ ...base, diffID: top.diffID }]],
    ['500 layers and one more', 'TOO_MANY_LAYERS', Array.from({ length: 501 }, () => base)],
  ]
  for (const [why, code, given] of rows) {
    await t.rejects(kit.image('m', given, { upper: kit.path('u') }), { code }, why)
    t.same([kit.left(), kit.names('.')], [NONE, ['damaged', 'store']], why)
  }
  t.notOk(fs.existsSync(path.join(kit.root, 'layers')), 'no layer that is not whole')
  fs.writeFileSync(String(top.path), 'x'.repeat(Number(top.size)))
  await t.rejects(kit.image('m', records), { message: /set aside: pull or build the image again/ })
  t.equal(fs.readdirSync(path.join(kit.root, 'layers/root')).length, 1, 'the layer below is whole')
  t.notOk(fs.existsSync(String(top.path)), 'the next pull fetches it again')
})

t.test('unmounting what is in use, covered, gone or not ours', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f', 'b/', 'plain/')
  t.match(await kit.unmount('m'), [{ code: 'MOUNT_UNKNOWN' }], 'there is no store yet')
  await kit.mount('m', 'a', { upper: 'u' })
  t.match(await kit.unmount('b'), [
    { type: 'failed', code: 'MOUNT_UNKNOWN', message: /--store names another/ },
  ])
  t.equal(spawnSync('mount', ['-t', 'tmpfs', 'x', kit.path('plain')]).status, 0)
  t.match(await kit.unmount('plain'), [{ code: 'MOUNT_UNKNOWN' }], 'a mount of somebody else')
  t.equal(mountsBelow(kit.path('plain')).length, 1)

  const user = spawn('sleep', ['100'], { cwd: kit.path('m'), stdio: 'ignore' })
  t.teardown(() => user.kill('SIGKILL'))
  await once(user, 'spawn')
  t.match(await kit.unmount('m'), [
    { code: 'MOUNT_BUSY', message: new RegExp(`sleep \\(pid ${user.pid}\\).*--lazy`) },
  ])
  t.match(await kit.list(), [{ state: 'mounted' }])
  kit.write('m/inner/')
  t.equal(spawnSync('mount', ['-t', 'tmpfs', 'x', kit.path('m/inner')]).status, 0)
  t.match(await kit.unmount('m'), [{ message: /used by the mount on ".*\/m\/inner"/ }])
  t.equal(spawnSync('umount', [kit.path('m/inner')]).status, 0)
  t.match(await kit.unmount('m', { lazy: true }), [{ state: 'unmounted' }])
  t.same([mountsBelow(kit.path('m')), kit.names('.').includes('m')], [[], false])
  t.match(await kit.list(), [{ target: kit.path('m'), state: 'elsewhere' }], 'its layers are still used')
  t.match(await kit.unmount('m'), [{ code: 'MOUNT_ELSEWHERE', message: /sleep/ }])
  await t.rejects(kit.mount('n', 'a', { upper: 'u' }), { code: 'UPPER_BUSY' })
  user.kill('SIGKILL')
  await once(user, 'exit')
  await waitUntil('nobody uses it', async () => (await kit.list()).length === 0)
  t.same([kit.left().notes, kit.warnings], [[], []], 'then it is forgotten without a word')

  await kit.mount('m', 'a')
  t.equal(spawnSync('mount', ['-t', 'tmpfs', 'x', kit.path('m')]).status, 0)
  t.match(await kit.unmount('m'), [{ code: 'MOUNT_COVERED' }])
  t.equal(spawnSync('umount', [kit.path('m')]).status, 0)
  t.equal(spawnSync('umount', [kit.path('m')]).status, 0)
  await waitUntil('it is gone', async () => (await kit.list()).length === 0)
  t.match(kit.warnings, [/m" is not mounted any more, and is forgotten/])
  t.same(kit.left().notes, [])
})

t.test('after the machine was started anew', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f')
  for (const target of ['m', 'n']) {
    await kit.mount(target, 'a')
    const [name = ''] = kit.left().notes
    const file = path.join(kit.root, 'mounts', name, 'mount.json')
    const note = JSON.parse(fs.readFileSync(file, 'utf8'))
    t.equal(spawnSync('umount', [kit.path(target)]).status, 0)
    fs.writeFileSync(
      file,
      JSON.stringify({ ...note, maker: { ...note.maker, boot: '6b8f2c9e-0000-4000-8000-000000000000' } }),
    )
    if (target === 'm') t.same(await kit.list(), [], 'a note of another boot')
    else t.match(await kit.unmount(target), [{ state: 'unmounted' }])
  }
  t.match(kit.warnings, [/m" is not mounted any more, and is forgotten/, /n" was not mounted any more/])
  t.same([kit.left(), kit.names('.')], [NONE, ['a', 'store']], 'with what was made for it')
})

t.test('notes that are damaged or made up are not followed', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('a/f', 'precious/f')
  await kit.mount('m', 'a')
  const [name = ''] = kit.left().notes
  const file = path.join(kit.root, 'mounts', name, 'mount.json')
  const note = JSON.parse(fs.readFileSync(file, 'utf8'))
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"target":7}',
    JSON.stringify({ ...note, dirs: { ...note.dirs, lowers: [1] } }),
  ]) {
    fs.writeFileSync(file, text)
    t.same(await kit.list(), [], text)
  }
  const precious = kit.path('precious')
  const dirs = { ...note.dirs, target: precious, work: precious }
  const made = { ...note, maker: { ...note.maker, boot: 'x' }, dirs, made: ['target', 'work'] }
  fs.writeFileSync(file, JSON.stringify(made))
  await kit.list()
  t.same(kit.names('precious'), ['f'], 'what is not empty is never removed')
  t.equal(spawnSync('umount', [kit.path('m')]).status, 0)
})

t.test('an ordinary user is told how', async t => {
  const kit = new MountKit(t)
  kit.write('a/f')
  kit.caller = { kind: 'user', idMap: { uid: [[0, 1, 1]], gid: [[0, 1, 1]] } }
  await t.rejects(kit.mount('m', 'a'), {
    code: 'NEEDS_COMMAND',
    message: /ovl-mount \.\.\. ".*\/m" -- COMMAND$/,
  })
  t.same(kit.names('.'), ['a'], 'nothing is made, not even a store')
})

t.test('whiteouts and opaque marks of plain directories count', needsRoot, async t => {
  const kit = new MountKit(t)
  kit.write('near/d/', 'far/d/old', 'far/gone', 'far/stays')
  mknod(kit.path('near/gone'), fs.constants.S_IFCHR, makedev(0, 0))
  lsetxattr(kit.path('near/d'), 'trusted.overlay.opaque', Buffer.from('y'))
  await kit.mount('m', 'near:far')
  t.same([kit.names('m'), kit.names('m/d')], [['d', 'stays'], []])
  await kit.unmount('m')
})

t.test('the command line', async t => {
  const context = {
    env: { PIPELAYER_STORE: '/s', SHELL: '/bin/zsh' },
    signal: new AbortController().signal,
    warn: () => {},
    now: () => new Date(0),
    leaveInterrupts: () => {},
  } as unknown as Parameters<typeof optionsOf>[1]
  const args = { _: ['m'], '--': undefined, lower: [], upper: undefined, work: undefined, store: undefined }
  const flags = { over: false, unmount: false, lazy: false, list: false }
  const read = (given: object) =>
    optionsOf({ ...args, ...flags, ...given } as Parameters<typeof optionsOf>[0], context).job
  t.match(read({}), { kind: 'mount', target: 'm', over: false, lowers: undefined, command: undefined })
  t.match(read({ lower: ['a:b', 'c'] }), { lowers: ['a', 'b', 'c'] }, 'lists are joined')
  t.match(read({ _: ['m', 'ls', '-l'], '--': ['ls', '-l'] }), { target: 'm', command: ['ls', '-l'] })
  t.match(read({ '--': [] }), { command: ['/bin/zsh'] }, 'the shell of the user')
  t.match(read({ unmount: true, lazy: true, _: ['a', 'b'] }), {
    kind: 'unmount',
    targets: ['a', 'b'],
    lazy: true,
  })
  const wrong: readonly (readonly [given: object, why: string])[] = [
    [{ _: [] }, 'no target'],
    [{ _: [''] }, 'an empty target'],
    [{ _: ['a', 'b'] }, 'two targets'],
    [{ _: ['ls'], '--': ['ls'] }, 'a command alone'],
    [{ work: 'w' }, '--work without --upper'],
    [{ lazy: true }, '--lazy without --unmount'],
    [{ unmount: true, list: true }, 'both'],
    [{ unmount: true, _: [] }, 'nothing to unmount'],
    [{ unmount: true, upper: 'u' }, 'an upper of nothing'],
    [{ list: true, lower: ['a'] }, 'lowers of a list'],
    [{ list: true, over: true }, '--over with a list'],
    [{ unmount: true, '--': ['ls'] }, 'a command after an unmount'],
  ]
  for (const [given, why] of wrong) t.throws(() => read(given), { code: 'USAGE', status: 2 }, why)
})
