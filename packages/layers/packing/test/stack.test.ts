// Tests of random stacks of layers: the tree in memory must be that on disk, also after squashing.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diffImages, ImageTree, listLayer } from '@pipelayer/change-set'
import { digestOf } from '@pipelayer/digest'
import { chunked, compareTrees, handmade, hard, type Item, link, need, tempDir } from '@pipelayer/testkit'
import { applyLayer } from '@pipelayer/unpacking'
import fc from 'fast-check'
import t from 'tap'
import { Blobs } from './kit.js'

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
          // Where a stack has two faults, the two may report different ones.
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

/** Applies layers in memory. */
async function treeOf(layers: readonly Buffer[]): Promise<ImageTree> {
  const tree = new ImageTree()
  for (const tar of layers) {
    tree.nextLayer()
    for await (const one of listLayer(chunked(tar, 700), { blob: { digest: digestOf(tar) } })) tree.apply(one)
  }
  return tree
}

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

/** The names are few, so that layers overlap; a layer names each path once. */
function layerItems(): fc.Arbitrary<Item[]> {
  const folder = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 })
  // Leaves mostly have names that no directory has, since otherwise nearly every stack would contradict itself.
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
