import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { at, type Rooted } from '@pipelayer/rootfs'

/** One entry of a source tree, names as binary strings. */
export interface SourceEntry {
  /** `enter` and `leave` come before and after the contents of a directory. */
  readonly kind: 'enter' | 'leave' | 'leaf'
  /** The name below the start of the walk; empty for the start itself. */
  readonly name: string
  readonly stat: fs.BigIntStats
  /** Names the entry itself while the event is handled; lstat, lchown and the like do not follow it. */
  readonly path: Buffer
  /** A file that is copied without its content. */
  readonly emptied?: true
}

/** Which entries of a tree belong to a copy. */
export interface Selection {
  /** By name below the root of the tree: whether .dockerignore excludes it. */
  readonly ignored?: (name: string) => boolean
  /** By name below the root of the tree: whether .dockerignore keeps the file but not its content. */
  readonly emptied?: (name: string) => boolean
  /** By name below the start of the walk: whether it is wanted. */
  readonly chosen?: (name: string) => boolean
  /** No name below an excluded entry is included again, so that whole directories can be skipped. */
  readonly prunes: boolean
  /** Is called for each socket. Sockets are skipped, because no layer can hold them. */
  readonly onSkip?: (name: string) => void
}

interface Frame {
  readonly entry: SourceEntry
  readonly fd: number
  /** The event `enter` was sent. An excluded directory is only sent before an entry in it that is included. */
  entered: boolean
}

/**
 * Walks a tree, a directory before its contents, names in byte order.
 *
 * Sockets are passed over. Symlinks are entries, never followed.
 *
 * @param start - a resolved name of `root`, as {@link Rooted.resolve} gives it
 * @throws {ToolError} `NOT_FOUND` when the start is not there
 */
export function* walkSource(root: Rooted, start: string, selection: Selection): Generator<SourceEntry> {
  const stat = root.lstat(start)
  if (!stat) throw new ToolError('NOT_FOUND', `"/${showName(start)}": not found`)
  const walk = new Walk(root, start, selection)
  if (stat.isDirectory()) yield* walk.directory('', stat)
  else yield* walk.leaf('', { stat, path: at(root.fd, start), included: true })
}

class Walk {
  readonly #root: Rooted
  readonly #start: string
  readonly #selection: Selection
  readonly #frames: Frame[] = []

  constructor(root: Rooted, start: string, selection: Selection) {
    this.#root = root
    this.#start = start
    this.#selection = selection
  }

  *directory(name: string, stat: fs.BigIntStats): Generator<SourceEntry> {
    const included = this.#isIncluded(name)
    if (!included && this.#selection.prunes) return
    const fd = this.#root.open(join(this.#start, name), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
    const frame: Frame = { entry: { kind: 'enter', name, stat, path: at(fd) }, fd, entered: false }
    this.#frames.push(frame)
    try {
      if (included) yield* this.#enter()
      for (const child of sortedNames(fd)) yield* this.#child(name, child, fd)
      if (frame.entered) yield { ...frame.entry, kind: 'leave' }
    } finally {
      this.#frames.pop()
      fs.closeSync(fd)
    }
  }

  *leaf(
    name: string,
    leaf: { readonly stat: fs.BigIntStats; readonly path: Buffer; readonly included: boolean },
  ): Generator<SourceEntry> {
    if (!leaf.included) return
    if (leaf.stat.isSocket()) {
      this.#selection.onSkip?.(join(this.#start, name))
      return
    }
    yield* this.#enter()
    const emptied = leaf.stat.isFile() && this.#selection.emptied?.(join(this.#start, name)) === true
    const { stat, path } = leaf
    yield { kind: 'leaf', name, stat, path, ...(emptied ? { emptied } : {}) }
  }

  *#child(parent: string, child: string, fd: number): Generator<SourceEntry> {
    const name = join(parent, child)
    const path = at(fd, child)
    const stat = fs.lstatSync(path, { bigint: true })
    if (stat.isDirectory()) yield* this.directory(name, stat)
    else yield* this.leaf(name, { stat, path, included: this.#isIncluded(name) })
  }

  *#enter(): Generator<SourceEntry> {
    for (const frame of this.#frames) {
      if (frame.entered) continue
      frame.entered = true
      yield frame.entry
    }
  }

  #isIncluded(name: string): boolean {
    return isIncluded(this.#start, name, this.#selection)
  }
}

/** Whether an entry is copied. An excluded directory may still hold entries that are copied. */
export function isIncluded(start: string, name: string, { ignored, chosen }: Selection): boolean {
  if (name === '') return true
  return !ignored?.(join(start, name)) && (chosen?.(name) ?? true)
}

/** The names in an open directory, in byte order, as binary strings. */
export function sortedNames(fd: number): string[] {
  // In a binary string each code unit is one byte, so this is byte order.
  return fs.readdirSync(at(fd), { encoding: 'latin1' }).sort()
}

export function join(parent: string, name: string): string {
  return parent === '' ? name : name === '' ? parent : `${parent}/${name}`
}

/** The target of a symlink, as a binary string. */
export function linkText(path: Buffer): string {
  return fs.readlinkSync(path, 'buffer').toString('latin1')
}

/** A binary string as the last part of a path. */
export function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
