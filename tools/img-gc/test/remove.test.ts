import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { namersFirst } from '../src/order.js'
import { removeTree } from '../src/remove.js'
import { textForm } from '../src/text.js'

t.test('removeTree() removes as rm -rf does, and tells what du told', async t => {
  const rows: readonly { why: string; make: (tree: string) => void }[] = [
    { why: 'a file', make: tree => fs.writeFileSync(tree, 'x'.repeat(10_000)) },
    { why: 'a symlink is not followed', make: tree => fs.symlinkSync('outside', tree) },
    { why: 'a FIFO', make: tree => spawnSync('mkfifo', [tree]) },
    {
      why: 'folders without permissions',
      make: tree => {
        fs.mkdirSync(path.join(tree, 'a/b/c'), { recursive: true })
        // du of an ordinary user has to read them. From the innermost on, since nothing can be changed below.
        const mode = process.getuid?.() === 0 ? 0 : 0o500
        for (const folder of ['a/b/c', 'a/b', 'a', '.']) fs.chmodSync(path.join(tree, folder), mode)
      },
    },
    {
      why: 'names that are not UTF-8, and a symlink to the outside',
      make: tree => {
        fs.mkdirSync(tree)
        fs.writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0xfe])]), 'x')
        fs.symlinkSync('../outside', path.join(tree, 'link'))
      },
    },
    {
      why: 'hard links count once',
      make: tree => {
        fs.mkdirSync(tree)
        fs.writeFileSync(path.join(tree, 'a'), 'x'.repeat(100_000))
        fs.linkSync(path.join(tree, 'a'), path.join(tree, 'b'))
      },
    },
  ]
  for (const { why, make } of rows) {
    const dir = tempDir(t, 'remove')
    fs.mkdirSync(path.join(dir, 'outside'))
    fs.writeFileSync(path.join(dir, 'outside/kept'), 'x')
    const tree = path.join(dir, 'tree')
    make(tree)
    const du = spawnSync('du', ['-s', '--block-size=1', tree], { encoding: 'utf8' }).stdout
    t.equal(removeTree(tree), Number.parseInt(du, 10), why)
    t.same(fs.readdirSync(dir), ['outside'], why)
    t.ok(fs.existsSync(path.join(dir, 'outside/kept')), why)
  }
  const dir = tempDir(t, 'remove')
  t.equal(removeTree(path.join(dir, 'none')), 0, 'what is gone takes no space')
  fs.writeFileSync(path.join(dir, 'a'), 'x'.repeat(10_000))
  fs.linkSync(path.join(dir, 'a'), path.join(dir, 'b'))
  t.equal(removeTree(path.join(dir, 'a')), 0, 'a file that has another name frees nothing')
})

t.test('namersFirst() puts each before what it names', async t => {
  const rows: readonly { names: Record<string, string>; order: string; why: string }[] = [
    { names: {}, order: '', why: 'nothing' },
    { names: { a: '', b: '', c: '' }, order: 'abc', why: 'without names the order stays' },
    { names: { a: '', b: 'a', c: 'b' }, order: 'cba', why: 'a chain' },
    { names: { a: '', b: 'a', c: 'a', d: 'bc' }, order: 'dbca', why: 'several names of one' },
  ]
  for (const { names, order, why } of rows) {
    const found = namersFirst(Object.keys(names), item => [...(names[item] ?? '')])
    t.equal(found.length, order.length, why)
    for (const [item, named] of Object.entries(names))
      for (const each of named)
        t.ok(found.indexOf(item) < found.indexOf(each), `${why}: ${item} before ${each}`)
  }
  const circle = namersFirst(['a', 'b'], item => (item === 'a' ? ['b'] : ['a']))
  t.same([...circle].sort(), ['a', 'b'], 'a circle ends')
})

t.test('a terminal gets a table', async t => {
  const garbage = (kind: string, size: number, more: object = {}) => ({
    type: 'garbage',
    kind,
    path: '/s/steps/root/abc',
    size,
    reason: 'unused',
    ...more,
  })
  const records = [
    garbage('step', 1_500_000),
    garbage('blob', 1000, { digest: 'sha256:abc', reason: 'unreferenced' }),
    garbage('step', 500_000),
    { type: 'failed', code: 'X' },
  ]
  const shown = (form: ReturnType<typeof textForm>, rows: readonly (typeof records)[number][]): string[] => {
    for (const record of rows) form.record(record)
    return form.end({ type: 'end' }).split('\n')
  }
  t.same(shown(textForm({ isDryRun: false }), records), [
    'KIND   REMOVED   SIZE',
    'step         2    2MB',
    'blob         1    1kB',
    'Freed 2MB',
    '',
  ])
  t.same(shown(textForm({ isDryRun: true }), records), [
    'KIND   NAME          SIZE   REASON',
    'step   abc          1.5MB   unused',
    'blob   sha256:abc     1kB   unreferenced',
    'step   abc          500kB   unused',
    'Would free 2MB',
    '',
  ])
  t.same(shown(textForm({ isDryRun: false }), []), ['Freed 0B', ''], 'nothing to do')
})
