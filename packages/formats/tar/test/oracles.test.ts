// Archives by GNU tar, bsdtar and Python are read as the tree on disk is, and all three read archives by this package
// the same way.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { finished } from 'node:stream/promises'
import t from 'tap'
import { extract } from 'tar-stream'
import type { TarEntry } from '../src/index.js'
import { archive, BASE, binary, list } from './archives.js'

type Checks = Pick<typeof t, 'equal' | 'ok'>

const PEERS = ['tar', 'bsdtar', 'python3']
const missing = PEERS.filter(peer => !isInstalled(peer))
const skip = missing.length > 0 && process.env.CI !== 'true' ? `no ${missing.join(', ')}` : false

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'pipelayer-tar-'))
t.teardown(() => fs.rmSync(dir, { recursive: true, force: true }))
const tree = path.join(dir, 'tree')
makeTree()

const long = `deep/${'directory/'.repeat(20)}`
const entries: readonly (TarEntry & { data: Buffer })[] = [
  { ...entry('dir', 'dir'), mode: 0o1777 },
  { ...entry('big.ids', 'file', 'hello'), uid: 3_000_000, gid: 4_000_000, mode: 0o4755 },
  { ...entry('mode0', 'file', ''), mode: 0 },
  entry(`${long}file`, 'file', 'x'.repeat(600)),
  entry(long.slice(0, -1), 'dir'),
  { ...entry('late', 'file'), mtime: { seconds: 4_102_444_800, nanoseconds: 500_000_000 } },
  { ...entry('early', 'file'), mtime: { seconds: -1_000_000_000, nanoseconds: 250_000_000 } },
  { ...entry('after-2242', 'file'), mtime: { seconds: 2 ** 33, nanoseconds: 0 } },
  entry(binary('ünïcode/文件'), 'file', 'u'),
  entry('latin1-\xfc\xff', 'file', 'b'),
  { ...entry('link', 'symlink'), linkname: '../t'.repeat(40), mode: 0o777 },
  { ...entry('latin1-link', 'symlink'), linkname: '\xe9', mode: 0o777 },
  { ...entry('hard', 'hardlink'), linkname: 'big.ids' },
  { ...entry('null', 'char'), devmajor: 1, devminor: 3 },
  { ...entry('disk', 'block'), devmajor: 259, devminor: 1_048_575 },
  entry('fifo', 'fifo'),
  {
    ...entry('attrs', 'file'),
    xattrs: new Map([
      ['user.b', Buffer.from([1, 0x80, 0, 0xff, 0x0a])],
      ['security.capability', Buffer.alloc(20, 0xc2)],
    ]),
  },
]

