/**
 * Removes entries of lower layers only: a layer's whiteouts never affect entries of the layer itself.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'

/** A tree that entries are removed from, on disk or in memory. `D` is a directory of it. */
export interface RemovableTree<D> {
  /** The kind of the entry at a name; a symlink is not followed. */
  kindOf(dir: D, name: string): 'dir' | 'other' | undefined
  /** Whether the current layer has made the entry. */
  isOwn(dir: D, name: string): boolean
  names(dir: D): readonly string[]
  /** Opens an existing directory, until {@link leave}. */
  enter(dir: D, name: string): D
  leave(dir: D): void
  /** Removes an entry that is no directory. */
  remove(dir: D, name: string): void
  /** Removes a directory. Returns false, and keeps it, where it is not empty. */
  removeEmpty(dir: D, name: string): boolean
}

/**
 * Removes an entry with all below it, except for entries of the current layer and the directories that contain them.
 */
export function removeLower<D>(tree: RemovableTree<D>, dir: D, name: string): void {
  const kind = tree.kindOf(dir, name)
  if (kind === undefined) return
  const isOwn = tree.isOwn(dir, name)
  if (kind === 'dir') removeLowerBelow(tree, dir, name)
  if (isOwn) return
  if (kind === 'dir') tree.removeEmpty(dir, name)
  else tree.remove(dir, name)
}

/** Removes all entries of lower layers in a directory, as {@link removeLower} does. */
export function removeLowerIn<D>(tree: RemovableTree<D>, dir: D): void {
  for (const name of tree.names(dir)) removeLower(tree, dir, name)
}

/** This takes two stack frames for each level and no closure, since trees may be 2048 directories deep. */
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
 * @throws ToolError `ENTRY_CONFLICT` where a directory with entries of the same layer would have to be removed
 */
export function makeRoomAt<D>(tree: RemovableTree<D>, dir: D, name: string): void {
  const kind = tree.kindOf(dir, name)
  if (kind === 'other') tree.remove(dir, name)
  if (kind !== 'dir') return
  removeLowerBelow(tree, dir, name)
  if (!tree.removeEmpty(dir, name))
    throw new ToolError('ENTRY_CONFLICT', 'it replaces a directory that holds entries of the same layer')
}
