import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import * as index from '@pipelayer/sys'
import t from 'tap'
import * as calls from '../src/at.js'
import * as file from '../src/file.js'
import * as mounts from '../src/mount.js'
import type { Path } from '../src/path.js'
import * as xattr from '../src/xattr.js'

// All calls, also those that no other package needs.
const sys = { ...index, ...calls, ...file, ...mounts, ...xattr }

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sys-test-'))
t.teardown(() => fs.rmSync(dir, { recursive: true, force: true }))
const at = (name: string): string => path.join(dir, name)
const isRoot = process.getuid?.() === 0
const needsRoot = isRoot || process.env.CI === 'true' ? {} : { skip: 'needs root' }

t.test('is available on 64-bit Linux', async t => t.equal(sys.isAvailable(), true))

t.test('errors look as those of node:fs', async t => {
  const rows: [string, () => unknown, object][] = [
    [
      'missing file',
      () => sys.lgetxattr(at('none'), 'user.a'),
      { code: 'ENOENT', errno: -2, syscall: 'lgetxattr', path: at('none') },
    ],
    ['directory there', () => sys.mkdirat(sys.AT_FDCWD, dir, 0o755), { code: 'EEXIST', syscall: 'mkdirat' }],
    ['bad descriptor', () => sys.syncfs(9999), { code: 'EBADF', syscall: 'syncfs' }],
    ['NUL in a path', () => sys.mkdirat(sys.AT_FDCWD, `${dir}/a\0b`, 0o755), { code: 'EINVAL' }],
    ['poll of a closed descriptor', () => sys.pollGone(9999), { code: 'EBADF' }],
  ]
  for (const [why, call, want] of rows) t.throws(call, want as Error, why)
})

t.test('xattrs: values, names, symlinks, growth', async t => {
  fs.writeFileSync(at('x'), '')
  t.same(
    sys.llistxattr(at('x')).filter(name => name.startsWith('user.')),
    [],
    'none at first',
  )
  const rows: [string, Path, Buffer][] = [
    ['plain', 'user.plain', Buffer.from('value')],
    ['empty value', 'user.empty', Buffer.alloc(0)],
    ['bytes over 0x7f stay', 'user.bytes', Buffer.from([0x80, 0xff, 0])],
    ['a name that is not UTF-8', Buffer.from('user.\xff', 'latin1'), Buffer.from('v')],
    ['larger than the first buffer', 'user.large', Buffer.alloc(3000, 7)],
  ]
  for (const [why, name, value] of rows) {
    sys.lsetxattr(at('x'), name, value)
    t.same(sys.lgetxattr(at('x'), name), value, why)
  }
  t.ok(sys.llistxattr(at('x')).includes('user.\xff'), 'names come as binary strings')
  const fd = fs.openSync(at('x'), 'r+')
  sys.fsetxattr(fd, 'user.fd', Buffer.from('open'))
  t.same(sys.fgetxattr(fd, 'user.fd'), Buffer.from('open'))
  t.ok(sys.flistxattr(fd).includes('user.fd'))
  fs.closeSync(fd)
  sys.lremovexattr(at('x'), 'user.plain')
  t.equal(sys.lgetxattr(at('x'), 'user.plain'), undefined)
  fs.symlinkSync('x', at('link'))
  t.equal(sys.lgetxattr(at('link'), 'user.large'), undefined, 'a symlink is not followed')
})

t.test('openat2 keeps a resolution inside the root', async t => {
  fs.mkdirSync(at('root/etc'), { recursive: true })
  fs.writeFileSync(at('root/etc/file'), 'inside')
  fs.symlinkSync('/etc', at('root/absolute'))
  fs.symlinkSync('../../../etc', at('root/above'))
  const root = fs.openSync(at('root'), fs.constants.O_RDONLY)
  const open = (name: string, resolve: number): number =>
    sys.openat2(root, name, { flags: fs.constants.O_RDONLY, resolve })
  for (const name of ['etc/file', '/etc/file', 'absolute/file', 'above/file', '../../etc/file']) {
    const fd = open(name, sys.RESOLVE.IN_ROOT)
    t.equal(fs.readFileSync(fd, 'utf8'), 'inside', name)
    fs.closeSync(fd)
  }
  t.throws(() => open('absolute/file', sys.RESOLVE.BENEATH), { code: 'EXDEV' })
  t.throws(() => open('absolute', sys.RESOLVE.NO_SYMLINKS), { code: 'ELOOP' })
  fs.closeSync(root)
})

