// Tests that names inside a root are resolved as the kernel does it with RESOLVE_IN_ROOT, on disk and in memory.

import fs from 'node:fs'
import path from 'node:path'
import { O_PATH, openat2, RESOLVE } from '@pipelayer/sys'
import { tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { requireDepth, resolveIn, type TreeView } from '../src/resolver.js'
import { Rooted } from '../src/rooted.js'

/** A tree by its paths. The value is the text of a symlink, and undefined for a directory. */
type Tree = ReadonlyMap<string, string | undefined>

const tree: Tree = new Map([
  ['a', undefined],
  ['a/b', undefined],
  ['absolute', '/a/b'],
  ['relative', 'a/b'],
  ['above', '../../../../a'],
  ['a/up', '..'],
  ['a/b/far', '../../absolute/../up/a'],
  ['itself', 'itself'],
  ['one', 'other'],
  ['other', 'one'],
  ['dangling', 'nowhere/at/all'],
  ['slashes', '//a///b//'],
  ['dot', '.'],
])

function plant(dir: string, planted: Tree): void {
  for (const [name, link] of planted) {
    const place = path.join(dir, name)
    if (link === undefined) fs.mkdirSync(place, { recursive: true })
    else fs.symlinkSync(link, place)
  }
}

/** The same tree in memory. A place is the list of its components. */
function viewOf(planted: Tree): TreeView<readonly string[]> {
  return {
    root: [],
    parentOf: dir => (dir.length === 0 ? undefined : dir.slice(0, -1)),
    child: (dir, name) => planted.get([...dir, name].join('/')) ?? [...dir, name],
  }
}

function outcome(work: () => string): string {
  try {
    return work()
  } catch (error) {
    const { code } = error as { code: string }
    // These are the kernel's code and ours for too many symlinks.
    return code === 'ELOOP' || code === 'TOO_MANY_SYMLINKS' ? 'loop' : code
  }
}

function byKernel(root: Rooted, dir: string, name: string): string {
  const fd = openat2(root.fd, name === '' ? '.' : name, { flags: O_PATH, resolve: RESOLVE.IN_ROOT })
  try {
    return path.relative(dir, fs.readlinkSync(`/proc/self/fd/${fd}`))
  } finally {
    fs.closeSync(fd)
  }
}

t.test('names', async t => {
  const dir = tempDir(t, 'names')
  plant(dir, tree)
  const root = Rooted.open(dir)
  t.teardown(() => root.close())
  const rows: [why: string, name: string, want: string][] = [
    ['the root', '', ''],
    ['a plain name', 'a/b', 'a/b'],
    ['parts without meaning', './/a/./b/', 'a/b'],
    ['".." stops at the root', '../../a/../../a', 'a'],
    ['an absolute symlink starts at the root', 'absolute', 'a/b'],
    ['a relative one where it lies', 'a/b/far', 'a'],
    ['".." in a symlink stops at the root', 'above', 'a'],
    ['".." after a symlink is that of its target', 'absolute/..', 'a'],
    ['through a symlink and on', 'relative/far/b', 'a/b'],
    ['a symlink with slashes to spare', 'slashes', 'a/b'],
    ['a symlink to where it is', 'dot/dot/a', 'a'],
    ['a symlink to itself', 'itself', 'loop'],
    ['two that lead to each other', 'one/x', 'loop'],
  ]
  for (const [why, name, want] of rows) {
    t.equal(
      outcome(() => root.resolve(name)),
      want,
      why,
    )
    t.equal(
      outcome(() => (resolveIn(viewOf(tree), name.split('/')) ?? []).join('/')),
      want,
      `${why}: in memory`,
    )
    t.equal(
      outcome(() => byKernel(root, dir, name)),
      want,
      `${why}: the kernel`,
    )
  }
  t.equal(root.resolve('dangling/x'), 'nowhere/at/all/x', 'what does not exist stays as it is')
  t.equal(
    root.resolveParent('absolute/../relative'),
    'relative',
    'the last part is not followed, where asked',
  )
  t.throws(() => root.resolve('itself'), { code: 'TOO_MANY_SYMLINKS', message: /^"itself": more than 40/ })
})

t.test('limits', async t => {
  const chain = (links: number): Tree =>
    new Map([['l0', 'end'], ...Array.from({ length: links - 1 }, (_, i) => [`l${i + 1}`, `l${i}`] as const)])
  const dir = tempDir(t, 'limits')
  plant(dir, chain(41))
  const root = Rooted.open(dir)
  t.teardown(() => root.close())
  t.equal(root.resolve('l39'), 'end', '40 symlinks, as in the kernel')
  t.equal(
    outcome(() => root.resolve('l40')),
    'loop',
    '41 symlinks',
  )
  t.equal(
    outcome(() => byKernel(root, dir, 'l40')),
    'loop',
    '41 symlinks: the kernel',
  )
  const back: Tree = new Map([
    ['d', undefined],
    ['d/l', `../d/../${'d/../'.repeat(5000)}d`],
  ])
  t.equal(
    outcome(() => String(resolveIn(viewOf(back), ['d', 'l']))),
    'loop',
    'a symlink back and forth',
  )
  const stops: TreeView<object> = { root: {}, parentOf: () => undefined, child: () => undefined }
  t.equal(resolveIn(stops, ['a', 'b']), undefined, 'a view that ends the way')
  requireDepth(2048)
  t.throws(() => requireDepth(2049), { code: 'NAME_TOO_LONG' })
})

t.test('random symlinks', async t => {
  const top = tempDir(t, 'random')
  const name = fc.constantFrom('a', 'b', 'a/b', 'b/a', 'a/c', 'c')
  const text = fc
    .array(fc.constantFrom('..', 'a', 'b', 'c', '.', ''), { minLength: 1, maxLength: 5 })
    .map(parts => parts.join('/'))
    .filter(link => link !== '')
  let run = 0
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text), { maxLength: 5 }), text, (links, wanted) => {
      const dir = path.join(top, String(run++))
      const planted = new Map<string, string | undefined>([
        ['a', undefined],
        ['b', undefined],
      ])
      for (const [from, to] of links) if (!planted.has(from)) planted.set(from, to)
      fs.mkdirSync(dir)
      plant(dir, new Map([...planted].filter(([from]) => planted.get(path.dirname(from)) === undefined)))
      const root = Rooted.open(dir)
      try {
        const [ours, kernel] = [
          outcome(() => root.resolve(wanted)),
          outcome(() => byKernel(root, dir, wanted)),
        ]
        // The kernel stops at a missing component; our resolver goes on, since it may be made there.
        return kernel === 'ENOENT' || kernel === 'ENOTDIR' || ours === kernel
      } finally {
        root.close()
      }
    }),
    { numRuns: 300 },
  )
})
