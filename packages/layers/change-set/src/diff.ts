/**
 * Change sets: what differs between a lower tree and the merged tree above it.
 *
 * A change set is a function of the two trees alone. So it is the same for an overlay upper directory, for one of
 * fuse-overlayfs and for two plain copies: an entry of the upper that equals its lower is no change; a directory that
 * was removed and made anew, which overlayfs marks opaque, is written as the whiteouts of what is gone from it
 * (image-spec v1.1, layer.md: producers should prefer explicit whiteouts).
 *
 * Order: depth first, a directory before its contents, names in byte order, a whiteout at the name it hides.
 * Memory: the names of the folders from the root to the current one, and the inodes of hard-linked files.
 *
 * @module
 */

import fs from 'node:fs'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type EntryFields, nameFields } from '@pipelayer/records'
import {
  binaryOf,
  bytesOf,
  joined,
  type LowerEntry,
  type Merged,
  OPAQUE_NAME,
  type OwnerMap,
  quoted,
  toImage,
  WHITEOUT_PREFIX,
} from '@pipelayer/rootfs'
import { entryFields, hardlinkFields, typeOf } from './entry-fields.js'
import { hasLinks, inodeKey, joinedInodes, type Start } from './hard-links.js'
import { Sides, type UpperEntry } from './sides.js'
import type { DiffOptions, OverlayDirs } from './types.js'

/**
 * The changes that an overlay upper directory holds.
 *
 * Without `lowers` every entry counts as new, every whiteout and opaque marker as meant: what `op` says is then a guess.
 *
 * @throws ToolError `OVERLAY_REDIRECT`, `OVERLAY_METACOPY` (mount with these features off), `OVERLAY_NEEDS_ROOT`,
 *   `NOT_A_DIRECTORY`, `WHITEOUT_NAME` for a file named `.wh.*`, `ID_UNMAPPED`, system errors
 */
export function diffOverlay(
  dirs: OverlayDirs,
  options: DiffOptions = {},
): Generator<ChangeRecord, void, void> {
  const sides = new Sides(dirs.xattrs ?? 'trusted', options)
  const start = { upper: binaryOf(dirs.upper), lowers: (dirs.lowers ?? []).map(binaryOf) }
  return new Walk(start, sides, { ...options, complete: false, guess: dirs.lowers === undefined }).run()
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
  const start = { upper: binaryOf(after), lowers: before === undefined ? [] : [binaryOf(before)] }
  return new Walk(start, new Sides(undefined, options), { ...options, complete: true, guess: false }).run()
}

interface WalkOptions extends DiffOptions {
  /** Whether names that are missing in the upper are gone; else they are as below. */
  readonly complete: boolean
  /** Whether nothing is known of the lower side. */
  readonly guess: boolean
}

/** One open folder of the walk. */
interface Frame extends Start {
  /** Below the root. */
  readonly path: string
  readonly complete: boolean
  readonly names: readonly string[]
  next: number
  /** The folder itself, unchanged and not emitted yet. */
  pending: ChangeRecord | undefined
}

/** What one name comes to. */
interface Step {
  readonly changes: readonly ChangeRecord[]
  readonly folder?: Frame
}

const NOTHING: Step = { changes: [] }

class Walk {
  readonly #start: Start
  readonly #sides: Sides
  readonly #options: WalkOptions
  readonly #owners: OwnerMap
  /** First emitted path of each hard-linked file. */
  readonly #firstNames = new Map<string, string>()
  #joined: Set<string> | undefined

  constructor(start: Start, sides: Sides, options: WalkOptions) {
    this.#start = start
    this.#sides = sides
    this.#options = options
    this.#owners = toImage(options.idMap)
  }

  *run(): Generator<ChangeRecord, void, void> {
    yield* this.#root()
    const { complete } = this.#options
    const stack = [this.#frame(this.#start, { path: '', complete, pending: undefined })]
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const name = frame.names[frame.next++]
      if (name === undefined) {
        stack.pop()
        continue
      }
      const { changes, folder } = this.#examine(frame, name)
      if (changes.length > 0) yield* pendingOf(stack)
      yield* changes
      if (folder !== undefined) stack.push(folder)
    }
  }

