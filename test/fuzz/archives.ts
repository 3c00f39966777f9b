/**
 * Archives to start from, made on the spot: by our own encoder, by GNU tar in its formats, by bsdtar.
 *
 * @module
 */
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'

type Item = Partial<TarEntry> & { readonly name: string; readonly content?: string }

const symlink = (name: string, linkname: string): Item => ({ name, type: 'symlink', linkname })
const hardlink = (name: string, linkname: string): Item => ({ name, type: 'hardlink', linkname })

/**
 * A layer with links and names that lead out of the root in every way that an archive can express. The next layer tries
 * to use them.
 */
const TRAPS: readonly Item[] = [
  { name: 'dir', type: 'dir' },
  { name: 'dir/file', content: 'dir/file\n' },
  { name: 'file', content: 'file\n' },
  symlink('up', '../../../..'),
  symlink('out', '../../../../canary'),
  symlink('abs', '/proc/self/cwd/canary'),
  symlink('final', '../../../../canary/file'),
  symlink('root', '/'),
  symlink('dir/again', '../out'),
  symlink('loop', 'loop'),
  hardlink('hard', 'file'),
  hardlink('hardsym', 'final'),
  { name: 'pipe', type: 'fifo' },
]

/** Entries of the next layer that try to use them. */
const ATTACKS: readonly Item[] = [
  { name: 'out/file', content: 'bad' },
  { name: 'up/canary/file', content: 'bad' },
  { name: 'abs/file', content: 'bad' },
  { name: 'dir/again/dir/deep', content: 'bad' },
  { name: 'final', content: 'bad' },
  { name: 'out/.wh.file' },
  { name: 'out/.wh..wh..opq' },
  { name: 'up', type: 'dir', mode: 0o777, uid: 77 },
  hardlink('stolen', 'out/run'),
  hardlink('stolen2', '/canary/file'),
  { name: 'out', type: 'dir', mode: 0o777 },
  { name: 'out/new', content: 'x' },
]

/** Entries that layers usually hold, and a few more. */
const USUAL: readonly Item[] = [
  { name: './', type: 'dir' },
  { name: 'dir/', type: 'dir', mode: 0o1777, uid: 1000, gid: 1000 },
  { name: 'dir/.wh..wh..opq' },
  { name: 'dir/new', content: 'x'.repeat(700), mode: 0o4755 },
  { name: '.wh.file' },
  { name: `${'long/'.repeat(30)}name`, content: 'deep' },
  { name: 'caf\xe9', content: 'latin1', mtime: { seconds: -1, nanoseconds: 5 } },
  { name: 'xattrs', xattrs: new Map([['user.a', Buffer.from([0, 255])]]) },
  { name: 'ids', uid: 3_000_000, gid: 4_000_000_000 },
  hardlink('dir/hard', 'dir/new'),
  symlink('dir/link', 'new'),
  { name: 'null', type: 'char', devmajor: 1, devminor: 3 },
  { name: 'whiteout', type: 'char' },
]

/** Archives made by our encoder. */
export function ownArchives(): Buffer[] {
  return [encoded(TRAPS), encoded(ATTACKS), encoded(USUAL), encoded([]), encoded([...TRAPS, ...ATTACKS])]
}

/** The layer of traps alone, to be put below others. */
export function trapArchive(): Buffer {
  return encoded(TRAPS)
}

/** Archives made by the tar programs that are installed. */
export function peerArchives(): Buffer[] {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pipelayer-fuzz-tree-'))
  try {
    makeTree(dir)
    const gnu = GNU_FORMATS.flatMap(options => made(dir, 'tar', [...GNU_FIXED, ...options, '-cf-', '.']))
    const [whole] = gnu
    if (whole === undefined) return []
    fs.writeFileSync(path.join(dir, 'whole.tar'), whole)
    // bsdtar converts an archive, because its output for files on disk would contain inode numbers, which differ each
    // time.
    const bsd = ['pax', 'gnutar', 'ustar', 'v7'].flatMap(format =>
      made(dir, 'bsdtar', [`--format=${format}`, '-cf-', '@whole.tar']),
    )
    return [...gnu, ...bsd]
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

/** These options give the same bytes for the same tree, so that a seed always means the same case. */
const GNU_FIXED = ['--sort=name', '--mtime=@1700000000', '--owner=0', '--group=0', '--numeric-owner']
const PAX = [
  '--format=posix',
  '--sparse',
  '--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime',
]
const GNU_FORMATS = [
  [...PAX, '--xattrs'],
  [...PAX, '--sparse-version=0.1'],
  [...PAX, '--sparse-version=0.0'],
  ['--format=gnu', '--sparse'],
  ['--format=ustar', '--exclude=*long*'],
  ['--format=v7', '--exclude=*long*', '--exclude=pipe'],
]

function makeTree(dir: string): void {
  const at = (name: string): string => path.join(dir, name)
  fs.mkdirSync(at('dir/long'.padEnd(120, 'g')), { recursive: true })
  fs.writeFileSync(at('dir/file'), 'content\n')
  fs.writeFileSync(at(`dir/${'long'.repeat(50)}`), 'long\n')
  fs.writeFileSync(Buffer.from(`${dir}/\xff\xfe`, 'latin1'), '')
  fs.symlinkSync(`dir/${'long'.repeat(40)}`, at('link'))
  fs.linkSync(at('dir/file'), at('hard'))
  for (const [name, pieces] of [
    ['sparse', 3],
    ['sparse-many', 30],
  ] as const) {
    const fd = fs.openSync(at(name), 'w')
    for (let i = 0; i < pieces; i++) fs.writeSync(fd, 'piece', i * 65536)
    fs.ftruncateSync(fd, pieces * 65536)
    fs.closeSync(fd)
  }
  spawnSync('mkfifo', [at('pipe')])
  spawnSync('setfattr', ['-n', 'user.note', '-v', 'a b', at('dir/file')])
}

/** No archive if the program is missing or fails. */
function made(cwd: string, program: string, args: readonly string[]): Buffer[] {
  try {
    return [execFileSync(program, args, { cwd, stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 26 })]
  } catch {
    return []
  }
}

function encoded(items: readonly Item[]): Buffer {
  const parts = items.flatMap(({ content = '', ...item }) => {
    const body = Buffer.from(content)
    const entry: TarEntry = {
      type: 'file',
      mode: item.type === 'dir' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
      ...item,
    }
    return [encodeHeader(entry), body, padding(body.length)]
  })
  return Buffer.concat([...parts, END_BLOCKS])
}
