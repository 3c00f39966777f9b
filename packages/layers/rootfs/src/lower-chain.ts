/**
 * The merged view of a chain of trees in overlayfs form, which lie below an upper directory.
 *
 * A directory of the merged view is the list of the directories that merge into it, nearest first; an empty list
 * is a directory with nothing below. Spec: Linux Documentation/filesystems/overlayfs.rst.
 *
 * @module
 */

import fs from 'node:fs'
import { type FileStat, lgetxattr, lsetxattr, lstatOf } from '@pipelayer/sys'
import { bytesOf } from './name.js'
import type { XattrForm } from './types.js'
import { OPAQUE_NAME } from './whiteout.js'

/** Directories that merge, absolute binary strings, nearest first. */
export type Merged = readonly string[]

/** An entry of the merged view. */
export interface LowerEntry {
  /** Absolute path, as a binary string, of the topmost entry, which is the one that is seen. */
  readonly path: string
  readonly stat: FileStat
  /** For a directory: all directories that merge into it. */
  readonly merged: Merged
}

/** Reads a chain. Without a `form` the trees are plain, without whiteouts and opaque directories. */
export class LowerChain {
  readonly #form: XattrForm | undefined

  constructor(form: XattrForm | undefined) {
    this.#form = form
  }

  /** The entry `name` of a merged directory, if the view shows one. */
  lookup(dirs: Merged, name: string): LowerEntry | undefined {
    // fuse-overlayfs marks opaque directories by this file as well as by the xattr.
    if (name === OPAQUE_NAME && this.#form !== undefined) return undefined
    let top: { path: string; stat: FileStat } | undefined
    const merged: string[] = []
    for (const dir of dirs) {
      const path = `${dir}/${name}`
      const stat = lstat(path)
      if (stat === undefined) continue
      if (this.isWhiteout(path, stat)) break
      if (top !== undefined && !stat.isDirectory()) break
      top ??= { path, stat }
      if (!stat.isDirectory()) break
      merged.push(path)
      if (this.isOpaque(path)) break
    }
    return top === undefined ? undefined : { ...top, merged }
  }

  /** Every name in one of the directories, in no order; some of them may be whited out. */
  names(dirs: Merged): Set<string> {
    const names = new Set<string>()
    for (const dir of dirs) for (const name of fs.readdirSync(bytesOf(dir), 'latin1')) names.add(name)
    return names
  }

  /** A 0:0 device, or an empty file with the whiteout xattr, which composefs and containers-storage write. */
  isWhiteout(path: string, stat: FileStat): boolean {
    if (this.#form === undefined) return false
    if (stat.isCharacterDevice()) return stat.rdev === 0n
    if (!stat.isFile() || stat.size !== 0n) return false
    return lgetxattr(bytesOf(path), `${this.#form}.overlay.whiteout`) !== undefined
  }

  /** Whether a directory hides those below it: exactly `y`; `x` says only that xattr whiteouts lie in it. */
  isOpaque(path: string): boolean {
    if (this.#form === undefined) return false
    return lgetxattr(bytesOf(path), `${this.#form}.overlay.opaque`)?.toString('latin1') === 'y'
  }

  /** Makes a directory hide those below it. `path` is not followed. */
  setOpaque(path: Buffer): void {
    lsetxattr(path, `${this.#form}.overlay.opaque`, Buffer.from('y'))
  }
}

/** lstat of a binary string; undefined where nothing exists at it, also where a parent is a file. */
export function lstat(path: string): FileStat | undefined {
  return lstatOf(path)
}
