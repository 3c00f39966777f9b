import type { Bench } from './bench.js'
import type { BuildContext } from './context.js'
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
  if (root.kind === 'context') return await withDirectory(root, work)
  const chain = bench.openChain(root.lowers)
  try {
    return await reading(chain.dir, rooted => work({ root: rooted, ignored: nameMatcher([]) }))
  } finally {
    chain.close()
  }
}

/** The same with a directory that is no chain. */
export async function withDirectory<T>(
  context: BuildContext,
  work: (tree: SourceTree) => Promise<T>,
): Promise<T> {
  return await reading(context.dir, root => work(contextTree(root, context)))
}

/** A context as a tree to copy from. */
export function contextTree(root: Rooted, { ignore, keepsOwners }: BuildContext): SourceTree {
  return { root, ignored: nameMatcher(ignore), ...(keepsOwners ? {} : { owner: CONTEXT_OWNER }) }
}

async function reading<T>(dir: string, work: (root: Rooted) => Promise<T>): Promise<T> {
  const root = Rooted.open(dir)
  try {
    return await work(root)
  } finally {
    root.close()
  }
}
