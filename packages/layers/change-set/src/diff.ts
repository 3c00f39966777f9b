/**
 * Change sets: the differences between a lower tree and the merged tree above it.
 *
 * A change set is a function of the two trees alone. So it is the same for an overlay upper directory, for one of
 * fuse-overlayfs and for two plain copies: an entry of the upper that equals its lower is no change; a directory that
 * was removed and made anew, which overlayfs marks opaque, is written as whiteouts of the entries that are gone from it
 * (image-spec v1.1, layer.md: producers should prefer explicit whiteouts).
 *
 * {@link Walk} documents the order of the changes, and the memory that it uses.
 *
 * @module
 */

import fs from 'node:fs'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import type { ChangeRecord, EntryFields } from '@pipelayer/records'
import {
  binaryOf,
  bytesOf,
  joined,
  type LowerEntry,
  lstat,
  type Merged,
  OPAQUE_NAME,
  type OwnerMap,
  quoted,
  toImage,
  WHITEOUT_PREFIX,
} from '@pipelayer/rootfs'
import type { FileStat } from '@pipelayer/sys'
import { entryFields, hardlinkFields, typeOf } from './entry-fields.js'
import type { SharedName } from './hard-links.js'
import { Sides, type UpperEntry } from './sides.js'
import type { DiffOptions, OverlayDirs } from './types.js'
import { type NameNow, type TreePair, Walk } from './walk.js'

/**
 * The changes that an overlay upper directory holds.
 *
 * Without `lowers` every entry counts as new, and every whiteout and opaque marker is taken as it is; `op` is then a
 * guess.
 *
 * @throws ToolError `OVERLAY_REDIRECT`, `OVERLAY_METACOPY` (mount with these features off), `OVERLAY_NEEDS_ROOT`,
 *   `NOT_A_DIRECTORY`, `WHITEOUT_NAME` for a file named `.wh.*`, `ID_UNMAPPED`, system errors
 */
export function diffOverlay(
  dirs: OverlayDirs,
  options: DiffOptions = {},
): Generator<ChangeRecord, void, void> {
  const sides = new Sides(dirs.xattrs ?? 'trusted', options)
  const [upper, lowers] = [binaryOf(dirs.upper), (dirs.lowers ?? []).map(binaryOf)]
  const root = { upper, lowers, complete: false }
  return new Walk(new TreesOnDisk(root, sides, { ...options, guess: dirs.lowers === undefined })).run()
}

/**
 * The changes from one plain tree to another; without `before` every entry of `after` is an addition.
 *
 * Files of equal size and metadata are compared by content, so both trees are read.
 *
 * @throws ToolError `NOT_A_DIRECTORY`, `WHITEOUT_NAME`, `ID_UNMAPPED`, system errors
 */
export function diffTrees(
  before: string | undefined,
  after: string,
  options: DiffOptions = {},
): Generator<ChangeRecord, void, void> {
  const lowers = before === undefined ? [] : [binaryOf(before)]
  const root = { upper: binaryOf(after), lowers, complete: true }
  const sides = new Sides(undefined, options)
  return new Walk(new TreesOnDisk(root, sides, { ...options, guess: false })).run()
}

interface PairOptions extends DiffOptions {
  /** Whether nothing is known of the lower side. */
  readonly guess: boolean
}

/** A directory of the upper side with those that lie below it. Absolute binary strings. */
interface Folder {
  readonly upper: string
  readonly lowers: Merged
  /** Whether names that are missing in the upper are deleted; else they are unchanged. */
  readonly complete: boolean
}

interface NameOnDisk extends NameNow {
  readonly upper: UpperEntry
  readonly below: LowerEntry | undefined
  /** For a directory: whether the upper has all of its names, so that names which are missing there are deleted. */
  readonly complete: boolean
}

class TreesOnDisk implements TreePair<Folder, NameOnDisk> {
  readonly root: Folder
  readonly #sides: Sides
  readonly #options: PairOptions
  readonly #owners: OwnerMap

  constructor(root: Folder, sides: Sides, options: PairOptions) {
    this.root = root
    this.#sides = sides
    this.#options = options
    this.#owners = toImage(options.idMap)
  }

