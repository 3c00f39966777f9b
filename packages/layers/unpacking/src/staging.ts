/**
 * Publishes a root filesystem once and whole.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import {
  Attributer,
  type Attributes,
  attributesOf,
  binaryOf,
  bytesOf,
  openRoot,
  removeLower,
  toDisk,
} from '@pipelayer/rootfs'
import { isAvailable, isOrphan, ownedName, renameNoReplace, syncfs } from '@pipelayer/sys'
import { FoldersToRemoveFrom } from './remove.js'

const PREFIX = '.untar'
const TREE = 'rootfs'

/** The state of the target at the start. It decides how the tree is published. */
type Situation = 'absent' | 'empty' | 'into'

export interface StagingOptions {
  /** Accept a directory that is not empty, and write directly into it. */
  readonly into?: boolean
}

/**
 * A tree on its way to `target`.
 *
 * - No target: the tree is made in a hidden directory beside it and renamed; a target that has appeared meanwhile is
 *   kept.
 * - An empty directory, or a mount point (which may hold `lost+found`): the tree is made in a hidden directory inside,
 *   and its entries are moved at the end. Only a crash between these renames leaves some of them.
 * - `into`: the tree is written in place.
 *
 * The hidden directory can be read by its owner only. One that a killed process left is removed by the next one.
 */
export class RootfsStaging {
  /** The absolute path of the tree, which the caller fills. */
  readonly dir: string
  readonly #target: string
  readonly #situation: Situation
  #isOpen = true

  private constructor(target: string, situation: Situation, dir: string) {
    this.#target = target
    this.#situation = situation
    this.dir = dir
  }

  /**
   * @throws ToolError `TARGET_NOT_EMPTY` (remove it, or say `into`), `TARGET_NOT_DIRECTORY`, system errors
   */
  static open(target: string, { into = false }: StagingOptions = {}): RootfsStaging {
    const absolute = resolved(path.resolve(target))
    return attempt(`unpack into "${absolute}"`, () => {
      const situation = situationOf(absolute, { into })
      if (situation === 'into') return new RootfsStaging(absolute, situation, absolute)
      const holder = situation === 'absent' ? path.dirname(absolute) : absolute
      const hidden = path.join(holder, ownedName(PREFIX, randomBytes(6).toString('hex')))
      sweep(holder)
      fs.mkdirSync(hidden, { mode: 0o700 })
      const dir = path.join(hidden, TREE)
      fs.mkdirSync(dir)
      fs.chmodSync(dir, 0o755)
      return new RootfsStaging(absolute, situation, dir)
    })
  }

  /** Puts the tree in its place, flushed to disk. @throws ToolError `TARGET_EXISTS` */
  publish(): void {
    attempt(`publish "${this.#target}"`, () => {
      flush(this.dir)
      if (this.#situation === 'absent') this.#rename()
      else if (this.#situation === 'empty') this.#moveEntries()
    })
    this.abort()
  }

  /** Removes a tree that was not published. Does nothing the second time, or after `publish`. */
  abort(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#situation !== 'into') removeTree(path.dirname(this.dir))
  }

  #rename(): void {
    try {
      moveTree(this.dir, this.#target)
    } catch (error) {
      if (!['EEXIST', 'ENOTEMPTY', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw error
      throw new ToolError('TARGET_EXISTS', `cannot publish "${this.#target}": it has appeared meanwhile`)
    }
    flushDirectory(path.dirname(this.#target))
  }

  #moveEntries(): void {
    const [from, to] = [binaryOf(this.dir), binaryOf(this.#target)]
    // The attributes are read now, since moving the entries away changes the directory's time.
    const root = rootAttributes(this.dir)
    for (const name of fs.readdirSync(bytesOf(from), 'latin1'))
      fs.renameSync(bytesOf(`${from}/${name}`), bytesOf(`${to}/${name}`))
    removeTree(path.dirname(this.dir))
    this.#isOpen = false
    // The existing directory gets the attributes of the image's root.
    new Attributer(toDisk(undefined)).copy(Buffer.from(this.#target), 'other', root)
    flushDirectory(this.#target)
  }
}

/**
 * Renames the tree. On file systems that cannot rename without replacing, an empty directory that has appeared is
 * replaced.
 */
function moveTree(from: string, to: string): void {
  try {
    if (isAvailable()) {
      renameNoReplace(from, to)
      return
    }
  } catch (error) {
    if (!['EINVAL', 'ENOSYS'].includes(errnoOf(error) ?? '')) throw error
  }
  fs.renameSync(from, to)
}

function rootAttributes(dir: string): Attributes {
  return attributesOf({ path: binaryOf(dir), stat: fs.statSync(dir, { bigint: true }) })
}

/** A target that is a symlink to a directory means that directory. */
function resolved(target: string): string {
  return fs.existsSync(target) ? fs.realpathSync(target) : target
}

function situationOf(target: string, { into }: { readonly into: boolean }): Situation {
  const stat = fs.lstatSync(target, { throwIfNoEntry: false })
  if (stat === undefined) return 'absent'
  if (!stat.isDirectory())
    throw new ToolError('TARGET_NOT_DIRECTORY', `cannot unpack into "${target}": it is no directory`)
  if (into) return 'into'
  sweep(target)
  const isMountPoint = stat.dev !== fs.statSync(path.dirname(target)).dev
  const names = fs.readdirSync(target).filter(name => !(isMountPoint && name === 'lost+found'))
  if (names.length === 0) return 'empty'
  throw new ToolError(
    'TARGET_NOT_EMPTY',
    `cannot unpack into "${target}": it is not empty (--into writes over it)`,
  )
}

/** Removes hidden directories that killed processes left. */
function sweep(holder: string): void {
  for (const name of fs.readdirSync(holder))
    if (name.startsWith(`${PREFIX}.`) && isOrphan(name)) removeTree(path.join(holder, name))
}

/** Removes a tree as `rm -rf` does, even where its owner may not write or names are not UTF-8. */
function removeTree(dir: string): void {
  const attributer = new Attributer(toDisk(undefined))
  const folder = openRoot(path.dirname(dir), { attributer })
  try {
    removeLower(new FoldersToRemoveFrom(attributer), folder, binaryOf(path.basename(dir)))
    // The time of the parent directory need not be restored.
    folder.isTouched = false
  } finally {
    folder.close()
  }
}

/** Flushes everything below `dir` to disk with one call. Where libc cannot be called, the kernel flushes it later. */
function flush(dir: string): void {
  if (!isAvailable()) return
  const fd = fs.openSync(dir, 'r')
  try {
    syncfs(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function flushDirectory(dir: string): void {
  const fd = fs.openSync(dir, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}
