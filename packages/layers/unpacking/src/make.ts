/**
 * Makes single entries of the tree.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import {
  type Attributer,
  attributesOf,
  bytesOf,
  type Folder,
  type LowerEntry,
  quoted,
} from '@pipelayer/rootfs'
import { isAvailable, makedev, mknod } from '@pipelayer/sys'
import type { ReadEntry } from '@pipelayer/tar'
import type { Tree } from './tree.js'

/** A name in a directory. */
export interface Spot {
  readonly folder: Folder
  readonly name: string
}

const { S_IFBLK, S_IFCHR, S_IFIFO } = fs.constants
const DEVICE_BITS = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO } as const

/**
 * Makes an entry. Mostly nothing is in its place, so `clear` is called only after `make` has failed. `make` must
 * neither follow nor replace an existing entry.
 */
export function makeRoom<T>(make: () => T, clear: () => void): T {
  try {
    return make()
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error
  }
  clear()
  return make()
}

/** Makes a symlink. Its text is not changed, wherever it leads. */
export function makeSymlink({ folder, name }: Spot, target: string): void {
  fs.symlinkSync(bytesOf(target), folder.at(name))
}

/** Makes a device or a fifo. False where the caller lacks the right, or libc cannot be called. */
export function makeDevice(
  { folder, name }: Spot,
  entry: ReadEntry & { type: 'char' | 'block' | 'fifo' },
): boolean {
  if (!isAvailable()) return false
  try {
    mknod(folder.at(name), DEVICE_BITS[entry.type], makedev(entry.devmajor, entry.devminor))
    return true
  } catch (error) {
    if (errnoOf(error) === 'EPERM' && entry.type !== 'fifo') return false
    throw error
  }
}

/** Makes a whiteout of the overlay form, which is a 0:0 device. */
export function makeWhiteout({ folder, name }: Spot): void {
  mknod(folder.at(name), S_IFCHR, makedev(0, 0))
}

export interface LinkContext {
  readonly tree: Tree
  readonly attributer: Attributer
  /** Removes the entry at the new name; called after the target has been found. */
  readonly clear: () => void
}

/**
 * Makes `spot` another name of `target`, in the overlay form after copying it up from below. A symlink at `target`
 * is linked itself.
 *
 * @throws ToolError `LINK_TARGET_MISSING`, `LINK_INVALID`
 */
export function makeHardlink(spot: Spot, target: readonly string[], context: LinkContext): void {
  const name = target.at(-1)
  if (name === undefined) throw new ToolError('LINK_INVALID', 'it is a hard link to the root')
  context.tree.visit(target.slice(0, -1), 'copy', folder => {
    if (folder === undefined) throw missing(target)
    requireTarget({ folder, name }, target, context)
    if (folder.key === spot.folder.key && name === spot.name)
      throw new ToolError('LINK_INVALID', 'it is a hard link to itself')
    makeRoom(() => link({ folder, name }, spot, target), context.clear)
  })
}

function link(from: Spot, to: Spot, target: readonly string[]): void {
  try {
    fs.linkSync(from.folder.at(from.name), to.folder.at(to.name))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw missing(target)
    if (errnoOf(error) !== 'EPERM') throw error
    throw new ToolError(
      'LINK_INVALID',
      `it is a hard link to ${quoted(target.join('/'))}, a directory or another's file`,
    )
  }
}

function requireTarget({ folder, name }: Spot, target: readonly string[], context: LinkContext): void {
  const { tree, attributer } = context
  const stat = folder.lstat(name)
  if (stat !== undefined) {
    if (tree.chain.isWhiteout(folder.at(name).toString('latin1'), stat)) throw missing(target)
    return
  }
  const below = tree.chain.lookup(folder.lowers, name)
  if (below === undefined) throw missing(target)
  copyUp({ folder, name }, below, attributer)
}

function copyUp({ folder, name }: Spot, below: LowerEntry, attributer: Attributer): void {
  const [from, to] = [bytesOf(below.path), folder.at(name)]
  const isLink = below.stat.isSymbolicLink()
  folder.isTouched = true
  if (isLink) fs.symlinkSync(fs.readlinkSync(from, 'buffer'), to)
  else if (below.stat.isFile())
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE)
  else if (below.stat.isDirectory()) throw new ToolError('LINK_INVALID', 'it is a hard link to a directory')
  else mknod(to, Number(below.stat.mode), below.stat.rdev)
  attributer.copy(to, isLink ? 'symlink' : 'other', attributesOf(below))
}

function missing(target: readonly string[]): ToolError {
  return new ToolError(
    'LINK_TARGET_MISSING',
    `it is a hard link to ${quoted(target.join('/'))}, which is not there`,
  )
}
