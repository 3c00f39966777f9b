// What the cache reads that others wrote, and what the kernel says it can run.
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type Manifest, parseManifest } from '@pipelayer/oci'
import { lsetxattr } from '@pipelayer/sys'
import t from 'tap'
import {
  CACHE_CONFIG_TYPE,
  cacheConfig,
  cacheManifest,
  parseCache,
  type SharedStep,
} from '../src/cache-document.js'
import { contextDigest, contextState } from '../src/cache-key.js'
import { cachePlace } from '../src/cache-place.js'
import { FileDigests } from '../src/file-digests.js'
import { checkEmulator, isForeign } from '../src/foreign.js'
import { contentWith } from '../src/stage-state.js'
import { usualEncoding, usualLayer } from '../src/usual-layer.js'

const [A, B, C] = ['a', 'b', 'c'].map(text => digestOf(text)) as [string, string, string]
const BLOB = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: A, size: 3 }
const created = '2023-11-14T22:13:20Z'
const STEPS: readonly SharedStep[] = [
  {
    key: A,
    on: '',
    encoding: 'v2.gzip-4.zlib-1.oci.s',
    packed: { created, blob: BLOB, diffID: B, engine: 'zlib/1' },
  },
  { key: B, on: B, encoding: 'v2.gzip-4.zlib-1.oci.s', packed: { created } },
  { key: C, on: B, encoding: 'v2.gzip-4.zlib-1.oci.s', packed: { created, blob: BLOB, diffID: B } },
]

function manifestOf(config: Buffer): Manifest {
  const descriptor = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(config), size: config.length }
  return parseManifest(cacheManifest(descriptor, STEPS)) as Manifest
}

t.test('a cache that is written is read', async t => {
  const config = cacheConfig(STEPS)
  const manifest = manifestOf(config)
  t.same(parseCache(manifest, config), STEPS)
  t.equal(manifest.layers.length, 1, 'a blob of two steps is listed once')
  t.same(cacheConfig(STEPS), config, 'the same steps, the same bytes')
})

t.test('a cache that others wrote', async t => {
  type Row = Record<string, unknown>
  const rows: readonly [why: string, change: (row: Row) => unknown][] = [
    ['no key', row => delete row.key],
    ['a key that is a path', row => (row.key = 'sha256:../../x')],
    ['a parent that is none', row => (row.on = 'x')],
    ['no parent', row => delete row.on],
    ['an encoding that is a path', row => (row.encoding = 'v2./x')],
    ['a long encoding', row => (row.encoding = `v2.${'x'.repeat(300)}`)],
    ['no time', row => delete row.created],
    ['a time that is none', row => (row.created = 'soon')],
    ['no diffID', row => delete row.diffID],
    ['a layer that is no text', row => (row.layer = 7)],
    ['a layer that is not listed', row => (row.layer = C)],
  ]
  const good = cacheConfig(STEPS)
  for (const [why, change] of rows) {
    const document = JSON.parse(good.toString())
    change(document.steps[0])
    const bytes = Buffer.from(JSON.stringify(document))
    t.throws(() => parseCache(manifestOf(good), bytes), { code: 'CACHE_INVALID' }, why)
  }
  for (const text of [
    '{"version":2,"steps":[]}',
    '{"version":1,"steps":{}}',
    '{"version":1,"steps":[1]}',
    '[]',
  ])
    t.throws(() => parseCache(manifestOf(good), Buffer.from(text)), { code: 'CACHE_INVALID' }, text)
  const foreign = { ...manifestOf(good), layers: [{ ...BLOB, mediaType: 'application/x-thing' }] }
  t.throws(() => parseCache(foreign, good), { code: 'CACHE_INVALID' }, 'a blob that is no layer')
})

