// Tests of unpacking: whiteouts, the overlay form, attributes, and publishing a whole tree.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { lgetxattr, lsetxattr, makedev, mknod, mount, ownedName, umount2, utimensat } from '@pipelayer/sys'
import {
  chunked,
  compareTrees,
  folders,
  handmade,
  hard,
  type Item,
  link,
  need,
  readTree,
  shell,
  tempDir,
} from '@pipelayer/testkit'
import t from 'tap'
import { applyLayer, applyLayerOverlay } from '../src/apply.js'
import { RootfsStaging } from '../src/staging.js'
import type { ApplyOverlayOptions } from '../src/types.js'

const needsRoot = { skip: need('root') }
t.test('whiteouts touch lower layers only, wherever they stand', async t => {
  const base = 'mkdir -p d/e; echo 1 > d/a; echo 1 > d/b; echo 1 > d/e/f; touch x'
  const rows: { why: string; items: Item[]; want: string[] }[] = [
    {
      why: 'before its sibling',
      items: [{ name: '.wh.x' }, { name: 'x', content: 'new' }],
      want: ['d', 'd/a', 'd/b', 'd/e', 'd/e/f', 'x'],
    },
    {
      why: 'after it',
      items: [{ name: 'x', content: 'new' }, { name: '.wh.x' }],
      want: ['d', 'd/a', 'd/b', 'd/e', 'd/e/f', 'x'],
    },
    {
      why: 'of a directory that the layer adds to',
      items: [{ name: 'd', type: 'dir' }, { name: 'd/new' }, { name: '.wh.d' }],
      want: ['d', 'd/new', 'x'],
    },
    {
      why: 'of a directory that it adds to without naming it',
      items: [{ name: 'd/e/new' }, { name: '.wh.d' }],
      want: ['d', 'd/e', 'd/e/new', 'x'],
    },
    {
      why: 'opaque at the end',
      items: [{ name: 'd/new' }, { name: 'd/b' }, { name: 'd/.wh..wh..opq' }],
      want: ['d', 'd/b', 'd/new', 'x'],
    },
    {
      why: 'opaque first',
      items: [{ name: 'd/.wh..wh..opq' }, { name: 'd/e', type: 'dir' }],
      want: ['d', 'd/e', 'x'],
    },
    { why: 'opaque at the root', items: [{ name: '.wh..wh..opq' }, { name: 'y' }], want: ['y'] },
    {
      why: 'of what is not there',
      items: [{ name: '.wh.no' }, { name: 'no/.wh.no' }, { name: 'no2/.wh..wh..opq' }],
      want: ['d', 'd/a', 'd/b', 'd/e', 'd/e/f', 'x'],
    },
    { why: 'below a file', items: [{ name: 'x/.wh.y' }], want: ['d', 'd/a', 'd/b', 'd/e', 'd/e/f', 'x'] },
    {
      why: 'a directory over a directory keeps its children',
      items: [{ name: 'd', type: 'dir' }],
      want: ['d', 'd/a', 'd/b', 'd/e', 'd/e/f', 'x'],
    },
    { why: 'a file over a directory', items: [{ name: 'd', content: 'x' }], want: ['d', 'x'] },
  ]
  for (const { why, items, want } of rows) {
    const dir = tempDir(t, 'whiteouts')
    shell(dir, base)
    await applyLayer(chunked(handmade(items)), dir)
    t.same(
      [...readTree(dir).keys()].filter(name => name !== '.'),
      want,
      why,
    )
  }
})

