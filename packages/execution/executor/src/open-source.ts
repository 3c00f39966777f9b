import { nameMatcher, reading, type SourceTree, withDirectory } from '@pipelayer/sources'
import type { SourceRoot } from '@pipelayer/steps'
import type { Bench } from './bench.js'

/** Opens a tree to copy from for as long as `work` runs. */
export async function withSource<T>(
  bench: Bench,
  root: SourceRoot,
  work: (tree: SourceTree) => Promise<T>,
): Promise<T> {
  if (root.kind === 'context') return await withDirectory(root, work)
  const chain = bench.openChain(root.lowers)
  try {
    return await reading(chain.dir, rooted => work({ root: rooted, ignored: nameMatcher([]) }))
  } finally {
    chain.close()
  }
}
