// Tests of layers that are applied in memory, and of the differences between two images.

import { changeLine, handmade, hard, type Item, link } from '@pipelayer/testkit'
import t from 'tap'
import { diffImages } from '../src/image-diff.js'
import { addLayer, treeOf } from './kit.js'

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
    t.same([...diffImages(a, b)].map(changeLine), expected, why)
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
    t.same([...diffImages(before, tree, { exact: true })].map(changeLine), want, why)
  }
  const one = await treeOf([handmade([{ name: 'f' }, hard('g', 'f')])])
  const two = await treeOf([handmade([{ name: 'f' }, { name: 'g' }])])
  t.same(
    [...diffImages(one, two)].map(changeLine),
    [],
    'a diff leaves it out, as overlayfs breaks links by itself',
  )
  const told = [...diffImages(one, two, { exact: true })].map(changeLine)
  t.same(told, ['modify f file', 'modify g file'], 'of images that share nothing both names are told')
})