t.test('the overlay form shows the same tree as the plain one', needsRoot, async t => {
  const base = [
    { name: 'd', type: 'dir', mode: 0o750, uid: 7, gid: 8 },
    { name: 'd/a', content: 'a' },
    { name: 'd/e', type: 'dir' },
    { name: 'd/e/f', content: 'f' },
    link('s', 'd/e'),
    { name: 'x', content: 'x', xattrs: new Map([['user.k', Buffer.from('v')]]) },
  ] as const
  const rows: { why: string; items: Item[]; options?: ApplyOverlayOptions }[] = [
    { why: 'a parent that is missing takes its metadata from below', items: [{ name: 'd/new' }] },
    { why: 'a symlink of a lower layer is followed', items: [{ name: 's/new', content: 'n' }] },
    { why: 'a hard link into a lower layer is copied up', items: [hard('d/e/l', 'x'), hard('l2', 's/f')] },
    { why: 'a whiteout', items: [{ name: 'd/.wh.a' }, { name: '.wh.none' }] },
    { why: 'a whiteout, then a file', items: [{ name: '.wh.x' }, { name: 'x', content: 'new' }] },
    {
      why: 'a whiteout, then a directory, which hides its lower',
      items: [{ name: '.wh.d' }, { name: 'd', type: 'dir' }, { name: 'd/n' }],
    },
    {
      why: 'a directory, then its whiteout',
      items: [{ name: 'd', type: 'dir' }, { name: 'd/n' }, { name: '.wh.d' }],
    },
    {
      why: 'an opaque directory',
      items: [{ name: 'd', type: 'dir' }, { name: 'd/.wh..wh..opq' }, { name: 'd/e', type: 'dir' }],
    },
    { why: 'a directory in place of a symlink', items: [{ name: 's', type: 'dir' }, { name: 's/n' }] },
    {
      why: 'user xattrs',
      items: [{ name: 'd', type: 'dir' }, { name: 'd/.wh..wh..opq' }],
      options: { xattrs: 'user' },
    },
  ]
  for (const { why, items, options } of rows) {
    const top = tempDir(t, 'form')
    const [plain, one, two, merged] = folders(top, 'plain', '1', '2', 'merged')
    for (const layer of [base, items]) await applyLayer(chunked(handmade(layer)), plain)
    await applyLayerOverlay(chunked(handmade(base)), one, { ...options })
    await applyLayerOverlay(chunked(handmade(items)), two, { ...options, lowers: [one] })
    const extra = options?.xattrs === 'user' ? ',userxattr' : ''
    mount('overlay', merged, 'overlay', { data: `lowerdir=${two}:${one}${extra}` })
    // After a copy-up, names that are links across layers are separate files with equal content.
    t.same(compareTrees(plain, merged, { ignore: ['names'], except: ['.'] }), [], why)
    umount2(merged)
  }
})

t.test('the root of a layer that does not describe it', needsRoot, async t => {
  const [one, two, three] = folders(tempDir(t, 'root'), '1', '2', '3')
  fs.chmodSync(one, 0o700)
  const file = handmade([{ name: 'f' }])
  await applyLayerOverlay(chunked(file), one)
  t.match(fs.statSync(one), { mode: 0o40755, mtimeMs: 0 }, 'the first has a fixed one')
  await applyLayerOverlay(
    chunked(handmade([{ name: './', type: 'dir', mode: 0o711, uid: 5 }, { name: 'f' }])),
    two,
    { lowers: [one] },
  )
  await applyLayerOverlay(chunked(file), three, { lowers: [two, one] })
  t.match(
    fs.statSync(three),
    { mode: 0o40711, uid: 5, mtimeMs: 1700000000000 },
    'the others that of the one below',
  )
})

t.test('of an archive the last entry of a path counts, when asked', async t => {
  const dir = tempDir(t, 'last')
  const items: Item[] = [
    { name: 'a', content: '1' },
    link('s', 'a'),
    { name: 'a', content: '22' },
    { name: 's', content: '3' },
  ]
  await applyLayer(chunked(handmade(items)), dir, { rules: { repeated: 'last' } })
  t.same(
    ['a', 's'].map(name => fs.readFileSync(path.join(dir, name), 'utf8')),
    ['22', '3'],
  )
})

t.test('a device that overlayfs reads as a whiteout is no entry there', needsRoot, async t => {
  const [plain, overlay] = folders(tempDir(t, 'zero'), 'plain', 'overlay')
  const tar = handmade([{ name: 'z', type: 'char', devmajor: 0, devminor: 0 }])
  t.match(await applyLayerOverlay(chunked(tar), overlay), { skippedDevices: 1 })
  t.same(fs.readdirSync(overlay), [])
  await applyLayer(chunked(tar), plain)
  t.ok(fs.statSync(path.join(plain, 'z')).isCharacterDevice())
})