t.test('calls relative to a directory', async t => {
  fs.mkdirSync(at('at'))
  const fd = fs.openSync(at('at'), 'r')
  sys.mkdirat(fd, 'd', 0o700)
  sys.symlinkat('target', fd, Buffer.from('s\xff', 'latin1'))
  t.same(sys.readlinkat(fd, Buffer.from('s\xff', 'latin1')), Buffer.from('target'))
  fs.closeSync(sys.openat(fd, 'f', fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600))
  sys.linkat({ dirfd: fd, path: 'f' }, { dirfd: fd, path: 'g' })
  t.equal(fs.statSync(at('at/g')).nlink, 2)
  sys.fchmodat(fd, 'f', 0o4711)
  t.equal(fs.statSync(at('at/f')).mode & 0o7777, 0o4711)
  t.throws(() => sys.renameNoReplace(at('at/f'), at('at/d')), { code: 'EEXIST' })
  sys.renameNoReplace(at('at/f'), at('at/h'))
  sys.renameat2({ dirfd: fd, path: 'h' }, { dirfd: fd, path: 'd' }, sys.RENAME_EXCHANGE)
  t.ok(fs.statSync(at('at/h')).isDirectory(), 'exchanged')
  sys.unlinkat(fd, 'h', sys.AT_REMOVEDIR)
  t.notOk(fs.existsSync(at('at/h')))
  fs.closeSync(fd)
})

t.test('times keep every nanosecond', async t => {
  fs.writeFileSync(at('time'), '')
  const rows: [string, number, number, bigint][] = [
    ['now', 1700000000, 123456789, 1700000000123456789n],
    ['before 1970', -2, 999999999, -1000000001n],
    ['after 2038', 5000000000, 1, 5000000000000000001n],
  ]
  for (const [why, seconds, nanoseconds, want] of rows) {
    sys.utimensat(sys.AT_FDCWD, at('time'), { seconds, nanoseconds })
    t.equal(fs.lstatSync(at('time'), { bigint: true }).mtimeNs, want, why)
  }
  const fd = fs.openSync(at('time'), 'r+')
  sys.futimens(fd, { seconds: 5, nanoseconds: 6 }, { seconds: 7, nanoseconds: 8 })
  const stat = fs.fstatSync(fd, { bigint: true })
  t.equal(stat.mtimeNs, 5000000006n)
  t.equal(stat.atimeNs, 7000000008n)
  fs.closeSync(fd)
})

t.test('device numbers', async t => {
  const rows: [number, number, bigint][] = [
    [0, 0, 0n],
    [1, 3, 0x103n],
    [8, 17, 0x811n],
    [4095, 1048575, 0xffffffffn],
    [0x12345678, 0x9abcdef0, 0x123459abcde678f0n],
  ]
  for (const [major, minor, rdev] of rows) {
    t.equal(sys.makedev(major, minor), rdev, `${major}:${minor}`)
    t.same([sys.majorOf(rdev), sys.minorOf(rdev)], [major, minor])
  }
})

t.test('mknod', needsRoot, async t => {
  sys.mknod(at('white'), fs.constants.S_IFCHR, sys.makedev(0, 0))
  t.ok(fs.statSync(at('white')).isCharacterDevice(), 'a whiteout')
  sys.mknod(at('sda9'), fs.constants.S_IFBLK | 0o600, sys.makedev(8, 9))
  t.equal(fs.statSync(at('sda9')).rdev, 0x809)
  sys.mknod(at('pipe'), fs.constants.S_IFIFO | 0o600)
  t.ok(fs.statSync(at('pipe')).isFIFO())
})

