// Layers applied in memory: what they come to, compared with the disk; merged, and compared with each other.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diffImages, ImageTree, type ListOptions } from '@pipelayer/change-set'
import { digestOf } from '@pipelayer/digest'
import { compareTrees, need, tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { applyLayer } from '../src/apply.js'
import { chunked, handmade, hard, type Item, line, link } from './kit.js'
import { Blobs, listed } from './listing-kit.js'

/** Applies layers in memory. */
async function treeOf(layers: readonly Buffer[], options: ListOptions = {}): Promise<ImageTree> {
  const tree = new ImageTree()
  for (const tar of layers) await addLayer(tree, tar, options)
  return tree
}

async function addLayer(tree: ImageTree, tar: Buffer, options: ListOptions = {}): Promise<void> {
  tree.nextLayer()
  for (const one of await listed(tar, { ...options, blob: { digest: digestOf(tar) } })) tree.apply(one)
}

t.test('diffImages() and what it is told of', async t => {
  const dir = (name: string, more: Partial<Item> = {}): Item => ({ name, type: 'dir', ...more })
  const text = (name: string, content: string, more: Partial<Item> = {}): Item => ({ name, content, ...more })
  const base = [dir('d'), text('d/a', '1'), text('d/b', '2'), text('x', '3'), hard('y', 'x')]
  const rows: [string, Item[][], Item[][], string[]][] = [
    ['nothing', [base], [base], []],
    [
      'one file among others',
      [base],
      [base, [text('d/a', 'new')]],
      ['modify d dir (parent)', 'modify d/a file'],
    ],
    ['a file that comes and goes', [base], [base, [text('d/c', '')], [text('d/.wh.c', '')]], []],
    [
      'a file that goes and comes back',
      [base],
      [base, [text('.wh.x', '')], [text('x', '4')]],
      ['modify x file'],
    ],
    [
      'a directory replaced',
      [base],
      [base, [text('.wh.d', '')], [dir('d'), text('d/n', '')]],
      ['modify d dir (parent)', 'delete d/a', 'delete d/b', 'add d/n file'],
    ],
    [
      'an opaque directory',
      [base],
      [base, [dir('d'), text('d/.wh..wh..opq', ''), text('d/a', '1')]],
      ['modify d dir (parent)', 'delete d/b'],
    ],
    [
      'a directory where a file was',
      [base],
      [base, [dir('x'), text('x/n', '')]],
      ['modify x dir', 'add x/n file'],
    ],
    ['a file where a directory was', [base], [base, [text('d', '')]], ['modify d file']],
    ['another owner of a directory', [base], [base, [dir('d', { uid: 7 })]], ['modify d dir']],
    [
      'a link to a file below: both are told',
      [base],
      [base, [hard('z', 'd/a')]],
      ['modify d dir (parent)', 'modify d/a file', 'add z hardlink d/a'],
    ],
    ['one name of two gone', [base], [base, [text('.wh.y', '')]], ['delete y']],
    [
      'two names, another file',
      [base],
      [base, [text('x', '5'), hard('y', 'x')]],
      ['modify x file', 'modify y hardlink x'],
    ],
    [
      'two files that become one',
      [[text('a', '1'), text('b', '1')]],
      [[text('a', '1'), hard('b', 'a')]],
      ['modify a file', 'modify b hardlink a'],
    ],
    [
      'through a symlink of a layer below',
      [[dir('u'), link('l', 'u')]],
      [[dir('u'), link('l', 'u')], [text('l/f', '')]],
      ['modify u dir (parent)', 'add u/f file'],
    ],
    [
      'through one that leads above the root',
      [[link('l', '../../u')]],
      [[link('l', '../../u')], [text('l/f', '')]],
      ['add u dir', 'add u/f file'],
    ],
    ['bookkeeping of AUFS', [base], [base, [dir('.wh..wh.plnk')]], []],
    ['the root', [base], [base, [dir('./', { mode: 0o700 })]], ['modify . dir']],
    [
      'a path twice, and the same',
      [base],
      [
        base,
        [text('u', '1'), hard('v', 'u'), link('w', 'u'), text('u', '1'), hard('v', 'u'), link('w', 'u')],
      ],
      ['add u file', 'add v hardlink u', 'add w symlink u'],
    ],
    [
      'a file twice, between them a hard link to it',
      [base],
      [base, [text('u', '1'), hard('v', 'u'), text('u', '1')]],
      ['add u file', 'add v hardlink u'],
    ],
    ['a whiteout of nothing there', [base], [base, [text('q/.wh.r', '')]], []],
  ]
  for (const [why, before, after, expected] of rows) {
    const [a, b] = [
      await treeOf(before.map(handmade), { sums: true }),
      await treeOf(after.map(handmade), { sums: true }),
    ]
    t.same([...diffImages(a, b)].map(line), expected, why)
  }
  const hostile: [string, Item[][], string][] = [
    ['a path twice', [[text('a', '1'), text('a', '2')]], 'DUPLICATE_ENTRY'],
    ['a path twice, of other owners', [[text('a', '1'), text('a', '1', { uid: 1 })]], 'DUPLICATE_ENTRY'],
    [
      'a hard link twice',
      [[text('a', ''), text('b', ''), hard('c', 'a'), hard('c', 'b')]],
      'DUPLICATE_ENTRY',
    ],
    ['a parent that is a file', [[text('a', ''), text('a/b', '')]], 'PARENT_NOT_DIRECTORY'],
    ['a link to nothing', [[hard('a', 'b')]], 'LINK_TARGET_MISSING'],
    ['a link to a directory', [[dir('d'), hard('a', 'd')]], 'LINK_INVALID'],
    ['a link to what it replaces', [[dir('d'), text('d/f', '')], [hard('d', 'd/f')]], 'LINK_TARGET_MISSING'],
    ['a link to itself', [[text('a', '')], [hard('a', 'a')]], 'LINK_INVALID'],
    ['symlinks in a circle', [[link('a', 'b'), link('b', 'a')], [text('a/f', '')]], 'TOO_MANY_SYMLINKS'],
    ['a file over its own directory', [[dir('d'), text('d/f', ''), text('e/../d', '')]], 'DUPLICATE_ENTRY'],
    [
      'a file over what a symlink led to',
      [[dir('d'), link('l', '.'), text('l/d/f', ''), text('d', '')]],
      'DUPLICATE_ENTRY',
    ],
  ]
  for (const [why, layers, code] of hostile) await t.rejects(treeOf(layers.map(handmade)), { code }, why)
})

t.test('names that cease to be one file are told where the outcome has to be exact', async t => {
  const base: Item[] = [{ name: 'f' }, hard('b/g', 'f'), hard('h', 'f')]
  const rows: [string, Item[], string[]][] = [
    ['nothing changes', [{ name: 'other' }], ['add other file']],
    ['an upper layer puts an equal file in place of one name', [{ name: 'f' }], ['modify f file']],
    [
      'in place of two names, which stay one file',
      [{ name: 'f' }, hard('h', 'f')],
      ['modify f file', 'modify h hardlink f'],
    ],
    [
      'in place of two names, each its own file',
      [{ name: 'f' }, { name: 'h' }],
      ['modify f file', 'modify h file'],
    ],
    ['a file that is not equal', [{ name: 'f', content: 'x' }], ['modify f file']],
  ]
  for (const [why, upper, want] of rows) {
    const tree = await treeOf([handmade(base)])
    const before = tree.snapshot()
    await addLayer(tree, handmade(upper))
    t.same([...diffImages(before, tree, { exact: true })].map(line), want, why)
  }
  const one = await treeOf([handmade([{ name: 'f' }, hard('g', 'f')])])
  const two = await treeOf([handmade([{ name: 'f' }, { name: 'g' }])])
  t.same([...diffImages(one, two)].map(line), [], 'a diff leaves it out, as overlayfs breaks links by itself')
  const told = [...diffImages(one, two, { exact: true })].map(line)
  t.same(told, ['modify f file', 'modify g file'], 'of images that share nothing both names are told')
})

t.test('random layers: in memory as on disk, and squashed', { skip: need('root') }, async t => {
  const top = tempDir(t, 'stack')
  let run = 0
  let compared = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(layerItems(), { minLength: 2, maxLength: 4 }),
      fc.nat(3),
      async (items, cut) => {
        const layers = items.map(handmade)
        const dir = path.join(top, String(run++))
        const keep = Math.min(cut, layers.length - 1)
        const failed = await applied(layers, `${dir}a`)
        const tree = await treeOf(layers).catch((error: unknown) => error as { code: string })
        if (!(tree instanceof ImageTree)) {
          // Which of two faults is named may differ.
          if (failed === undefined) throw new Error(`disk took it, memory: ${tree.code}`)
          return
        }
        if (failed !== undefined) throw new Error(`disk: ${failed}, memory took it`)
        await squashedIsEqual({ top, dir, layers, keep, tree })
        compared++
      },
    ),
    { numRuns: 200 },
  )
  t.ok(compared > 40, `${compared} stacks were whole`)
})

