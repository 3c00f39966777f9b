/**
 * Resolves names inside a root, whatever symlinks lie in the way.
 *
 * The rules are those of openat2 with RESOLVE_IN_ROOT: an absolute symlink starts at the root, and `..` stops there.
 * They are applied here, component by component, because the kernel sees neither a tree in memory nor the lower layers
 * of an overlay, and because unpacking makes missing directories on the way.
 *
 * Spec: Linux openat2(2), path_resolution(7).
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { quoted } from './name.js'

/** The kernel's limit: more symlinks in one name count as a loop. */
const MAX_SYMLINKS = 40
/** Directories that one name may lead through, back and forth by way of symlinks. Unpacking holds all of them open. */
const MAX_STEPS = 4096
/**
 * The greatest depth of a directory: half of PATH_MAX, since no path leads deeper. Through symlinks an archive could
 * nest directories without end, and each level costs a descriptor, and stack when the tree is removed.
 */
const MAX_DEPTH = 2048

/** A tree as the resolver sees it: on disk, over lower layers, or in memory. `D` is a directory of it. */
export interface TreeView<D extends object> {
  readonly root: D
  /** Undefined for the root. */
  parentOf(dir: D): D | undefined
  /**
   * Looks up a name. The result is a directory, which a view may have made just now; or the text of a symlink, a binary
   * string, which is then resolved; or undefined, which ends the resolution. A view may also throw, for example where a
   * file is in the way.
   */
  child(dir: D, name: string): D | string | undefined
}

/** The cost of a name so far. The limits apply to the whole name. */
export interface Spent {
  links: number
  steps: number
}

/** The cost at the start of a name. */
export const NOTHING_SPENT: Readonly<Spent> = { links: 0, steps: 0 }

/** The directory to which one component leads, after all symlinks are resolved. @throws as {@link resolveIn} */
export function step<D extends object>(way: Way<D>, dir: D, name: string): D | undefined {
  const { view, spent } = way
  if (name === '' || name === '.') return dir
  if (name === '..') return view.parentOf(dir) ?? dir
  if (++spent.steps > MAX_STEPS)
    throw new ToolError('TOO_MANY_SYMLINKS', `symlinks lead through more than ${MAX_STEPS} directories`)
  const found = view.child(dir, name)
  if (typeof found !== 'string') return found
  if (++spent.links > MAX_SYMLINKS)
    throw new ToolError('TOO_MANY_SYMLINKS', `more than ${MAX_SYMLINKS} symlinks lead to ${quoted(found)}`)
  return follow(way, found.startsWith('/') ? view.root : dir, found.split('/'))
}

/** A resolution that is under way. */
export interface Way<D extends object> {
  readonly view: TreeView<D>
  readonly spent: Spent
}

/**
 * The directory to which components lead from the root. Undefined where the view ends the resolution.
 *
 * @throws ToolError `TOO_MANY_SYMLINKS`: they lead in a circle, or back and forth without end; errors of the view
 */
export function resolveIn<D extends object>(view: TreeView<D>, components: readonly string[]): D | undefined {
  return follow({ view, spent: { ...NOTHING_SPENT } }, view.root, components)
}

function follow<D extends object>(way: Way<D>, from: D, components: readonly string[]): D | undefined {
  let at: D | undefined = from
  for (const name of components) {
    if (at === undefined) return undefined
    at = step(way, at, name)
  }
  return at
}

/** @throws ToolError `NAME_TOO_LONG` for a directory that lies deeper than any name leads */
export function requireDepth(depth: number): void {
  if (depth > MAX_DEPTH)
    throw new ToolError('NAME_TOO_LONG', `it lies more than ${MAX_DEPTH} directories deep`)
}
