/**
 * Removes entries of lower layers, and only these: a layer's whiteouts never touch what the layer itself brings.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'

/** A tree that entries are removed from, on disk or in memory. `D` is a directory of it. */
export interface RemovableTree<D> {
  /** What lies at a name, symlinks not followed. */
  kindOf(dir: D, name: string): 'dir' | 'other' | undefined
  /** Whether the layer that is applied has made it. */
  isOwn(dir: D, name: string): boolean
  names(dir: D): readonly string[]
  /** Opens a directory that is there, until {@link leave}. */
  enter(dir: D, name: string): D
  leave(dir: D): void
  /** Removes what is no directory. */
  remove(dir: D, name: string): void
  /** Removes a directory. False where something is left in it: then it stays. */
  removeEmpty(dir: D, name: string): boolean
}

/** Removes an entry with all below it, but for what is the layer's own and the directories that hold it. */
export function removeLower<D>(tree: RemovableTree<D>, dir: D, name: string): void {
  const kind = tree.kindOf(dir, name)
  if (kind === undefined) return
  const isOwn = tree.isOwn(dir, name)
  if (kind === 'dir') removeLowerBelow(tree, dir, name)
  if (isOwn) return
  if (kind === 'dir') tree.removeEmpty(dir, name)
  else tree.remove(dir, name)
}

/** Removes all that lower layers have in a directory, as {@link removeLower} does. */
export function removeLowerIn<D>(tree: RemovableTree<D>, dir: D): void {
  for (const name of tree.names(dir)) removeLower(tree, dir, name)
}

/** Two frames of the stack for each level, and no closure: trees may be 2048 directories deep. */
function removeLowerBelow<D>(tree: RemovableTree<D>, dir: D, name: string): void {
  const inner = tree.enter(dir, name)
  try {
    for (const child of tree.names(inner)) removeLower(tree, inner, child)
  } finally {
    tree.leave(inner)
  }
}

/**
 * Makes room for an entry that takes the place of another.
 *
 * @throws ToolError `ENTRY_CONFLICT` where a directory would have to go that holds entries of the same layer
 */
export function makeRoomAt<D>(tree: RemovableTree<D>, dir: D, name: string): void {
  const kind = tree.kindOf(dir, name)
  if (kind === 'other') tree.remove(dir, name)
  if (kind !== 'dir') return
  removeLowerBelow(tree, dir, name)
  if (!tree.removeEmpty(dir, name))
    throw new ToolError('ENTRY_CONFLICT', 'it replaces a directory that holds entries of the same layer')
}
