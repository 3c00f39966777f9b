import { Rooted } from '@pipelayer/rootfs'
import type { BuildContext } from '@pipelayer/steps'
import { nameMatcher } from './name-matcher.js'
import type { SourceTree } from './source-find.js'

/** The files of a context belong to root, as do those that a client sends to an engine. */
export const CONTEXT_OWNER = { uid: 0, gid: 0 }

/** Opens the directory of a context, to copy from it, while `work` runs. */
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

/** Opens a directory while `work` runs. */
export async function reading<T>(dir: string, work: (root: Rooted) => Promise<T>): Promise<T> {
  const root = Rooted.open(dir)
  try {
    return await work(root)
  } finally {
    root.close()
  }
}
