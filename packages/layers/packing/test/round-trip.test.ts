// Tests that the change set of a tree, packed and unpacked, rebuilds the tree.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay, diffTrees } from '@pipelayer/change-set'
import type { ChangeRecord } from '@pipelayer/records'
import { lsetxattr, utimensat } from '@pipelayer/sys'
import { chunked, compareTrees, folders, mountStep, need, overlaySteps, tempDir } from '@pipelayer/testkit'
import { applyLayer } from '@pipelayer/unpacking'
import fc from 'fast-check'
import t from 'tap'
import { tarOf } from './kit.js'

const needsRoot = { skip: need('root') }

t.test('the changes of a step on an overlay mount', needsRoot, async t => {
  for (const row of overlaySteps) {
    const dirs = mountStep(t, row)
    const changes = [...diffOverlay(dirs)]
    const copy = path.join(dirs.top, 'copy')
    spawnSync('cp', ['-a', dirs.below, copy])
    if (changes.length > 0) await applyLayer(chunked(await tarOf(changes)), copy)
    const differences = compareTrees(dirs.merged, copy, { except: ['.'] })
    t.same(differences.filter(unlessParent(changes)), [], row.why)
  }
})

/** A directory of which only the time differs is no change, so times may differ there alone. */
function unlessParent(changes: readonly ChangeRecord[]): (difference: string) => boolean {
  const named = new Set(changes.map(({ path }) => path))
  return difference => named.has(difference.split(':')[0] ?? '') || !/^[^|]* 4\d{4} /.test(difference)
}

interface Node {
  readonly kind: 'dir' | 'file' | 'symlink' | 'fifo' | 'link'
  readonly name: string
  readonly parent: number
  readonly mode: number
  readonly mtime: number
  readonly nanoseconds: number
  readonly content: string
  readonly xattr: boolean
}

const node: fc.Arbitrary<Node> = fc.record({
  kind: fc.constantFrom('dir', 'dir', 'file', 'file', 'symlink', 'fifo', 'link'),
  name: fc.constantFrom(
    'a',
    'b',
    'c',
    'ab',
    'a-b',
    'a.b',
    'A',
    '\xff',
    'ü'.normalize('NFC'),
    'x'.repeat(150),
  ),
  parent: fc.nat(5),
  mode: fc.constantFrom(0o644, 0o755, 0, 0o4711, 0o1777),
  mtime: fc.constantFrom(1, 1700000000, 5000000000),
  nanoseconds: fc.constantFrom(0, 1, 999999999),
  content: fc.constantFrom('', 'x', 'y', 'long'.repeat(300)),
  xattr: fc.boolean(),
})

/** Makes a tree. A node that cannot be made because something is in its place is left out. */
function plant(root: string, nodes: readonly Node[]): void {
  const dirs = ['']
  const files: string[] = []
  for (const one of nodes) {
    const name = `${dirs[one.parent % dirs.length]}/${one.name}`
    const at = Buffer.from(root + name, 'latin1')
    if (fs.lstatSync(at, { throwIfNoEntry: false })) continue
    if (one.kind === 'dir') dirs.push(name)
    const target = files[one.parent % Math.max(files.length, 1)]
    if (one.kind === 'link' && target === undefined) continue
    if (one.kind === 'dir') fs.mkdirSync(at)
    else if (one.kind === 'file') fs.writeFileSync(at, one.content)
    else if (one.kind === 'symlink') fs.symlinkSync(`../${one.content}.`, at)
    else if (one.kind === 'fifo') spawnSync('mkfifo', [name.includes('\xff') ? `${root}/p` : root + name])
    else fs.linkSync(Buffer.from(root + target, 'latin1'), at)
    if (one.kind === 'file') files.push(name)
    if (one.kind !== 'file' && one.kind !== 'dir') continue
    fs.chmodSync(at, one.mode)
    if (one.xattr) lsetxattr(at, 'user.k', Buffer.from(one.content.slice(0, 9)))
  }
  for (const name of files) {
    const one = nodes[name.length % nodes.length]
    utimensat(-100, Buffer.from(root + name, 'latin1'), {
      seconds: one?.mtime ?? 0,
      nanoseconds: one?.nanoseconds ?? 0,
    })
  }
}

t.test('random trees come back as they were, and so do their differences', needsRoot, async t => {
  const top = tempDir(t, 'random')
  let run = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(node, { maxLength: 14 }),
      fc.array(node, { maxLength: 14 }),
      async (one, other) => {
        const here = path.join(top, String(run++))
        const [before, after, copy] = folders(here, 'before', 'after', 'copy')
        plant(before, one)
        plant(after, other)
        const whole = await tarOf(diffTrees(undefined, before))
        if (whole.length > 0) await applyLayer(chunked(whole, 777), copy)
        const first = compareTrees(before, copy, { except: ['.'] })
        const changes = [...diffTrees(copy, after)]
        if (changes.length > 0) await applyLayer(chunked(await tarOf(changes)), copy)
        // Neither broken links between equal files nor times of unchanged directories are changes.
        const second = compareTrees(after, copy, { ignore: ['names', 'mtime'], except: ['.'] })
        spawnSync('rm', ['-rf', here])
        t.same([...first, ...second], [], `run ${run}`)
        return first.length + second.length === 0
      },
    ),
    { numRuns: 60 },
  )
})
