/**
 * Checks the order of changes. The digest of a layer depends on it, and so does the meaning of its whiteouts.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type ChangeRecord, nameOf } from '@pipelayer/records'
import { PathSet, quoted, WHITEOUT_PREFIX } from '@pipelayer/rootfs'

const SLASH = 0x2f
const DOT = 0x2e

/** A change that has been checked, with its path. */
export interface PlacedChange {
  readonly change: ChangeRecord
  /** Binary string; `''` for the root. */
  readonly path: string
}

/**
 * The order is depth first, a directory before its contents, names in byte order, an opaque marker first. No path may
 * come twice, every parent must be present, and every hard link must follow its file.
 *
 * Memory: 16 bytes for each file.
 */
export class OrderCheck {
  #last = ''
  /** The directories from the root to the last one. */
  readonly #folders: string[] = ['']
  readonly #files = new PathSet()

  /**
   * @throws ToolError `ORDER_INVALID`, `DUPLICATE_ENTRY`, `PARENT_MISSING`, `LINK_TARGET_MISSING`, `CHANGE_INVALID`,
   *   `WHITEOUT_NAME`: the change set was made or edited by a program that does not know the rules
   */
  check(change: ChangeRecord): PlacedChange {
    const path = checkedPath(change)
    this.#advance(change, path, change.op === 'opaque' ? `${path}/` : path)
    this.#requireParent(change, path)
    if (change.entry?.type === 'dir') this.#folders.push(path)
    else if (change.entry?.type === 'hardlink') this.#requireTarget(change, path)
    else if (change.entry !== undefined) this.#files.add(path)
    return { change, path }
  }

  #advance(change: ChangeRecord, path: string, key: string): void {
    const order = comparePaths(key, this.#last)
    // The root has the key that the check starts with.
    if (order === 0 && key !== '')
      throw invalid('DUPLICATE_ENTRY', { change, path }, 'the change set has it twice')
    if (order < 0)
      throw invalid('ORDER_INVALID', { change, path }, 'it must not stand after the one before it')
    this.#last = key
  }

  /** The parent must be a directory and the nearest one on the way to the last path. */
  #requireParent(change: ChangeRecord, path: string): void {
    if (path === '') return
    const parent = change.op === 'opaque' ? path : parentOf(path)
    while (this.#folders.length > 1 && !isWithin(parent, this.#folders.at(-1) ?? '')) this.#folders.pop()
    if (this.#folders.at(-1) !== parent)
      throw invalid('PARENT_MISSING', { change, path }, 'the change set lacks the directory that holds it')
  }

  #requireTarget(change: ChangeRecord, path: string): void {
    const target = nameOf(change.entry ?? {}, 'linkname') ?? ''
    if (!this.#files.has(target))
      throw invalid(
        'LINK_TARGET_MISSING',
        { change, path },
        `the change set has no file ${quoted(target)} before it`,
      )
  }
}

/** Byte order of the names from the root on: the separator counts as less than any byte of a name. */
function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x === SLASH ? -1 : y === SLASH ? 1 : x - y
  }
  return a.length - b.length
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0))
}

function isWithin(path: string, folder: string): boolean {
  if (path.length <= folder.length) return path === folder
  return path.charCodeAt(folder.length) === SLASH && path.startsWith(folder)
}

/** The path of a change, a binary string, `''` for the root. @throws ToolError `CHANGE_INVALID`, `WHITEOUT_NAME` */
export function checkedPath(change: ChangeRecord): string {
  const path = nameOf(change, 'path')
  if (path === undefined) throw new ToolError('CHANGE_INVALID', 'a change has no path')
  if (path === '' || path === '.') return checkedRoot(change)
  if (!isPlain(path)) requireClean(change, path)
  const needsEntry = change.op === 'add' || change.op === 'modify'
  if (needsEntry !== (change.entry !== undefined))
    throw invalid('CHANGE_INVALID', { change, path }, needsEntry ? 'it has no entry' : 'it has an entry')
  return path
}

/** True for a path without empty components, NULs and names that begin with a dot, as nearly every path is. */
function isPlain(path: string): boolean {
  let before = SLASH
  for (let i = 0; i < path.length; i++) {
    const char = path.charCodeAt(i)
    if (char === 0 || (before === SLASH && (char === SLASH || char === DOT))) return false
    before = char
  }
  return before !== SLASH
}

function requireClean(change: ChangeRecord, path: string): void {
  for (const part of path.split('/')) {
    if (part === '' || part === '.' || part === '..' || part.includes('\0'))
      throw invalid('CHANGE_INVALID', { change, path }, 'it is no clean relative path')
    if (part.startsWith(WHITEOUT_PREFIX))
      throw invalid('WHITEOUT_NAME', { change, path }, 'names that begin with ".wh." stand for deleted files')
  }
}

function checkedRoot(change: ChangeRecord): string {
  if (change.op === 'opaque' || (change.op === 'modify' && change.entry?.type === 'dir')) return ''
  throw new ToolError('CHANGE_INVALID', `the root can be modified or opaque, not "${change.op}"`)
}

/** @returns the error that names a change */
export function invalid(code: string, { change, path }: PlacedChange, why: string): ToolError {
  return new ToolError(code, `cannot pack "${change.op}" of ${quoted(path)}: ${why}`)
}
