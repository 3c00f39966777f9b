// Packing: the rules of a change set, and the bytes of a layer.

import { spawnSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { diffTrees } from '@pipelayer/change-set'
import type { ChangeRecord, EntryFields } from '@pipelayer/records'
import { chunked, compareTrees, folders, handmade, need, shell, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type EncodingOptions, encodingOf } from '../src/encoding.js'
import { packChanges, packTar } from '../src/pack.js'
import type { PackOptions } from '../src/types.js'
import { MemorySink, tarOf } from './kit.js'

const needsRoot = { skip: need('root') }
const FIELDS = { mode: '0755', uid: 0, gid: 0, mtime: '1700000000' }

const dir = (name: string): ChangeRecord => ({
  type: 'change',
  op: 'add',
  path: name,
  entry: { type: 'dir', ...FIELDS },
})
const file = (name: string, more: Partial<EntryFields> = {}): ChangeRecord => ({
  type: 'change',
  op: 'add',
  path: name,
  entry: { type: 'file', ...FIELDS, size: 0, ...more },
})
const hard = (name: string, linkname: string): ChangeRecord => file(name, { type: 'hardlink', linkname })
const gone = (name: string): ChangeRecord => ({ type: 'change', op: 'delete', path: name })
const opaque = (name: string): ChangeRecord => ({ type: 'change', op: 'opaque', path: name })

t.test('the rules of a change set', async t => {
  const rows: [string, ChangeRecord[], string?][] = [
    [
      'depth first, byte order, a directory before names that begin alike',
      [dir('a'), file('a/z'), gone('a-b'), file('a.c')],
    ],
    ['opaque first in its directory', [dir('a'), opaque('a'), file('a/b')]],
    ['the root modified, then opaque', [{ ...dir('.'), op: 'modify' }, opaque('.'), file('a')]],
    ['a hard link after its file, in another directory', [file('a'), dir('b'), hard('b/c', 'a')]],
    [
      'names are bytes, not text',
      [file('\u{e9}'), { ...file('x'), path: undefined, pathRaw: '/w==' } as unknown as ChangeRecord],
    ],
    ['names out of order', [file('b'), file('a')], 'ORDER_INVALID'],
    ['a directory after a name that begins alike', [file('a-b'), dir('a')], 'ORDER_INVALID'],
    ['contents before their directory', [file('a/b'), dir('a')], 'PARENT_MISSING'],
    ['a name twice', [file('a'), gone('a')], 'DUPLICATE_ENTRY'],
    ['a parent that is not there', [dir('a'), file('a/b/c')], 'PARENT_MISSING'],
    ['a parent that is a file', [file('a'), file('a/b')], 'PARENT_MISSING'],
    ['a deletion whose parent is not there', [gone('a/b')], 'PARENT_MISSING'],
    ['an opaque marker without its directory', [opaque('a')], 'PARENT_MISSING'],
    ['an opaque marker after a child', [dir('a'), file('a/b'), opaque('a')], 'ORDER_INVALID'],
    ['a hard link before its file', [hard('a', 'b'), file('b')], 'LINK_TARGET_MISSING'],
    ['a hard link to what is deleted', [gone('a'), hard('b', 'a')], 'LINK_TARGET_MISSING'],
    ['a path that leaves the root', [file('../a')], 'CHANGE_INVALID'],
    ['an absolute path', [file('/a')], 'CHANGE_INVALID'],
    ['a trailing slash', [dir('a/')], 'CHANGE_INVALID'],
    ['a file named as a whiteout', [file('.wh.a')], 'WHITEOUT_NAME'],
    ['a deletion with an entry', [{ ...file('a'), op: 'delete' }], 'CHANGE_INVALID'],
    ['an addition without one', [{ type: 'change', op: 'add', path: 'a' }], 'CHANGE_INVALID'],
    ['the root deleted', [gone('.')], 'CHANGE_INVALID'],
    ['a time that no clock shows', [file('a', { mtime: '99999999999999999999' })], 'CHANGE_INVALID'],
    ['a file with content and no source', [file('a', { size: 1 })], 'CHANGE_INVALID'],
  ]
  for (const [why, changes, code] of rows) {
    const sink = new MemorySink()
    const work = packChanges(changes, () => sink, { compress: { format: 'none' } })
    if (code === undefined) await t.resolves(work, why)
    else {
      await t.rejects(work, { code }, why)
      t.equal(sink.state, 'aborted', `${why}: nothing is published`)
    }
  }
})

t.test('no changes, no layer', async t => {
  t.equal(await packChanges([], () => t.fail('opened') as never), undefined)
})

// Python's own tar writer, which the test runs: both must write the same for each entry.
const GOLDEN = `
import tarfile, io, sys
out = io.BytesIO()
tar = tarfile.open(fileobj=out, mode='w', format=tarfile.USTAR_FORMAT)
def add(name, kind, mode, mtime, data=b'', link='', uid=0, gid=0, major=0, minor=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime, info.size = kind, mode, mtime, len(data)
    info.linkname, info.uid, info.gid, info.devmajor, info.devminor = link, uid, gid, major, minor
    tar.addfile(info, io.BytesIO(data))
add('d/', tarfile.DIRTYPE, 0o1777, 1000)
add('d/.wh..wh..opq', tarfile.REGTYPE, 0, 0)
add('d/a', tarfile.REGTYPE, 0o4755, 1000, b'hello', uid=1, gid=2)
add('d/.wh.b', tarfile.REGTYPE, 0, 0)
add('d/c', tarfile.LNKTYPE, 0o4755, 1000, link='d/a', uid=1, gid=2)
add('e', tarfile.SYMTYPE, 0o777, 500, link='/d/a')
add('n', tarfile.CHRTYPE, 0o600, 1000, major=1, minor=3)
tar.close()
sys.stdout.buffer.write(out.getvalue())
`

t.test('the same entries as another program writes', { skip: need('python3') }, async t => {
  const folder = tempDir(t, 'golden')
  fs.writeFileSync(path.join(folder, 'a'), 'hello')
  const owner = { mode: '4755', uid: 1, gid: 2, mtime: '1700000000.5' }
  const changes: ChangeRecord[] = [
    { ...dir('d'), entry: { type: 'dir', ...FIELDS, mode: '1777', mtime: '1000.999' } },
    opaque('d'),
    file('d/a', { ...owner, size: 5, source: path.join(folder, 'a') }),
    gone('d/b'),
    hard('d/c', 'd/a'),
    file('e', { type: 'symlink', mode: '0777', mtime: '500', linkname: '/d/a' }),
    file('n', { type: 'char', mode: '0600', devmajor: 1, devminor: 3 }),
  ]
  changes[4] = { ...changes[4], entry: { ...changes[4]?.entry, ...owner } } as ChangeRecord
  const ours = await tarOf(changes, { mtimeNs: false, sourceDateEpoch: 1000 })
  const theirs = spawnSync('python3', ['-c', GOLDEN]).stdout
  const list = (tar: Buffer): string =>
    spawnSync('python3', ['-c', LIST], { input: tar, encoding: 'utf8' }).stdout
  t.equal(list(ours), list(theirs))
  t.equal(list(ours).split('\n').length, 8)
})

const LIST = `
import tarfile, sys
for i in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):
    print(i.name, i.type, oct(i.mode), i.uid, i.gid, i.size, i.mtime, i.linkname, i.devmajor, i.devminor, repr(i.uname), i.pax_headers)
`

t.test('times', async t => {
  const rows: [string, string, PackOptions, string][] = [
    ['cut to seconds', '1700000000.999999999', {}, '1700000000'],
    ['cut downwards before 1970', '-1.5', {}, '-2'],
    ['kept when asked', '1700000000.123456789', { mtimeNs: true }, '1700000000.123456789'],
    ['clamped', '1700000000.5', { sourceDateEpoch: 1600000000, mtimeNs: true }, '1600000000'],
    ['not when older', '1500000000.5', { sourceDateEpoch: 1600000000, mtimeNs: true }, '1500000000.5'],
  ]
  for (const [why, mtime, options, want] of rows) {
    const tar = await tarOf([file('a', { mtime })], { mtimeNs: false, ...options })
    const text = spawnSync(
      'python3',
      [
        '-c',
        'import tarfile,sys\nfor i in tarfile.open(fileobj=sys.stdin.buffer,mode="r|"): print(i.pax_headers.get("mtime", int(i.mtime)))',
      ],
      { input: tar, encoding: 'utf8' },
    ).stdout
    t.equal(text.trim(), want, why)
  }
})

t.test('both digests are those of the bytes, for every format, whatever the workers', async t => {
  const folder = tempDir(t, 'digests')
  fs.writeFileSync(path.join(folder, 'large'), crypto.randomBytes(700_001))
  fs.writeFileSync(path.join(folder, 'zeros'), Buffer.alloc(3_000_000))
  const plain = await tarOf(diffTrees(undefined, folder), { mtimeNs: false })
  for (const format of ['gzip', 'zstd', 'none'] as const) {
    const blobs = []
    for (const workers of [1, 4]) {
      const sink = new MemorySink()
      const packed = await packChanges(diffTrees(undefined, folder), () => sink, {
        compress: { format },
        workers,
      })
      t.equal(
        packed?.diffID,
        `sha256:${crypto.createHash('sha256').update(plain).digest('hex')}`,
        `${format} ${workers}`,
      )
      t.equal(
        packed?.mediaType,
        `application/vnd.oci.image.layer.v1.tar${format === 'none' ? '' : `+${format}`}`,
      )
      t.match(packed, { entries: 2, engine: format === 'none' ? 'none' : /\/\d/ })
      blobs.push(sink.bytes())
    }
    t.ok(blobs[0]?.equals(blobs[1] ?? Buffer.alloc(0)), `${format}: 1 and 4 workers`)
    if (format === 'gzip') t.ok(gunzipSync(blobs[0] ?? Buffer.alloc(0)).equals(plain))
  }
})

t.test('a layer that is worth a thread', async t => {
  const folder = tempDir(t, 'large')
  // The file is larger than the chunks that are kept before the thread starts and those in its ring together.
  fs.writeFileSync(path.join(folder, 'f'), crypto.randomBytes((1 << 20) * 20 + 1))
  const sink = new MemorySink()
  const packed = await packChanges(diffTrees(undefined, folder), () => sink, { compress: { format: 'none' } })
  const plain = sink.bytes()
  t.equal(packed?.diffID, `sha256:${crypto.createHash('sha256').update(plain).digest('hex')}`)
  t.ok(plain.subarray(512, 512 + (1 << 20) * 20 + 1).equals(fs.readFileSync(path.join(folder, 'f'))))
  for (const [why, delta] of [
    ['it grew', 1],
    ['it shrank', -1],
  ] as const) {
    const changes = [...diffTrees(undefined, folder)]
    fs.truncateSync(path.join(folder, 'f'), (1 << 20) * 20 + 1 + delta)
    await t.rejects(
      packChanges(changes, () => new MemorySink()),
      { code: 'FILE_CHANGED' },
      why,
    )
    fs.truncateSync(path.join(folder, 'f'), (1 << 20) * 20 + 1)
  }
})

t.test('a file that is not what it was', async t => {
  const folder = tempDir(t, 'changed')
  const target = path.join(folder, 'f')
  const rows: [string, string, string][] = [
    ['it grew', 'echo longer > f', 'FILE_CHANGED'],
    ['it shrank', ': > f', 'FILE_CHANGED'],
    ['it is a fifo now', 'rm f; mkfifo f', 'FILE_CHANGED'],
    ['it is a symlink now', 'rm f; ln -s /etc/passwd f', 'ELOOP'],
    ['it is gone', 'rm f', 'ENOENT'],
  ]
  for (const [why, script, code] of rows) {
    fs.rmSync(target, { force: true })
    fs.writeFileSync(target, 'hello')
    const changes = [...diffTrees(undefined, folder)]
    shell(folder, script)
    const sink = new MemorySink()
    await t.rejects(
      packChanges(changes, () => sink),
      { code },
      why,
    )
    t.equal(sink.state, 'aborted')
  }
})

t.test('a tar keeps its bytes', { skip: need('bsdtar') }, async t => {
  const folder = tempDir(t, 'tar')
  shell(
    folder,
    'mkdir -p x/d; echo hi > x/d/f; ln x/d/f x/g; tar -C x -cf gnu.tar .; gzip -k gnu.tar; bsdtar -C x --format=pax -cf bsd.tar d g',
  )
  const read = (name: string): Buffer => fs.readFileSync(path.join(folder, name))
  for (const [given, plain] of [
    ['gnu.tar', 'gnu.tar'],
    ['gnu.tar.gz', 'gnu.tar'],
    ['bsd.tar', 'bsd.tar'],
  ] as const) {
    const sink = new MemorySink()
    const packed = await packTar(chunked(read(given), 999), () => sink)
    t.ok(gunzipSync(sink.bytes()).equals(read(plain)), given)
    t.equal(packed.diffID, `sha256:${crypto.createHash('sha256').update(read(plain)).digest('hex')}`)
  }
  const root = handmade([{ name: '', type: 'dir' }, { name: 'x' }])
  const sink = new MemorySink()
  await packTar(chunked(root), () => sink)
  t.ok(gunzipSync(sink.bytes()).equals(root), 'whose first directory has no name')
  const rows: [string, Buffer, string][] = [
    ['no tar', Buffer.from('x'.repeat(2000)), 'TAR_INVALID'],
    ['half a tar', read('gnu.tar').subarray(0, 700), 'TAR_TRUNCATED'],
    ['half a gzip', read('gnu.tar.gz').subarray(0, 100), 'COMPRESSION_INVALID'],
    ['a name that leaves the root', handmade([{ name: '../x' }]), 'PATH_ESCAPES'],
    ['a path twice', handmade([{ name: 'x' }, { name: './x' }]), 'DUPLICATE_ENTRY'],
  ]
  for (const [why, bytes, code] of rows) {
    const sink = new MemorySink()
    await t.rejects(
      packTar(chunked(bytes), () => sink),
      { code },
      why,
    )
    t.equal(sink.state, 'aborted')
  }
})

t.test('GNU tar and bsdtar unpack what we pack', needsRoot, async t => {
  const folder = tempDir(t, 'peers')
  const [tree] = folders(folder, 'tree')
  shell(
    tree,
    `mkdir -p d/$(printf 'n%.0s' {1..200})/deep; echo x > d/f; ln d/f d/g; ln -s ../nowhere d/s; mkfifo p; mknod c c 1 3
    touch $'\\xff' ü; chmod 0 d/f; chown 3000000000:5 p; touch -d @5000000000 ü; setfattr -n user.k -v v d/f; mkdir empty; chmod 1777 empty`,
  )
  fs.writeFileSync(path.join(folder, 'l.tar'), await tarOf(diffTrees(undefined, tree)))
  for (const program of ['tar --xattrs --xattrs-include=* --same-owner -p', 'bsdtar -p --xattrs']) {
    const [out] = folders(folder, `out-${program.split(' ')[0]}`)
    shell(out, `${program} -xf ../l.tar`)
    // bsdtar decodes only xattrs in its own record (LIBARCHIVE.xattr), so it finds none in ours.
    const ignore = program.startsWith('bsd') ? (['xattrs'] as const) : []
    t.same(compareTrees(tree, out, { except: ['.'], ignore }), [], program)
  }
})

t.test('encodingOf()', async t => {
  const usual = encodingOf({ compress: { format: 'gzip' } })
  t.match(usual, /^v\d+\.gzip-4\.zlib-[^/]+\.oci\.s$/)
  t.equal(encodingOf({ compress: { format: 'gzip', level: 4 }, family: 'oci', mtimeNs: false }), usual)
  const rows: [string, EncodingOptions][] = [
    ['level', { compress: { format: 'gzip', level: 9 } }],
    ['format', { compress: { format: 'none' } }],
    ['media type', { compress: { format: 'gzip' }, family: 'docker' }],
    ['nanoseconds', { compress: { format: 'gzip' }, mtimeNs: true }],
    ['epoch', { compress: { format: 'gzip' }, sourceDateEpoch: 0 }],
    ['nanoseconds and epoch', { compress: { format: 'gzip' }, mtimeNs: true, sourceDateEpoch: 0 }],
  ]
  const names = rows.map(([, options]) => encodingOf(options))
  t.equal(new Set([usual, ...names]).size, rows.length + 1, 'whatever alters the blob alters the name')
})
