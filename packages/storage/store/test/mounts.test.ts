// The journal of mounts. Mounts that are really made are in the tests of ovl-mount.
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { type MountEntry, type MountNote, Store } from '../src/index.js'

const NOTE = {
  dirs: { target: '/nowhere/m', lowers: ['/a', '/b'] },
  maker: { uid: 0, created: '2026-01-01T00:00:00Z' },
  xattrs: 'trusted',
  made: [],
} as const

const row = { id: 1, device: '0:0', options: 'lowerdir=nothing' }

t.test('states of mounts', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const journal = store.mounts()
  t.same(journal.entries(), [], 'a store that has none')
  const entry = journal.reserve(NOTE, others => t.same(others, []))
  t.match(entry, { state: 'mounting', note: { maker: { boot: /^[0-9a-f-]{36}$/, namespace: /^mnt:/ } } })
  type Change = Partial<MountNote['maker'] & Pick<MountNote, 'row'>>
  const stateOf = (
    { row: seen, ...maker }: Change,
    rename?: (name: string) => string,
  ): string | undefined => {
    const made = journal.reserve(NOTE, () => {})
    fs.writeFileSync(
      path.join(made.dir, 'mount.json'),
      JSON.stringify({ ...made.note, maker: { ...made.note.maker, ...maker }, row: seen }),
    )
    const dir =
      rename === undefined ? made.dir : path.join(path.dirname(made.dir), rename(path.basename(made.dir)))
    fs.renameSync(made.dir, dir)
    const found = journal.entries().find(each => each.dir === dir)
    fs.rmSync(dir, { recursive: true })
    return found?.state
  }
  const ended = (name: string): string => name.replace(`.${process.pid}.`, '.4194304.')
  t.equal(stateOf({}), 'mounting')
  t.equal(stateOf({}, ended), 'gone', 'its process was killed before it mounted')
  t.equal(stateOf({ pid: process.pid }), 'private')
  t.equal(stateOf({ pid: process.pid }, ended), 'gone', 'the process of its command has ended')
  t.equal(stateOf({ row }), 'gone', 'it was mounted, and is no more')
  t.equal(stateOf({ row, namespace: 'mnt:[1]' }), 'elsewhere', 'a container made it, which is not seen here')
  t.equal(stateOf({ row, namespace: 'mnt:[1]' }, ended), 'gone', 'that namespace was here, and has ended')
  t.equal(stateOf({ boot: 'another' }), 'gone')
  t.equal(stateOf({ boot: 'another', pid: process.pid }), 'gone')
  journal.forget(entry)
  t.same(journal.entries(), [])
})

t.test('a mount that is refused is not written down', async t => {
  const journal = Store.open(`${t.testdir()}/s`).mounts()
  const first = journal.reserve(NOTE, () => {})
  const seen: (readonly MountEntry[])[] = []
  const refuse = (others: readonly MountEntry[]): void => {
    seen.push(others)
    throw new Error('refused')
  }
  t.throws(() => journal.reserve(NOTE, refuse), { message: 'refused' })
  t.match(seen, [[{ dir: first.dir }]], 'the check sees the others')
  t.equal(journal.entries().length, 1)
})

t.test('what was made for a mount goes with it, and nothing else', async t => {
  const dir = t.testdir({
    full: { f: '' },
    empty: {},
    work: { work: { x: '' }, index: {} },
    other: { work: {}, y: '' },
  })
  const at = (name: string): string => path.join(dir, name)
  const journal = Store.open(at('s')).mounts()
  const end = (target: string, work: string, made: MountNote['made']): void => {
    const dirs = { ...NOTE.dirs, target: at(target), upper: at('u'), work: at(work) }
    const note = { ...NOTE, dirs, made }
    journal.forget(journal.reserve(note, () => {}))
  }
  end('empty', 'work', [])
  t.same(fs.readdirSync(dir).sort(), ['empty', 'full', 'other', 's', 'work'], 'what was there stays')
  end('full', 'other', ['target', 'work'])
  t.same(
    [fs.readdirSync(at('full')), fs.readdirSync(at('other'))],
    [['f'], ['y']],
    'with what others put there',
  )
  end('empty', 'work', ['target', 'work'])
  t.same(fs.readdirSync(dir).sort(), ['full', 'other', 's'])
  end('empty', 'none', ['target', 'work'])
})
