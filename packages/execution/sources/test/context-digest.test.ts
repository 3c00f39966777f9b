// The digest that represents the files of a context in a key, and which parts of it are remembered.

import fs from 'node:fs'
import path from 'node:path'
import { lsetxattr } from '@pipelayer/sys'
import t from 'tap'
import { contextDigest, contextState } from '../src/context-digest.js'
import { FileDigests } from '../src/file-digests.js'

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
  const digest = contextDigest(context, action, {})
  const state = { digest: contextState(context, action, undefined) ?? '', changed: 0 }
  const write = new FileDigests(notes)
  t.equal(write.tree(state), undefined)
  write.keepTree(state, digest)
  write.keepTree({ digest: 'f'.repeat(64), changed: Math.floor(Date.now() / 1000) }, digest)
  write.save()
  const lines = fs.readFileSync(`${notes}.trees`, 'utf8')
  t.equal(lines, `${state.digest} ${digest}\n`, 'but for what has just changed')
  const read = new FileDigests(notes)
  t.equal(contextDigest(context, action, { files: read }), digest)
  t.equal(read.stateOf(digest), state.digest)
  const wrong = digest.replace(/.$/, last => (last === '0' ? '1' : '0'))
  fs.writeFileSync(`${notes}.trees`, `${state.digest} ${wrong}\n`)
  t.equal(
    contextDigest(context, action, { files: new FileDigests(notes) }),
    wrong,
    'without a look at the file',
  )
  fs.writeFileSync(`${notes}.trees`, `${state.digest} sha256:x\n\0`)
  t.equal(contextDigest(context, action, { files: new FileDigests(notes) }), digest, 'a damaged note is none')
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
  contextDigest(context, action, { epoch: 7, files: third })
  third.save()
  t.match(fs.readFileSync(notes, 'utf8'), /^1:2:3:4:5 /, 'files of a tree known as a whole stay known')
})