interface Squash {
  readonly top: string
  readonly dir: string
  readonly layers: readonly Buffer[]
  readonly keep: number
  readonly tree: ImageTree
}

async function squashedIsEqual({ top, dir, layers, keep, tree }: Squash): Promise<void> {
  const blobs = new Blobs(top)
  for (const tar of layers) blobs.add(tar)
  const kept = layers.slice(0, keep)
  const base = await treeOf(kept)
  const merged = await blobs.pack(diffImages(base, tree, { exact: true }))
  const failed = await applied([...kept, merged], `${dir}b`)
  const differences = failed ?? compareTrees(`${dir}a`, `${dir}b`)
  if (failed !== undefined || differences.length > 0) throw new Error(String(differences))
  spawnSync('rm', ['-rf', `${dir}a`, `${dir}b`])
}

async function applied(layers: readonly Buffer[], dir: string): Promise<string | undefined> {
  fs.mkdirSync(dir)
  fs.chmodSync(dir, 0o755)
  try {
    for (const tar of layers) if (tar.length > 0) await applyLayer(chunked(tar), dir)
    return undefined
  } catch (error) {
    spawnSync('rm', ['-rf', dir])
    return (error as { code: string }).code
  }
}

/** Few names, so that layers meet; a layer names each path once. */
function layerItems(): fc.Arbitrary<Item[]> {
  const folder = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 })
  // Mostly a name that no directory has: else nearly every stack contradicts itself.
  const leafName = fc.constantFrom('f', 'g', 'f', 'g', 'f', 'g', 'a')
  const place = fc.tuple(folder, leafName).map(([parents, name]) => [...parents, name].join('/'))
  const dirs = fc
    .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 2 })
    .map(parts => parts.join('/'))
  const any = fc.oneof(place, dirs)
  const item = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        name: dirs,
        type: fc.constant('dir' as const),
        mode: fc.constantFrom(0o755, 0o700),
      }),
    },
    { weight: 4, arbitrary: fc.record({ name: place, content: fc.constantFrom('', 'x', 'yy') }) },
    { weight: 1, arbitrary: fc.tuple(place, any).map(([from, to]) => link(from, `/${to}`)) },
    { weight: 1, arbitrary: fc.tuple(place, place).map(([from, to]) => hard(from, to)) },
    { weight: 2, arbitrary: any.map(text => ({ name: text.replace(/[^/]+$/, '.wh.$&') })) },
    { weight: 1, arbitrary: dirs.map(text => ({ name: `${text}/.wh..wh..opq` })) },
  )
  const timed = fc
    .tuple(item, fc.constantFrom(1000, 2000))
    .map(([one, at]) => ({ ...one, mtime: { seconds: at, nanoseconds: 0 } }) as Item)
  return fc.uniqueArray(timed, { selector: one => one.name, minLength: 1, maxLength: 6 })
}