t.test('attributes, one byte per chunk', needsRoot, async t => {
  const dir = tempDir(t, 'attributes')
  const time = (seconds: number, nanoseconds = 0): { seconds: number; nanoseconds: number } => ({
    seconds,
    nanoseconds,
  })
  const items: Item[] = [
    { name: '.', type: 'dir', mode: 0o711, mtime: time(7) },
    { name: 'd', type: 'dir', mode: 0o3750, uid: 5, gid: 6, mtime: time(-2, 5) },
    {
      name: 'd/suid',
      mode: 0o4755,
      uid: 3000000000,
      gid: 4000000000,
      content: 'x'.repeat(1000),
      mtime: time(5000000000, 123456789),
    },
    { name: 'd/none', mode: 0 },
    { ...link('d/link', '../\xff'), uid: 9, gid: 9, mtime: time(3) },
    { name: 'd/pipe', type: 'fifo', mode: 0o622 },
    { name: 'd/dev', type: 'block', mode: 0o660, devmajor: 8, devminor: 300 },
    { name: 'd/\xfe\xff', content: '' },
    {
      name: 'd/x',
      xattrs: new Map([
        ['user.a', Buffer.from([0, 255])],
        ['security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
      ]),
    },
    hard('d/twin', 'd/suid'),
  ]
  t.match(await applyLayer(chunked(handmade(items), 1), dir), {
    entries: 10,
    skippedDevices: 0,
    skippedXattrs: 0,
    squashedOwners: 0,
  })
  const stat = (name: string): fs.BigIntStats =>
    fs.lstatSync(Buffer.from(`${dir}/${name}`, 'latin1'), { bigint: true })
  const rows: [string, bigint, bigint, bigint, bigint][] = [
    ['.', 0o711n, 0n, 0n, 7_000_000_000n],
    ['d', 0o3750n, 5n, 6n, -1_999_999_995n],
    ['d/suid', 0o4755n, 3000000000n, 4000000000n, 5000000000_123456789n],
    ['d/none', 0n, 0n, 0n, 1700000000_000000000n],
    ['d/link', 0o777n, 9n, 9n, 3_000_000_000n],
    ['d/pipe', 0o622n, 0n, 0n, 1700000000_000000000n],
    ['d/\xfe\xff', 0o644n, 0n, 0n, 1700000000_000000000n],
  ]
  for (const [name, mode, uid, gid, mtime] of rows) {
    const { mode: found, ...rest } = stat(name)
    t.same([found & 0o7777n, rest.uid, rest.gid, rest.mtimeNs], [mode, uid, gid, mtime], name)
  }
  t.equal(stat('d/dev').rdev, makedev(8, 300))
  t.equal(stat('d/twin').ino, stat('d/suid').ino)
  t.same(fs.readlinkSync(path.join(dir, 'd/link'), 'buffer'), Buffer.from('../\xff', 'latin1'))
  t.same(lgetxattr(path.join(dir, 'd/x'), 'user.a'), Buffer.from([0, 255]))
  t.equal(lgetxattr(path.join(dir, 'd/x'), 'security.capability')?.length, 20)
})

t.test('a directory entry replaces the attributes of the one that was there', needsRoot, async t => {
  const dir = tempDir(t, 'replaced')
  shell(dir, 'mkdir d; chmod 700 d; setfattr -n user.old -v 1 d')
  await applyLayer(
    chunked(
      handmade([{ name: 'd', type: 'dir', mode: 0o755, xattrs: new Map([['user.new', Buffer.from('1')]]) }]),
    ),
    dir,
  )
  t.same(
    [lgetxattr(path.join(dir, 'd'), 'user.old'), lgetxattr(path.join(dir, 'd'), 'user.new')],
    [undefined, Buffer.from('1')],
  )
})

t.test('directories keep their times, in whatever order entries come', needsRoot, async t => {
  const dir = tempDir(t, 'times')
  shell(dir, 'mkdir old; touch old/f; touch -d @5 old')
  const at = (name: string, seconds: number): Item => ({
    name,
    type: 'dir',
    mtime: { seconds, nanoseconds: 0 },
  })
  await applyLayer(
    chunked(
      handmade([
        at('b', 1),
        at('a', 2),
        at('a/c', 3),
        { name: 'b/f' },
        { name: 'a/c/f' },
        { name: 'old/.wh.f' },
        { name: 'a/f' },
      ]),
    ),
    dir,
  )
  for (const [name, want] of Object.entries({ b: 1, a: 2, 'a/c': 3, old: 5 }))
    t.equal(fs.statSync(path.join(dir, name)).mtimeMs, want * 1000, name)
})

t.test('without privileges', needsRoot, async t => {
  const dir = tempDir(t, 'nobody')
  fs.chmodSync(dir, 0o777)
  const items: Item[] = [
    { name: 'd', type: 'dir', mode: 0o500 },
    { name: 'd/suid', mode: 0o4755, uid: 0, gid: 0, content: 'x' },
    { name: 'd/dev', type: 'char', devmajor: 1, devminor: 3 },
    {
      name: 'd/x',
      xattrs: new Map([
        ['security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex')],
      ]),
    },
    { name: 'd/.wh.gone' },
  ]
  process.seteuid?.(65534)
  try {
    t.match(await applyLayer(chunked(handmade(items)), dir), {
      skippedDevices: 1,
      skippedXattrs: 1,
      squashedOwners: 3,
    })
    await applyLayer(chunked(handmade([{ name: 'd/.wh.suid' }])), dir)
  } finally {
    process.seteuid?.(0)
  }
  t.same([...readTree(dir).keys()], ['.', 'd', 'd/x'], 'in a directory that its owner cannot write')
  t.equal(fs.statSync(path.join(dir, 'd')).mode & 0o7777, 0o500)
  const [, mapped] = folders(dir, 'x', 'mapped')
  const idMap = { uid: [[0, 100000, 10]], gid: [[0, 100000, 10]] } as const
  await applyLayer(chunked(handmade([{ name: 'f', uid: 5, gid: 6 }])), mapped, { idMap })
  t.match(fs.statSync(path.join(mapped, 'f')), { uid: 100005, gid: 100006 })
  await t.rejects(applyLayer(chunked(handmade([{ name: 'g', uid: 11 }])), mapped, { idMap }), {
    code: 'ID_UNMAPPED',
  })
})

