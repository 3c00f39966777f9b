// Mutated archives, compressed bytes and texts: a bounded number of cases with fixed seeds. scripts/fuzz runs longer,
// and again with the target and seed that a failure names here.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { minimised } from './fuzz/minimise.js'
import { Random } from './fuzz/random.js'
import { findingOf, inputOf } from './fuzz/target.js'
import { allTargets } from './fuzz/targets.js'
import { Nest } from './fuzz/watch.js'

/**
 * How many cases each target gets. Those that unpack or compress take milliseconds each, the others a hundredth of
 * that.
 */
const CASES: Readonly<Record<string, number>> = {
  decompress: 60,
  pack: 60,
  apply: 100,
  overlay: 60,
  staging: 40,
}
const OTHER_CASES = 250

const nest = new Nest()
t.teardown(() => nest.remove())

t.test('no input does what it must not', async t => {
  for (const target of await allTargets(process.env.PIPELAYER_FIXTURES, nest)) {
    for (let seed = 0; seed < (CASES[target.name] ?? OTHER_CASES); seed++) {
      const input = inputOf(target, seed)
      const finding = await findingOf(target, seed, input)
      if (finding === undefined) continue
      const file = path.join(os.tmpdir(), `pipelayer-fuzz-${target.name}-${seed}`)
      const small = await minimised(
        input,
        async shorter => (await findingOf(target, seed, shorter))?.message === finding.message,
      )
      fs.writeFileSync(file, small)
      t.fail(`--target ${target.name} --seed ${seed}, input ${file}: ${finding.stack}`)
    }
    t.pass(target.name)
  }
})

t.test('the watch sees what an escape would do', async t => {
  const rows: [string, (dir: string) => void][] = [
    ['a byte', dir => fs.writeFileSync(path.join(dir, 'canary/file'), 'canary/filE\n')],
    ['a new file', dir => fs.writeFileSync(path.join(dir, 'canary/new'), '')],
    ['a file beside the root', dir => fs.writeFileSync(path.join(dir, 'nest/a/b/new'), '')],
    ['a mode', dir => fs.chmodSync(path.join(dir, 'canary/dir'), 0o700)],
    ['a second name', dir => fs.linkSync(path.join(dir, 'canary/run'), path.join(dir, 'nest/a/b/root/run'))],
    ['a time', dir => fs.utimesSync(path.join(dir, 'lower/file'), 1, 1)],
    ['a file less', dir => fs.rmSync(path.join(dir, 'canary/dir/deep'))],
  ]
  for (const [why, escape] of rows) {
    const watch = new Nest()
    try {
      watch.reset()
      fs.writeFileSync(path.join(watch.root, 'inside'), '')
      t.doesNotThrow(() => watch.check())
      escape(watch.dir)
      t.throws(() => watch.check(), /changed outside the root/, why)
    } finally {
      watch.remove()
    }
  }
})

t.test('a seed gives the same case again, and its neighbour another', async t => {
  const numbers = (seed: number): number[] => {
    const random = new Random(seed)
    return Array.from({ length: 5 }, () => random.next())
  }
  t.same(numbers(7), numbers(7))
  t.not(numbers(7)[0], numbers(8)[0])
  const target = (await allTargets(undefined, nest)).find(({ name }) => name === 'tar')
  if (target === undefined) throw new Error('no target "tar"')
  for (let seed = 0; seed < 50; seed++) t.ok(inputOf(target, seed).equals(inputOf(target, seed)))
})

t.test('a finding is made small', async t => {
  const input = Buffer.concat([Buffer.alloc(5000, 'a'), Buffer.from('bad'), Buffer.alloc(3000, 'b')])
  t.equal(String(await minimised(input, async bytes => bytes.includes('bad'))), 'bad')
})
