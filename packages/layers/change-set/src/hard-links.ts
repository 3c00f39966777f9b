/**
 * Hard links: which names of the tree that is read now are one file, and which of those groups changed.
 *
 * @module
 */

import fs from 'node:fs'
import { bytesOf, joined, lstat, type Merged } from '@pipelayer/rootfs'
import type { FileStat } from '@pipelayer/sys'
import type { Sides } from './sides.js'

/** Where a walk starts: a directory of each side. */
export interface Start {
  /** Absolute binary string. */
  readonly upper: string
  readonly lowers: Merged
}

/** Device and inode. */
export function inodeKey(stat: FileStat): string {
  return `${stat.dev}:${stat.ino}`
}

/** True for an entry with a second name. A directory's links are its children. */
export function hasLinks(stat: FileStat): boolean {
  return stat.nlink > 1n && !stat.isDirectory()
}

/**
 * The inodes whose names were not one file on the lower side: every name of such a file is a change, also one that is
 * equal to its lower, since only so are they one file again in the unpacked layer. (The other way round, names that
 * were one file and now are equal files, is no change: overlayfs breaks links by itself when it copies up.)
 *
 * Walks the whole upper tree; memory: one entry for each hard-linked file.
 */
export function joinedInodes(start: Start, sides: Sides): Set<string> {
  const below = new Map<string, string | undefined>()
  const joinedKeys = new Set<string>()
  const folders: Start[] = [start]
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const name of fs.readdirSync(bytesOf(folder.upper), 'latin1')) {
      const path = joined(folder.upper, name)
      const stat = lstat(path)
      if (stat === undefined || sides.chain.isWhiteout(path, stat)) continue
      if (!stat.isDirectory() && !hasLinks(stat)) continue
      const lower = sides.below(folder.lowers, name)
      if (stat.isDirectory()) {
        folders.push({ upper: path, lowers: lower?.merged ?? [] })
        continue
      }
      const key = inodeKey(stat)
      const lowerKey = lower === undefined ? undefined : inodeKey(lower.stat)
      if (lowerKey === undefined || (below.has(key) && below.get(key) !== lowerKey)) joinedKeys.add(key)
      below.set(key, lowerKey)
    }
  }
  return joinedKeys
}
