import type { Bench } from './bench.js'
import type { SourceRoot } from './executor-protocol.js'
import { nameMatcher } from './name-matcher.js'
import { Rooted } from './rooted.js'
import type { SourceTree } from './source-find.js'

/** Files of a context belong to root, as those that a client sends to an engine do. */
export const CONTEXT_OWNER = { uid: 0, gid: 0 }

/** Opens a tree to copy from for as long as `work` runs. */
export async function withSource<T>(
  bench: Bench,
  root: SourceRoot,
  work: (tree: SourceTree) => Promise<T>,
): Promise<T> {
  if (root.kind === 'context') return await withDirectory(root.dir, work, root.ignore)
  const chain = bench.openChain(root.lowers)
  try {
    return await reading(chain.dir, rooted => work({ root: rooted, ignored: nameMatcher([]) }))
  } finally {
    chain.close()
  }
}

/** The same with a directory that is no chain: all in it belongs to root. */
export async function withDirectory<T>(
  dir: string,
  work: (tree: SourceTree) => Promise<T>,
  ignore: readonly string[] = [],
): Promise<T> {
  return await reading(dir, root => work({ root, ignored: nameMatcher(ignore), owner: CONTEXT_OWNER }))
}

async function reading<T>(dir: string, work: (root: Rooted) => Promise<T>): Promise<T> {
  const root = Rooted.open(dir)
  try {
    return await work(root)
  } finally {
    root.close()
  }
}