t.test('archives of others', { skip }, async t => {
  const rows: [string, string[], { names?: 'short' }][] = [
    ['GNU tar, posix', ['tar', '--format=posix', '--sparse', '--sparse-version=1.0'], {}],
    ['GNU tar, posix, sparse 0.1', ['tar', '--format=posix', '--sparse', '--sparse-version=0.1'], {}],
    ['GNU tar, posix, sparse 0.0', ['tar', '--format=posix', '--sparse', '--sparse-version=0.0'], {}],
    ['GNU tar, gnu', ['tar', '--format=gnu', '--sparse'], {}],
    ['GNU tar, ustar', ['tar', '--format=ustar'], { names: 'short' }],
    ['GNU tar, v7', ['tar', '--format=v7'], { names: 'short' }],
    ['bsdtar, pax', ['bsdtar', '--format=pax'], {}],
    ['bsdtar, gnutar', ['bsdtar', '--format=gnutar'], {}],
    ['bsdtar, ustar', ['bsdtar', '--format=ustar'], { names: 'short' }],
  ]
  for (const [name, [program = '', ...args], { names }] of rows) {
    const out = path.join(dir, 'out.tar')
    const chosen = fs.readdirSync(tree, 'latin1').filter(each => names === undefined || each.length < 90)
    execFileSync(program, [...args, '-cf', out, '--null', '-T', '-'], {
      cwd: tree,
      input: Buffer.from(chosen.join('\0'), 'latin1'),
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const read = list(fs.readFileSync(out))
    t.same(read.map(({ entry }) => cleaned(entry.name)).sort(), walk(chosen).sort(), `${name}: names`)
    for (const { entry, content } of read) checkAgainstDisk(t, name, entry, content)
  }
})

t.test('Python reads what is written here', { skip }, async t => {
  const file = written(entries)
  const script = `import json,sys,tarfile
print(json.dumps([[m.name,m.type.decode(),m.mode,m.uid,m.gid,m.size,float(m.mtime),m.linkname,m.devmajor,m.devminor,
 {k:list(v.encode('utf-8','surrogateescape')) for k,v in m.pax_headers.items() if k.startswith('SCHILY.xattr.')},
 t.extractfile(m).read().decode() if m.isreg() else ''] for t in [tarfile.open(sys.argv[1])] for m in t]))`
  const python = JSON.parse(
    execFileSync('python3', ['-c', script, file], { encoding: 'utf8' }),
  ) as unknown[][]
  const want = entries.map(({ data, ...entry }) => {
    const xattrs = Object.fromEntries(
      [...(entry.xattrs ?? [])].map(([key, value]) => [`SCHILY.xattr.${key}`, [...value]]),
    )
    const mtime = entry.mtime.seconds + entry.mtime.nanoseconds / 1e9
    const type = {
      file: '0',
      hardlink: '1',
      symlink: '2',
      char: '3',
      block: '4',
      dir: '5',
      fifo: '6',
      other: '',
    }[entry.type]
    const { mode, uid, gid, size, devmajor = 0, devminor = 0 } = entry
    const texts = [entry.name, entry.linkname ?? ''].map(text => pythonText(Buffer.from(text, 'latin1')))
    return [
      texts[0],
      type,
      mode,
      uid,
      gid,
      size,
      mtime,
      texts[1],
      devmajor,
      devminor,
      xattrs,
      data.toString(),
    ]
  })
  t.strictSame(python, want)
})

t.test('GNU tar and bsdtar read what is written here', { skip }, async t => {
  const file = written(entries)
  const env = { ...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC' }
  const gnu = execFileSync('tar', ['--quoting-style=literal', '--warning=no-unknown-keyword', '-tf', file], {
    env,
  })
  const bsd = execFileSync(
    'bsdtar',
    ['-cf', '-', '--format=mtree', '--options=mtree:!all,size,mode,uid,gid,type', `@${file}`],
    { env },
  )
  const names = entries.map(entry => (entry.type === 'dir' ? `${entry.name}/` : entry.name)).join('\n')
  t.equal(gnu.toString('latin1'), `${names}\n`)
  t.equal(bsd.toString().trim().split('\n').length - 1, entries.length, 'bsdtar tells each entry')
  t.match(bsd.toString(), /big\.ids mode=4755 gid=4000000 uid=3000000 type=file size=5/)
})

t.test('tar-stream reads what is written here', async t => {
  const heads: unknown[] = []
  const stream = extract()
  stream.on('entry', (header, content, next) => {
    heads.push([header.name, header.type, header.mode, header.size, header.linkname ?? ''])
    content.on('end', next).resume()
  })
  // Entries that this program cannot hold are left out: it decodes names as UTF-8 and has no fields for big ids.
  const plain = entries.filter(entry => !/[\x80-\xff]/.test(entry.name + entry.linkname))
  stream.end(archive(plain))
  await finished(stream)
  const types: Record<string, string> = {
    dir: 'directory',
    hardlink: 'link',
    char: 'character-device',
    block: 'block-device',
  }
  const want = plain.map(({ name, type, mode, size, linkname = '' }) => [
    type === 'dir' ? `${name}/` : name,
    types[type] ?? type,
    mode,
    size,
    linkname,
  ])
  t.strictSame(heads.map(tidy), want.map(tidy))
})

function entry(name: string, type: TarEntry['type'], text = ''): TarEntry & { data: Buffer } {
  return { ...BASE, name, type, size: text.length, data: Buffer.from(text) }
}

function written(all: readonly (TarEntry & { data: Buffer })[]): string {
  const file = path.join(dir, 'ours.tar')
  fs.writeFileSync(file, archive(all))
  return file
}

function makeTree(): void {
  const at = (...parts: string[]): string => path.join(tree, ...parts)
  fs.mkdirSync(at('d', 'e'), { recursive: true })
  fs.writeFileSync(at('d', 'file'), 'content\n')
  fs.writeFileSync(at('d', 'empty'), '')
  fs.chmodSync(at('d', 'empty'), 0o4700)
  fs.linkSync(at('d', 'file'), at('z-hard'))
  fs.symlinkSync('d/file', at('symlink'))
  fs.writeFileSync(at('ünï'), 'u')
  fs.writeFileSync(Buffer.from(`${tree}/latin-\xfc`, 'latin1'), 'l')
  fs.writeFileSync(at('n'.repeat(180)), 'long name')
  fs.symlinkSync('t'.repeat(180), at('l'.repeat(120)))
  const sparse = fs.openSync(at('sparse'), 'w')
  for (const offset of [65_536, 1_000_000, 2_000_000]) fs.writeSync(sparse, 'data', offset)
  fs.ftruncateSync(sparse, 3_000_000)
  fs.closeSync(sparse)
  fs.utimesSync(at('d', 'file'), 1, 1_500_000_000.25)
  fs.utimesSync(at('d', 'empty'), 1, 2 ** 32)
}

/** Paths below the tree as binary strings. */
function walk(names: readonly string[]): string[] {
  return names.flatMap(name => {
    const file = Buffer.from(`${tree}/${name}`, 'latin1')
    if (!fs.lstatSync(file).isDirectory()) return [name]
    return [name, ...walk(fs.readdirSync(file, 'latin1').map(each => `${name}/${each}`))]
  })
}

function checkAgainstDisk(t: Checks, format: string, entry: TarEntry, content: string): void {
  const file = Buffer.from(`${tree}/${entry.name}`, 'latin1')
  const stat = fs.lstatSync(file)
  const type = stat.isDirectory() ? 'dir' : stat.isSymbolicLink() ? 'symlink' : 'file'
  t.equal(entry.type === 'hardlink' ? 'file' : entry.type, type, `${format}: type of ${entry.name}`)
  t.equal(entry.mode, stat.mode & 0o7777, `${format}: mode of ${entry.name}`)
  t.equal(entry.mtime.seconds, Math.floor(stat.mtimeMs / 1000), `${format}: time of ${entry.name}`)
  if (entry.type === 'symlink')
    t.equal(entry.linkname, fs.readlinkSync(file), `${format}: target of ${entry.name}`)
  if (entry.type === 'file')
    t.ok(fs.readFileSync(file).equals(Buffer.from(content, 'latin1')), `${format}: content of ${entry.name}`)
}

function cleaned(name: string): string {
  return name.replace(/\/$/, '')
}

function tidy(row: unknown): unknown {
  return (row as unknown[]).map(field => (typeof field === 'string' ? cleaned(field) : field))
}

/** The text that Python makes of a name: each byte that is not UTF-8 is a lone surrogate. */
function pythonText(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (!text.includes('\ufffd')) return text
  return [...bytes].map(byte => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join('')
}

function isInstalled(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