  /** The root is a change only where a known lower root has another mode, owner or xattr. */
  changedRoot(): EntryFields | undefined {
    const { upper: path, lowers } = this.root
    const upper = attempt(`read ${quoted(path)}`, () => this.#sides.upper(path))
    if (upper?.stat.isDirectory() !== true)
      throw new ToolError('NOT_A_DIRECTORY', `${quoted(path)} is no directory`)
    const nearest = lowers[0]
    if (nearest === undefined) return undefined
    const lower = this.#sides.upper(nearest)
    if (lower?.stat.isDirectory() !== true)
      throw new ToolError('NOT_A_DIRECTORY', `${quoted(nearest)} is no directory`)
    if (this.#sides.isSame(upper, { ...lower, merged: lowers })) return undefined
    return entryFields('dir', upper, this.#owners)
  }

  names({ upper, lowers, complete }: Folder): string[] {
    return attempt(`read ${quoted(upper)}`, () => {
      const own = fs.readdirSync(bytesOf(upper), 'latin1')
      if (!complete || lowers.length === 0) return own
      const all = this.#sides.chain.names(lowers)
      for (const name of own) all.add(name)
      return [...all]
    })
  }

  look(dir: Folder, name: string, path: string): NameOnDisk | 'gone' | undefined {
    const below = this.#sides.below(dir.lowers, name)
    const upper = this.#upper(joined(dir.upper, name))
    if (upper === undefined) return dir.complete ? this.#gone(below) : undefined
    if (upper.isWhiteout) return this.#gone(below)
    const { chain } = this.#sides
    if (name === OPAQUE_NAME && chain.isOpaque(dir.upper)) return undefined
    if (name.startsWith(WHITEOUT_PREFIX)) throw whiteoutName(path)
    const type = typeOf(upper.stat)
    if (type === undefined) {
      this.#options.onWarning?.(`${quoted(upper.path)} is left out: a layer cannot hold a socket`)
      return this.#gone(below)
    }
    const isOpaque = type === 'dir' && chain.isOpaque(upper.path)
    return {
      type,
      upper,
      below,
      isNew: below === undefined,
      isOpaque: isOpaque && this.#options.guess,
      complete: dir.complete || isOpaque || below?.stat.isDirectory() !== true,
    }
  }

  /**
   * As `attempt`, except that the text of the error is made only when one occurs: making it for each entry is too slow.
   */
  #upper(path: string): UpperEntry | undefined {
    try {
      return this.#sides.upper(path)
    } catch (error) {
      throw systemError(error, `read ${quoted(path)}`)
    }
  }

  #gone(below: LowerEntry | undefined): 'gone' | undefined {
    return below === undefined && !this.#options.guess ? undefined : 'gone'
  }

  enter({ upper, below, complete }: NameOnDisk): Folder {
    return { upper: upper.path, lowers: below?.merged ?? [], complete }
  }

  isSame({ upper, below }: NameOnDisk): boolean {
    if (below === undefined) return false
    return attempt(`compare ${quoted(upper.path)}`, () => this.#sides.isSame(upper, below))
  }

  fileOf({ upper: { stat } }: NameOnDisk): string | undefined {
    return hasLinks(stat) ? inodeKey(stat) : undefined
  }

  fields({ type, upper }: NameOnDisk): EntryFields {
    return entryFields(type, upper, this.#owners)
  }

  linkFields({ upper }: NameOnDisk, first: string): EntryFields {
    return hardlinkFields(upper, first, this.#owners)
  }

  /** Reads the directory again, as the walk does. It is called only where a hard-linked file is equal to its lower. */
  shared({ upper, lowers }: Folder): { files: SharedName[]; folders: Folder[] } {
    const files: SharedName[] = []
    const folders: Folder[] = []
    for (const name of fs.readdirSync(bytesOf(upper), 'latin1')) {
      const path = joined(upper, name)
      const stat = lstat(path)
      if (stat === undefined || this.#sides.chain.isWhiteout(path, stat)) continue
      if (!stat.isDirectory() && !hasLinks(stat)) continue
      const below = this.#sides.below(lowers, name)
      if (stat.isDirectory()) folders.push({ upper: path, lowers: below?.merged ?? [], complete: false })
      else files.push({ file: inodeKey(stat), before: below && inodeKey(below.stat), parts: false })
    }
    return { files, folders }
  }
}

/** Device and inode. */
function inodeKey(stat: FileStat): string {
  return `${stat.dev}:${stat.ino}`
}

/** True for an entry with a second name. A directory's links are its children. */
function hasLinks(stat: FileStat): boolean {
  return stat.nlink > 1n && !stat.isDirectory()
}

function whiteoutName(path: string): ToolError {
  return new ToolError(
    'WHITEOUT_NAME',
    `cannot put ${quoted(path)} into a layer: names that begin with ".wh." stand for deleted files`,
  )
}