t.test('places of caches', async t => {
  const rows: readonly [text: string, direction: 'from' | 'to', want: string | undefined, why: string][] = [
    ['oci:/c:app', 'to', 'oci:/c:app', 'a place of ours'],
    ['docker://h/c:app', 'from', 'docker://h/c:app', 'a registry'],
    ['h/c:app', 'from', 'h/c:app', 'a bare reference'],
    ['type=registry,ref=h/c:app', 'from', 'docker://h/c:app', "docker build's words"],
    ['type=registry,ref=h/c:app,mode=max', 'to', 'docker://h/c:app', 'the mode is always the most'],
    ['type=local,dest=/c', 'to', 'oci:/c:latest', 'a directory'],
    ['type=local,src=/c,tag=x', 'from', 'oci:/c:x', 'with a tag'],
    ['type=local,src=/c', 'to', undefined, 'src is where from'],
    ['type=local,dest=/c', 'from', undefined, 'dest is where to'],
    ['type=s3,bucket=b', 'to', undefined, 'what we do not speak'],
    ['type=registry', 'to', undefined, 'no name'],
    ['=', 'to', undefined, 'nothing'],
  ]
  for (const [text, direction, want, why] of rows)
    if (want === undefined)
      t.throws(() => cachePlace(text, direction), { code: 'OPTION_INVALID', status: 2 }, why)
    else t.equal(cachePlace(text, direction), want, why)
})

t.test('which layer of a step is taken', async t => {
  const usual = usualEncoding({})
  const other = usual.replace('gzip-4', 'gzip-9')
  const packed = { created }
  t.equal(usualLayer(new Map([[other, packed]]), {})?.encoding, other, 'any that holds the same tar')
  t.equal(
    usualLayer(
      new Map([
        [other, packed],
        [usual, packed],
      ]),
      {},
    )?.encoding,
    usual,
    'the usual one first',
  )
  t.equal(usualLayer(new Map([[`${usual}7`, packed]]), {}), undefined, 'not one with other times')
  t.equal(usualLayer(new Map([[`${usual}7`, packed]]), { epoch: 7 })?.encoding, `${usual}7`)
  t.equal(usualLayer(new Map([[usual.replace('v', 'v9'), packed]]), {}), undefined, 'not of another version')
  t.equal(contentWith('', A), A, 'the chainID of one layer is its diffID')
  t.equal(contentWith(A, B), digestOf(`${A} ${B}`))
  t.equal(contentWith(undefined, B), undefined)
})

t.test('a file is read once while it is the same', async t => {
  const dir = t.testdir({ f: 'one' })
  const file = Buffer.from(path.join(dir, 'f'))
  const digests = new FileDigests()
  const stat = fs.lstatSync(file, { bigint: true })
  const first = digests.of(file, stat)
  fs.writeFileSync(file, 'two')
  t.equal(digests.of(file, stat), first, 'by what stat says, not by its content')
  const changed = { ...fs.lstatSync(file, { bigint: true }), ctimeNs: stat.ctimeNs + 1n } as fs.BigIntStats
  t.not(digests.of(file, changed), first)
  fs.symlinkSync('f', path.join(dir, 'link'))
  const link = Buffer.from(path.join(dir, 'link'))
  t.throws(
    () => digests.of(link, { ...stat, ino: 1n } as fs.BigIntStats),
    { code: 'ELOOP' },
    'never followed',
  )
})