  /** The root is a change only where a known lower root has another mode, owner or xattr. */
  *#root(): Generator<ChangeRecord, void, void> {
    const { upper: path, lowers } = this.#start
    const upper = attempt(`read ${quoted(path)}`, () => this.#sides.upper(path))
    if (upper?.stat.isDirectory() !== true)
      throw new ToolError('NOT_A_DIRECTORY', `${quoted(path)} is no directory`)
    const nearest = lowers[0]
    const lower = nearest === undefined ? undefined : this.#sides.upper(nearest)
    if (nearest === undefined) return
    if (lower?.stat.isDirectory() !== true)
      throw new ToolError('NOT_A_DIRECTORY', `${quoted(nearest)} is no directory`)
    if (this.#sides.isSame(upper, { ...lower, merged: lowers })) return
    yield { type: 'change', op: 'modify', path: '.', entry: entryFields('dir', upper, this.#owners) }
  }

  #frame(start: Start, rest: Pick<Frame, 'path' | 'complete' | 'pending'>): Frame {
    const names = attempt(`read ${quoted(start.upper)}`, () => {
      const own = fs.readdirSync(bytesOf(start.upper), 'latin1')
      if (!rest.complete || start.lowers.length === 0) return own
      const all = this.#sides.chain.names(start.lowers)
      for (const name of own) all.add(name)
      return [...all]
    })
    return { ...start, ...rest, names: names.sort(), next: 0 }
  }

  #examine(frame: Frame, name: string): Step {
    const path = joined(frame.path, name)
    const below = this.#sides.below(frame.lowers, name)
    const upper = this.#upper(joined(frame.upper, name))
    if (upper === undefined) return frame.complete ? this.#gone(path, below) : NOTHING
    if (upper.isWhiteout) return this.#gone(path, below)
    if (name === OPAQUE_NAME && this.#sides.chain.isOpaque(frame.upper)) return NOTHING
    if (name.startsWith(WHITEOUT_PREFIX)) throw whiteoutName(path)
    const type = typeOf(upper.stat)
    if (type === undefined) {
      this.#options.onWarning?.(`${quoted(upper.path)} is left out: a layer cannot hold a socket`)
      return this.#gone(path, below)
    }
    if (type === 'dir') return this.#folder(frame, { path, upper, below })
    return this.#single(type, { path, upper, below })
  }

  /** As `attempt` does; but the words of an error that hardly ever comes are too dear to be made for each entry. */
  #upper(path: string): UpperEntry | undefined {
    try {
      return this.#sides.upper(path)
    } catch (error) {
      throw systemError(error, `read ${quoted(path)}`)
    }
  }

  #gone(path: string, below: LowerEntry | undefined): Step {
    if (below === undefined && !this.#options.guess) return NOTHING
    return { changes: [{ type: 'change', op: 'delete', ...pathFields(path) }] }
  }

  #folder(frame: Frame, { path, upper, below }: Examined): Step {
    const isDir = below?.stat.isDirectory() === true
    const entry = entryFields('dir', upper, this.#owners)
    const isOpaque = this.#sides.chain.isOpaque(upper.path)
    const isSame = isDir && this.#sides.isSame(upper, below)
    const pending = isSame ? change('modify', path, entry, true) : undefined
    const lowers: Merged = isDir ? below.merged : []
    const folder = this.#frame(
      { upper: upper.path, lowers },
      { path, complete: frame.complete || isOpaque || !isDir, pending },
    )
    if (isSame) return { changes: [], folder }
    const changes = [change(below === undefined ? 'add' : 'modify', path, entry)]
    if (isOpaque && this.#options.guess) changes.push({ type: 'change', op: 'opaque', ...pathFields(path) })
    return { changes, folder }
  }

  #single(type: Exclude<EntryFields['type'], 'dir' | 'hardlink'>, { path, upper, below }: Examined): Step {
    const isLinked = hasLinks(upper.stat)
    const first = isLinked ? this.#firstNames.get(inodeKey(upper.stat)) : undefined
    const op = below === undefined ? 'add' : 'modify'
    if (first !== undefined)
      return { changes: [change(op, path, hardlinkFields(upper, first, this.#owners))] }
    const isSame =
      below !== undefined && attempt(`compare ${quoted(upper.path)}`, () => this.#sides.isSame(upper, below))
    if (isSame && !(isLinked && this.#isJoined(upper))) return NOTHING
    if (isLinked) this.#firstNames.set(inodeKey(upper.stat), path)
    return { changes: [change(op, path, entryFields(type, upper, this.#owners))] }
  }

  #isJoined(upper: UpperEntry): boolean {
    this.#joined ??= joinedInodes(this.#start, this.#sides)
    return this.#joined.has(inodeKey(upper.stat))
  }
}

interface Examined {
  readonly path: string
  readonly upper: UpperEntry
  readonly below: LowerEntry | undefined
}

function* pendingOf(stack: readonly Frame[]): Generator<ChangeRecord, void, void> {
  for (const frame of stack) {
    if (frame.pending !== undefined) yield frame.pending
    frame.pending = undefined
  }
}

function change(op: 'add' | 'modify', path: string, entry: EntryFields, parent?: true): ChangeRecord {
  return { type: 'change', op, ...pathFields(path), ...(parent ? { parent } : {}), entry }
}

function pathFields(path: string): Pick<ChangeRecord, 'path' | 'pathRaw'> {
  // A record has one of both; the type asks for `path` in any case.
  return nameFields('path', path) as Pick<ChangeRecord, 'path' | 'pathRaw'>
}

function whiteoutName(path: string): ToolError {
  return new ToolError(
    'WHITEOUT_NAME',
    `cannot put ${quoted(path)} into a layer: names that begin with ".wh." stand for deleted files`,
  )
}