t.test('locks of two open files exclude each other, and end with the file', async t => {
  fs.writeFileSync(at('lock'), '')
  const [a, b] = [fs.openSync(at('lock'), 'r+'), fs.openSync(at('lock'), 'r+')]
  t.equal(sys.ofdLock(a, 'shared'), true)
  t.equal(sys.ofdLock(b, 'shared'), true, 'shared twice')
  t.equal(sys.ofdLock(a, 'exclusive'), false, 'not while another shares')
  sys.ofdUnlock(b)
  t.equal(sys.ofdLock(a, 'exclusive'), true)
  t.equal(sys.ofdLock(b, 'shared'), false)
  fs.closeSync(a)
  t.equal(sys.ofdLock(b, 'exclusive', { wait: true }), true)
  fs.closeSync(b)
})

t.test('flock, which other locks do not see', async t => {
  fs.mkdirSync(at('folder'))
  const [a, b] = [fs.openSync(at('folder'), 'r'), fs.openSync(at('folder'), 'r')]
  t.equal(sys.flock(a), true, 'a directory')
  t.equal(sys.flock(b), false)
  fs.closeSync(a)
  t.equal(sys.flock(b, { wait: true }), true)
  fs.closeSync(b)
  t.throws(() => sys.flock(-1), { code: 'EBADF' })
})

t.test('a pipe', async t => {
  const { read, write } = sys.pipe()
  fs.writeSync(write, 'through')
  fs.closeSync(write)
  t.equal(fs.readFileSync(read, 'utf8'), 'through')
  t.match(fs.readlinkSync(`/proc/self/fd/${read}`), /^pipe:/, 'no socket')
  fs.closeSync(read)
})