t.test('what a build read is remembered for the next', async t => {
  const dir = t.testdir({ f: 'one' })
  const [file, notes] = [Buffer.from(path.join(dir, 'f')), path.join(dir, 'sub/notes')]
  const stat = fs.lstatSync(file, { bigint: true })
  const settled = { ...stat, ctimeNs: stat.ctimeNs - 10_000_000_000n } as fs.BigIntStats
  const first = new FileDigests(notes)
  const digest = first.of(file, settled)
  first.of(file, { ...stat, ctimeNs: stat.ctimeNs + 3_600_000_000_000n } as fs.BigIntStats)
  first.save()
  t.equal(fs.readFileSync(notes, 'utf8').split('\n').length, 2, 'but for what has just changed')
  fs.writeFileSync(file, 'two')
  t.equal(new FileDigests(notes).of(file, settled), digest, 'nothing is read')
  const many = new FileDigests(notes)
  for (let ino = 1n; ino <= 20n; ino++) many.of(file, { ...settled, ino: stat.ino + ino } as fs.BigIntStats)
  t.equal(many.of(file, settled), digest, 'nor after many others')
  for (const damage of ['', '\0\0\0', fs.readFileSync(notes, 'utf8').slice(0, -9), 'x y z\n']) {
    fs.writeFileSync(notes, damage)
    t.not(new FileDigests(notes).of(file, settled), digest, 'a damaged note is no note')
  }
  const nowhere = new FileDigests(path.join(dir, 'f/sub/x'))
  nowhere.of(file, settled)
  t.doesNotThrow(() => nowhere.save(), 'where nothing can be written nothing is')
})

t.test('the state of a tree shows every change', async t => {
  const dir = t.testdir({ a: { f: 'one', g: 'two', sub: { h: 'three' } }, b: 'four', '.git': { x: 'five' } })
  fs.symlinkSync('f', path.join(dir, 'a/link'))
  const at = (name: string): string => path.join(dir, name)
  const action = { sources: ['a', 'b*'], parents: false, excludes: ['a/skip'] }
  const state = (ignore: string[] = ['.git'], what = action, epoch?: number): string => {
    const digest = contextState({ dir, ignore }, what, epoch)
    if (digest === undefined) throw new Error('no statx here')
    return digest
  }
  const same = state()
  t.equal(state(), same, 'equal, unless something changes')
  t.equal(contextState({ dir, ignore: ['.git'] }, action, undefined), same)
  t.not(state(['.git', 'a/g']), same, 'other patterns')
  t.not(state(['.git'], { ...action, sources: ['a'] }), same, 'other sources')
  t.not(state(['.git'], action, 7), same, 'another SOURCE_DATE_EPOCH')
  const kept = fs.statSync(at('a/f'))
  const rows: readonly [why: string, change: () => void][] = [
    [
      'content, the size and the time as they were',
      () => {
        fs.writeFileSync(at('a/f'), 'eno')
        fs.utimesSync(at('a/f'), kept.atime, kept.mtime)
      },
    ],
    ['a mode', () => fs.chmodSync(at('a/g'), 0o600)],
    ['a new file', () => fs.writeFileSync(at('a/sub/new'), '')],
    ['a file moved', () => fs.renameSync(at('a/sub/new'), at('a/new'))],
    ['a file gone', () => fs.rmSync(at('a/new'))],
    ['a second name', () => fs.linkSync(at('b'), at('b2'))],
    [
      'another link',
      () => {
        fs.rmSync(at('a/link'))
        fs.symlinkSync('g', at('a/link'))
      },
    ],
    ["a directory's mode", () => fs.chmodSync(at('a/sub'), 0o700)],
    ['an xattr', () => lsetxattr(at('a/g'), 'user.x', Buffer.from('1'))],
  ]
  const seen = new Set([same])
  for (const [why, change] of rows) {
    change()
    const now = state()
    t.notOk(seen.has(now), why)
    seen.add(now)
  }
  const before = state()
  fs.writeFileSync(at('.git/x'), 'six')
  t.equal(state(), before, 'what is ignored does not count')
})

