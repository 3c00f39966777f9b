/**
 * What a Docker engine takes of a tree under many ignore files, as checked in; how it is asked.
 *
 * A context that is named has an ignore file of its own, so that one build tries many.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import type { BuildCase } from './cases.js'
import { TREE } from './ignore-cases.js'
import { applyLayers, type ImageTree } from './image-tree.js'
import type { Built } from './result.js'

/** What is there, and which files of it have no content. */
export interface Taken {
  readonly names: readonly string[]
  readonly empty: readonly string[]
}

/** A row: the ignore file; bits of {@link TREE}, hexadecimal, the first name lowest; the same of empty files. */
export type IgnoreRow =
  | readonly [text: string, names: string, empty?: string]
  | readonly [text: string, refused: false]

export interface IgnoreGolden {
  readonly engine: string
  readonly rows: readonly IgnoreRow[]
}

export function readIgnoreGolden(folder: string): IgnoreGolden {
  return JSON.parse(fs.readFileSync(path.join(folder, 'golden/ignore.json'), 'utf8')) as IgnoreGolden
}

export function writeIgnoreGolden(folder: string, golden: IgnoreGolden): void {
  fs.writeFileSync(path.join(folder, 'golden/ignore.json'), `${JSON.stringify(golden)}\n`)
}

export function rowOf(text: string, taken: Taken | undefined): IgnoreRow {
  if (taken === undefined) return [text, false]
  return taken.empty.length === 0 ? [text, bits(taken.names)] : [text, bits(taken.names), bits(taken.empty)]
}

function bits(names: readonly string[]): string {
  const set = new Set(names)
  const chosen = TREE.map((name, index) => (set.has(name) ? 1n << BigInt(index) : 0n))
  return chosen.reduce((sum, bit) => sum | bit, 0n).toString(16)
}

/** Who builds: an engine, or our own pipe. */
export type Builder = (one: BuildCase) => Promise<Built>

/**
 * What a builder takes of each context. Where a build fails, its halves are built, until the one is found that is
 * refused: undefined in the list.
 *
 * @param dirs - contexts, each with its .dockerignore
 */
export async function takenOf(
  dirs: readonly string[],
  work: string,
  build: Builder,
): Promise<(Taken | undefined)[]> {
  const dockerfile = path.join(work, 'Dockerfile')
  const copies = dirs.map((_, index) => `COPY --from=c${index} . /${index}/\n`)
  fs.writeFileSync(dockerfile, `FROM scratch\n${copies.join('')}`)
  const contexts = dirs.map((dir, index) => `c${index}=${dir}`)
  const built = await build({ name: 'ignore', dockerfile, context: work, contexts })
  if (!('error' in built))
    return takenIn(
      await applyLayers(
        new Map(),
        built.layers.map(layer => layer.file),
      ),
      dirs.length,
    )
  if (dirs.length === 1) return [undefined]
  const half = dirs.length >> 1
  const first = await takenOf(dirs.slice(0, half), work, build)
  return [...first, ...(await takenOf(dirs.slice(half), work, build))]
}

function takenIn(tree: ImageTree, count: number): Taken[] {
  const taken = Array.from({ length: count }, () => ({ names: [] as string[], empty: [] as string[] }))
  for (const [name, { isDir, text }] of tree) {
    const slash = name.indexOf('/')
    const one = taken[Number(name.slice(0, slash))]
    if (slash < 0 || one === undefined) continue
    const below = name.slice(slash + 1) + (isDir ? '/' : '')
    one.names.push(below)
    if (/ 0 bytes /.test(text)) one.empty.push(below)
  }
  return taken
}
