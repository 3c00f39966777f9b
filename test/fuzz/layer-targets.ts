/**
 * Targets that unpack layers. They check that nothing outside the root changes, that no descriptor stays open, and that
 * only our own errors are thrown.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { applyLayer, applyLayerOverlay, RootfsStaging } from '@pipelayer/unpacking'
import { trapArchive } from './archives.js'
import type { Corpus } from './corpus.js'
import { tarMutators } from './mutate-tar.js'
import type { Random } from './random.js'
import { chunks, refusable, type Target } from './target.js'
import { type Nest, openFiles } from './watch.js'

/** @param nest - the folder to unpack in; the caller removes it */
export function layerTargets(corpus: Corpus, nest: Nest): Target[] {
  const both = { corpus: corpus.tars, mutators: tarMutators }
  return [
    { name: 'apply', ...both, run: watched(nest, (input, random) => applyPlain(nest, input, random)) },
    { name: 'overlay', ...both, run: watched(nest, (input, random) => applyOverlay(nest, input, random)) },
    { name: 'staging', ...both, run: watched(nest, (input, random) => stage(nest, input, random)) },
  ]
}

function watched(nest: Nest, work: Target['run']): Target['run'] {
  return async (input, random) => {
    nest.reset()
    const before = openFiles()
    const cwd = process.cwd()
    // The working directory shows if a hard link's target is looked up from it (CVE-2026-23745), or /proc/self/cwd is
    // followed.
    process.chdir(nest.dir)
    try {
      await work(input, random)
    } finally {
      process.chdir(cwd)
      nest.check()
    }
    if (openFiles() > before) throw new Error(`${openFiles() - before} files were left open`)
  }
}

/** Unpacks mostly onto a layer of traps, and sometimes twice. */
async function applyPlain(nest: Nest, input: Buffer, random: Random): Promise<void> {
  const layers = random.oneIn(4) ? [input] : [trapArchive(), input]
  if (random.oneIn(4)) layers.push(input)
  for (const layer of layers) await refusable(() => applyLayer(chunks(layer, random), nest.root))
}

async function applyOverlay(nest: Nest, input: Buffer, random: Random): Promise<void> {
  const [lower, upper] = [path.join(nest.root, 'lower'), path.join(nest.root, 'upper')]
  const xattrs = process.geteuid?.() === 0 && random.oneIn(2) ? 'trusted' : 'user'
  for (const dir of [lower, upper]) fs.mkdirSync(dir)
  const first = random.oneIn(2) ? trapArchive() : input
  await refusable(() => applyLayerOverlay(chunks(first, random), lower, { lowers: [nest.lower], xattrs }))
  await refusable(() =>
    applyLayerOverlay(chunks(input, random), upper, { lowers: [lower, nest.lower], xattrs }),
  )
}

/** Unpacks as untar does: all or nothing is published, and hidden entries are removed. */
async function stage(nest: Nest, input: Buffer, random: Random): Promise<void> {
  const target = path.join(nest.root, 'target')
  const isThere = random.oneIn(2)
  if (isThere) fs.mkdirSync(target)
  const staging = RootfsStaging.open(target)
  const done = await refusable(async () => {
    try {
      await applyLayer(chunks(trapArchive(), random), staging.dir)
      await applyLayer(chunks(input, random), staging.dir)
      staging.publish()
      return true
    } finally {
      staging.abort()
    }
  })
  const [left, names] = [fs.readdirSync(nest.root), isThere ? fs.readdirSync(target) : []]
  if (left.some(name => name !== 'target')) throw new Error(`hidden folders are left: ${left}`)
  if (done !== true && (names.length > 0 || (left.length > 0 && !isThere)))
    throw new Error('published in spite of an error')
  if (done === true && left.length === 0) throw new Error('nothing is published')
}
