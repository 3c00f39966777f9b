import { nameMatcher, reading, type SourceTree, withDirectory } from '@pipelayer/sources'
import type { SourceRoot } from '@pipelayer/steps'
import type { ExecutorSetup } from './executor-setup.js'

/** Opens a tree to copy from for as long as `work` runs. */
export async function withSource<T>(
  setup: ExecutorSetup,
  root: SourceRoot,
  work: (tree: SourceTree) => Promise<T>,
): Promise<T> {
  if (root.kind === 'context') return await withDirectory(root, work)
  const chain = setup.openChain(root.lowers)
  try {
    return await reading(chain.dir, rooted => work({ root: rooted, ignored: nameMatcher([]) }))
  } finally {
    chain.close()
  }
}