t.test('the digest of a tree is remembered by its state', async t => {
  const dir = t.testdir({ context: { f: 'one' } })
  const context = { dir: path.join(dir, 'context'), ignore: [] }
  const notes = path.join(dir, 'notes')
  const action = { sources: ['f'], parents: false, excludes: [] }
  const digest = contextDigest(context, action, undefined)
  const state = { digest: contextState(context, action, undefined) ?? '', changed: 0 }
  const write = new FileDigests(notes)
  t.equal(write.tree(state), undefined)
  write.keepTree(state, digest)
  write.keepTree({ digest: 'f'.repeat(64), changed: Math.floor(Date.now() / 1000) }, digest)
  write.save()
  const lines = fs.readFileSync(`${notes}.trees`, 'utf8')
  t.equal(lines, `${state.digest} ${digest}\n`, 'but for what has just changed')
  const read = new FileDigests(notes)
  t.equal(contextDigest(context, action, undefined, read), digest)
  t.equal(read.stateOf(digest), state.digest)
  const wrong = digest.replace(/.$/, last => (last === '0' ? '1' : '0'))
  fs.writeFileSync(`${notes}.trees`, `${state.digest} ${wrong}\n`)
  t.equal(
    contextDigest(context, action, undefined, new FileDigests(notes)),
    wrong,
    'without a look at the file',
  )
  fs.writeFileSync(`${notes}.trees`, `${state.digest} sha256:x\n\0`)
  t.equal(contextDigest(context, action, undefined, new FileDigests(notes)), digest, 'a damaged note is none')
  const used = new FileDigests(notes)
  used.tree(state)
  used.keepTree(state, digest)
  for (let edit = 0; edit < 150; edit++) {
    used.keepTree({ digest: String(edit).padStart(64, '0'), changed: 0 }, digest)
    used.tree(state)
  }
  used.save()
  t.equal(new FileDigests(notes).tree(state), digest, 'what is used outlives many edits')
  fs.writeFileSync(notes, `1:2:3:4:5 ${'a'.repeat(64)}\n`)
  const third = new FileDigests(notes)
  third.tree(state)
  third.keepTree(state, digest)
  contextDigest(context, action, 7, third)
  third.save()
  t.match(fs.readFileSync(notes, 'utf8'), /^1:2:3:4:5 /, 'files of a tree known as a whole stay known')
})

t.test('emulators', async t => {
  const qemu = (machine: string, first = 'enabled'): string =>
    `${first}\ninterpreter /usr/bin/qemu\nflags: OCF\noffset 0\nmagic 7f454c460201010000000000000000000200${machine}\nmask ffffffffffffff00fffffffffffffffffeffffff\n`
  const rows: readonly [why: string, files: Record<string, string>, arch: string, ok: boolean][] = [
    ['its handler', { status: 'enabled\n', 'qemu-aarch64': qemu('b700') }, 'arm64', true],
    ["another's", { status: 'enabled\n', 'qemu-riscv64': qemu('f300') }, 'arm64', false],
    ['none', { status: 'enabled\n', register: '' }, 'arm64', false],
    ['switched off', { status: 'enabled\n', 'qemu-aarch64': qemu('b700', 'disabled') }, 'arm64', false],
    ['all switched off', { status: 'disabled\n', 'qemu-aarch64': qemu('b700') }, 'arm64', false],
    [
      'by the name of files',
      { status: 'enabled\n', py: 'enabled\ninterpreter /p\nflags: \nextension .py\n' },
      'arm64',
      false,
    ],
    [
      'big-endian',
      {
        status: 'enabled\n',
        s: qemu('0016').replace('7f454c460201', '7f454c460202').replace('02000016', '00020016'),
      },
      's390x',
      true,
    ],
    ['that cannot be seen', {}, 'arm64', true],
    ['an architecture we do not know', { status: 'enabled\n' }, 'sparc', true],
  ]
  for (const [index, [why, files, arch, ok]] of rows.entries()) {
    const dir = path.join(t.testdir({}), String(index))
    fs.mkdirSync(dir)
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), text)
    if (ok) t.doesNotThrow(() => checkEmulator(arch, dir), why)
    else t.throws(() => checkEmulator(arch, dir), { code: 'EMULATOR_MISSING' }, why)
  }
  t.same(
    [isForeign('386', 'amd64'), isForeign('arm', 'arm64'), isForeign('amd64', 'arm64'), isForeign('x', 'x')],
    [false, false, true, false],
  )
})