t.test('sparse files keep their holes', async t => {
  const dir = tempDir(t, 'sparse')
  shell(
    dir,
    'truncate -s 100M holes; echo end >> holes; tar -S -cf s.tar holes; tar -S --format=posix -cf p.tar holes',
  )
  for (const name of ['s.tar', 'p.tar']) {
    const [root] = folders(dir, `root-${name}`)
    await applyLayer(chunked(fs.readFileSync(path.join(dir, name)), 1000), root)
    const stat = fs.statSync(path.join(root, 'holes'))
    t.equal(stat.size, 104857604)
    t.ok(stat.blocks < 1000, `${stat.blocks} blocks`)
    t.equal(spawnSync('cmp', [path.join(dir, 'holes'), path.join(root, 'holes')]).status, 0)
  }
})

t.test('a tree is published whole, or not at all', needsRoot, async t => {
  const dir = tempDir(t, 'staging')
  const target = path.join(dir, 'rootfs')
  const fill = (staging: RootfsStaging): void =>
    fs.writeFileSync(Buffer.from(`${staging.dir}/\xff`, 'latin1'), 'x')
  const hidden = (where: string): string[] => fs.readdirSync(where).filter(name => name.startsWith('.untar'))

  const given_up = RootfsStaging.open(target)
  fill(given_up)
  t.notOk(fs.existsSync(target), 'nothing is there before')
  t.equal(fs.statSync(path.dirname(given_up.dir)).mode & 0o777, 0o700, 'and nobody else may look')
  given_up.abort()
  given_up.abort()
  t.same(fs.readdirSync(dir), [], 'nor after it was given up')

  const first = RootfsStaging.open(target)
  const late = RootfsStaging.open(target)
  fill(first)
  first.publish()
  t.same(fs.readdirSync(target, 'latin1'), ['\xff'])
  t.throws(() => late.publish(), { code: 'TARGET_EXISTS' }, 'whoever comes second changes nothing')
  late.abort()
  t.same(fs.readdirSync(dir), ['rootfs'])
  t.throws(() => RootfsStaging.open(target), { code: 'TARGET_NOT_EMPTY' })
  const into = RootfsStaging.open(target, { into: true })
  t.equal(into.dir, target)
  into.abort()
  t.same(fs.readdirSync(target, 'latin1'), ['\xff'])
  fs.writeFileSync(path.join(dir, 'file'), '')
  t.throws(() => RootfsStaging.open(path.join(dir, 'file')), { code: 'TARGET_NOT_DIRECTORY' })
  t.throws(() => RootfsStaging.open(path.join(dir, 'no/dir')), { code: 'ENOENT' })

  const [empty] = folders(dir, 'empty')
  fs.symlinkSync('empty', path.join(dir, 'alias'))
  const inside = RootfsStaging.open(path.join(dir, 'alias'))
  fill(inside)
  fs.chmodSync(inside.dir, 0o711)
  utimensat(-100, inside.dir, { seconds: 5, nanoseconds: 0 })
  inside.publish()
  t.same(fs.readdirSync(empty, 'latin1'), ['\xff'], 'an empty directory is filled, through a symlink to it')
  t.match(fs.statSync(empty), { mode: 0o40711, mtimeMs: 5000 }, 'and becomes the root of the image')

  const [point] = folders(dir, 'point')
  mount('tmpfs', point, 'tmpfs')
  t.teardown(() => umount2(point))
  fs.mkdirSync(path.join(point, 'lost+found'))
  const mounted = RootfsStaging.open(point)
  fill(mounted)
  mounted.publish()
  t.same(
    fs.readdirSync(point, 'latin1').sort(),
    ['lost+found', '\xff'],
    'a mount point, with what mkfs leaves',
  )

  const mine = ownedName('.untar', 'aaaaaa')
  const dead = mine
    .split('.')
    .map((field, i) => (i === 4 ? '99999999' : field))
    .join('.')
  folders(dir, `${dead}/rootfs/d`, mine)
  mknod(path.join(dir, dead, 'rootfs/n'), fs.constants.S_IFIFO)
  lsetxattr(path.join(dir, dead), 'user.k', Buffer.from('v'))
  RootfsStaging.open(path.join(dir, 'next')).abort()
  t.same(
    hidden(dir),
    [path.basename(mine)],
    'what a killed process left is swept, what another works on is not',
  )
})