t.test('pollGone sees that the reader of a pipe is gone', needsRoot, async t => {
  sys.mknod(at('fifo'), fs.constants.S_IFIFO | 0o600)
  const reader = fs.openSync(at('fifo'), fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  const writer = fs.openSync(at('fifo'), 'w')
  t.equal(sys.pollGone(writer), false, 'it reads still')
  fs.closeSync(reader)
  t.equal(sys.pollGone(writer), true)
  fs.closeSync(writer)
  const file = fs.openSync(at('lock'), 'r+')
  t.equal(sys.pollGone(file), false, 'a file has no reader')
  sys.syncfs(file)
  fs.closeSync(file)
})

t.test('mounts', needsRoot, async t => {
  for (const name of ['lower', 'lower2', 'upper', 'work', 'merged'])
    fs.mkdirSync(at(`m/${name}`), { recursive: true })
  fs.writeFileSync(at('m/lower/f'), 'below')
  const [lower, lower2, upper, work, merged] = ['lower', 'lower2', 'upper', 'work', 'merged'].map(name =>
    at(`m/${name}`),
  )
  const data = `lowerdir=${lower},upperdir=${upper},workdir=${work}`
  sys.mount('overlay', merged ?? '', 'overlay', { data })
  t.equal(fs.readFileSync(at('m/merged/f'), 'utf8'), 'below')
  sys.umount2(merged ?? '')
  t.notOk(fs.existsSync(at('m/merged/f')))
  t.throws(() => sys.umount2(merged ?? ''), { code: 'EINVAL', syscall: 'umount2' })
  sys.mountNew(
    {
      type: 'overlay',
      parameters: [
        ['lowerdir+', lower ?? ''],
        ['lowerdir+', lower2 ?? ''],
        ['ro', true],
      ],
    },
    merged ?? '',
  )
  t.equal(fs.readFileSync(at('m/merged/f'), 'utf8'), 'below', 'many lowers without an option string')
  sys.umount2(merged ?? '', sys.MNT_DETACH)
  t.throws(() => sys.mountNew({ type: 'nosuchfs', parameters: [] }, merged ?? ''), {
    code: 'ENODEV',
    syscall: 'fsopen',
  })
})

t.test('makeFolder() says why a folder cannot be made', needsRoot, async t => {
  sys.makeFolder(at('folders/a/b'), 0o700)
  sys.makeFolder(at('folders/a/b'), 0o755)
  t.equal(
    fs.statSync(at('folders/a')).mode & 0o777,
    0o700,
    'also of those above; what is there stays as it is',
  )
  fs.writeFileSync(at('folders/file'), '')
  t.throws(() => sys.makeFolder(at('folders/file'), 0o700), { code: 'EEXIST' })
  t.throws(() => sys.makeFolder(at('folders/file/c'), 0o700), { code: 'ENOTDIR' })
  for (const [options, code] of [
    ['ro', 'EROFS'],
    ['nr_inodes=1', 'ENOSPC'],
  ] as const) {
    sys.makeFolder(at('disk'), 0o755)
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', at('disk')])
    for (const name of ['disk/a', 'disk/a/b/c'])
      t.throws(() => sys.makeFolder(at(name), 0o700), { code }, `${options}: ${name}`)
    execFileSync('umount', [at('disk')])
  }
})

t.test('new files: made, written whole, closed; what is there is neither opened nor followed', async t => {
  const dirfd = fs.openSync(dir, 'r')
  fs.symlinkSync('elsewhere', at('planted'))
  const fd = sys.createAt(dirfd, 'made\xff', 0o640)
  sys.writeAll(fd, Buffer.alloc(0))
  sys.writeAll(fd, Buffer.from('abc'))
  sys.writeAll(fd, Buffer.from('def'))
  sys.closeFile(fd)
  t.equal(fs.readFileSync(Buffer.from(`${dir}/made\xff`, 'latin1'), 'utf8'), 'abcdef')
  const rows: [string, () => unknown, string][] = [
    ['a file that is there', () => sys.createAt(dirfd, 'made\xff', 0o600), 'EEXIST'],
    ['a symlink to nothing', () => sys.createAt(dirfd, 'planted', 0o600), 'EEXIST'],
    ['two components', () => sys.createAt(dirfd, 'a/b', 0o600), 'EINVAL'],
    ['no name', () => sys.createAt(dirfd, '', 0o600), 'EINVAL'],
    ['a NUL', () => sys.createAt(dirfd, 'a\0b', 0o600), 'EINVAL'],
    ['256 bytes', () => sys.createAt(dirfd, 'a'.repeat(256), 0o600), 'ENAMETOOLONG'],
    ['writing to a closed file', () => sys.writeAll(fd, Buffer.from('x')), 'EBADF'],
    ['closing it again', () => sys.closeFile(fd), 'EBADF'],
  ]
  for (const [why, call, code] of rows) t.throws(call, { code } as unknown as Error, why)
  fs.closeSync(dirfd)
})

t.test('lstatOf and xattrNamesOf say what node:fs and llistxattr say', async t => {
  const top = at('stat')
  fs.mkdirSync(path.join(top, 'dir'), { recursive: true })
  const rows: [string, (file: string) => void][] = [
    ['file', file => fs.writeFileSync(file, 'abc', { mode: 0o640 })],
    [
      'sparse, over 4 GiB',
      file => fs.closeSync(fs.openSync(file, 'w')) ?? fs.truncateSync(file, 5 * 2 ** 30),
    ],
    ['symlink', file => fs.symlinkSync('nowhere', file)],
    ['second name', file => fs.linkSync(path.join(top, 'file'), file)],
    [
      'before 1970',
      file =>
        fs.writeFileSync(file, '') ?? sys.utimensat(sys.AT_FDCWD, file, { seconds: -2, nanoseconds: 5 }),
    ],
    ['after 2038', file => fs.writeFileSync(file, '') ?? fs.utimesSync(file, 2 ** 32 + 7, 2 ** 32 + 7)],
    ['with xattr', file => fs.writeFileSync(file, '') ?? sys.lsetxattr(file, 'user.a', Buffer.from('b'))],
    ['fifo', file => sys.mknod(file, fs.constants.S_IFIFO | 0o600)],
    ['device', file => isRoot && sys.mknod(file, fs.constants.S_IFCHR | 0o600, sys.makedev(300, 70000))],
  ]
  for (const [name, make] of rows) make(path.join(top, name))
  fs.writeFileSync(Buffer.concat([Buffer.from(`${top}/`), Buffer.from([0xff])]), '')
  for (const name of [...fs.readdirSync(Buffer.from(top), 'latin1'), '.', 'dir']) {
    const file = `${Buffer.from(top).toString('latin1')}/${name}`
    const [ours, nodes] = [sys.lstatOf(file), fs.lstatSync(Buffer.from(file, 'latin1'), { bigint: true })]
    for (const key of ['dev', 'ino', 'mode', 'nlink', 'uid', 'gid', 'rdev', 'size', 'mtimeNs'] as const)
      t.equal(ours?.[key], nodes[key], `${key} of ${name}`)
    for (const is of [
      'isFile',
      'isDirectory',
      'isSymbolicLink',
      'isCharacterDevice',
      'isBlockDevice',
      'isFIFO',
    ] as const)
      t.equal(ours?.[is](), nodes[is](), `${is} of ${name}`)
    t.same(sys.xattrNamesOf(file), sys.llistxattr(Buffer.from(file, 'latin1')), `xattrs of ${name}`)
  }
  t.equal(sys.lstatOf(`${top}/none`), undefined)
  t.equal(sys.lstatOf(`${top}/file/below`), undefined, 'a file in place of a parent')
  t.throws(() => sys.lstatOf(`${top}/${'x'.repeat(300)}`), { code: 'ENAMETOOLONG' })
  t.throws(() => sys.lstatOf(`${top}/${'x/'.repeat(3000)}`), { code: 'ENAMETOOLONG' }, 'longer than any path')
  t.throws(() => sys.lstatOf(`${top}/\0`), 'a NUL')
})

t.test('files of somebody else are opened without waiting, and read up to a limit', async t => {
  fs.writeFileSync(at('other-file'), 'abc')
  fs.writeFileSync(at('none-in-it'), '')
  fs.symlinkSync('other-file', at('to-file'))
  fs.symlinkSync('/dev/zero', at('to-zero'))
  fs.writeFileSync(at('sparse'), '')
  fs.truncateSync(at('sparse'), 3 * 1024 ** 3)
  execFileSync('mkfifo', [at('other-fifo')])
  const server = net.createServer().listen(at('other-socket'))
  await once(server, 'listening')
  t.teardown(() => server.close())
  const refused: [name: string, code: string, why: string][] = [
    ['other-fifo', 'FILE_INVALID', 'nobody writes to it'],
    ['to-zero', 'FILE_INVALID', 'a device, behind a symlink'],
    ['other-socket', 'FILE_INVALID', 'a socket'],
    ['.', 'FILE_INVALID', 'a directory'],
    ['sparse', 'FILE_TOO_LARGE', 'larger than there is memory'],
    ['absent', 'ENOENT', "the system's own"],
  ]
  for (const [name, code, why] of refused) {
    t.throws(() => sys.readRegular(at(name), 3), { code }, why)
    if (code === 'FILE_INVALID') t.throws(() => sys.openRegular(at(name)), { code }, why)
  }
  for (const [name, text] of [
    ['other-file', 'abc'],
    ['none-in-it', ''],
    ['to-file', 'abc'],
  ] as const) {
    t.equal(sys.readRegular(at(name), 3).toString(), text, name)
    t.equal(sys.readNamed(at(name), 3).toString(), text, name)
  }
  t.throws(() => sys.readRegular(at('other-file'), 2), { code: 'FILE_TOO_LARGE' }, 'one byte too many')
  t.throws(() => sys.readRegular(at('to-file'), 3, { noFollow: true }), { code: 'ELOOP' }, 'no symlink')
  t.throws(
    () => sys.readRegular('/proc/self/maps', 100),
    { code: 'FILE_TOO_LARGE' },
    'says 0 bytes, has more',
  )
  t.match(sys.readRegular('/proc/self/maps', 1 << 24).toString(), /node/, 'and is read to its end')
  t.equal(sys.readNamed('/dev/null', 3).length, 0, 'what the user names may be a device')
  t.throws(() => sys.readNamed(at('to-zero'), 100_000), { code: 'FILE_TOO_LARGE' }, 'within the limit')
  t.throws(() => sys.readNamed(at('sparse'), 100_000), { code: 'FILE_TOO_LARGE' }, 'within the limit')
  const writer = spawn('sh', ['-c', `printf abc > "${at('other-fifo')}"`])
  t.equal(sys.readNamed(at('other-fifo'), 3).toString(), 'abc', 'a pipe that the user names is waited for')
  await once(writer, 'close')
  t.throws(() => sys.readNamed(dir, 3), { code: 'EISDIR' })
})
