/**
 * The walk that makes a change set of two trees, whether they lie on disk or in memory.
 *
 * Order: depth first, a directory before its contents, names in byte order, a whiteout at the name it hides.
 * Memory: the names of the folders from the root to the current one, and the hard-linked files.
 *
 * @module
 */

import type { ChangeRecord, EntryFields, EntryType } from '@pipelayer/records'
import { joined } from '@pipelayer/rootfs'
import { pathFields } from './entry-fields.js'
import { regroupedFiles, type SharedTree } from './hard-links.js'

/** A name that exists now. */
export interface NameNow {
  readonly type: Exclude<EntryType, 'hardlink'>
  /** Whether the name did not exist before. */
  readonly isNew: boolean
  /** Whether a directory is marked opaque, because it is not known which entries it hides. */
  readonly isOpaque: boolean
}

/**
 * Two trees, the one before and the one now. `Dir` is a directory that may exist in both. `Name` is a name in it with
 * the data that the implementation has read of it, so that nothing is read twice.
 */
export interface TreePair<Dir, Name extends NameNow> extends SharedTree<Dir> {
  /** The root as it is now, where it differs from the root of a tree that was there before. */
  changedRoot(): EntryFields | undefined
  /** The names that may be changes, in any order, each once. */
  names(dir: Dir): string[]
  /**
   * The state of a name now; `gone` where it was deleted, undefined where nothing has changed. `path` is its path from
   * the root.
   */
  look(dir: Dir, name: string, path: string): Name | 'gone' | undefined
  /** The directory of a name of type `dir`. */
  enter(name: Name): Dir
  /** Whether the name is unchanged; for a directory, whether its own attributes are. */
  isSame(name: Name): boolean
  /** Identifies a file with several names; undefined for anything else. */
  fileOf(name: Name): unknown
  fields(name: Name): EntryFields
  /** The fields of another name of the file `first`. */
  linkFields(name: Name, first: string): EntryFields
}

/** One open folder of the walk. */
interface Frame<Dir> {
  /** Path from the root. */
  readonly path: string
  readonly dir: Dir
  readonly names: readonly string[]
  next: number
  /** The folder itself, unchanged and not emitted yet. */
  pending: ChangeRecord | undefined
}

/** The result for one name. */
interface Step<Dir> {
  readonly changes: readonly ChangeRecord[]
  readonly folder?: Frame<Dir>
}

const NOTHING = { changes: [] } as const

export class Walk<Dir, Name extends NameNow> {
  readonly #trees: TreePair<Dir, Name>
  /** The path of each hard-linked file that was emitted first. */
  readonly #firstNames = new Map<unknown, string>()
  #regrouped: ReadonlySet<unknown> | undefined

  constructor(trees: TreePair<Dir, Name>) {
    this.#trees = trees
  }

  /** Yields the changes that turn the tree before into the tree now. Passes on errors of the pair of trees. */
  *run(): Generator<ChangeRecord, void, void> {
    const root = this.#trees.changedRoot()
    if (root !== undefined) yield { type: 'change', op: 'modify', path: '.', entry: root }
    const stack = [this.#frame(this.#trees.root, '')]
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

  #frame(dir: Dir, path: string, pending?: ChangeRecord): Frame<Dir> {
    return { dir, path, names: this.#trees.names(dir).sort(), next: 0, pending }
  }

  #examine(frame: Frame<Dir>, name: string): Step<Dir> {
    const path = joined(frame.path, name)
    const found = this.#trees.look(frame.dir, name, path)
    if (found === undefined) return NOTHING
    if (found === 'gone') return { changes: [{ type: 'change', op: 'delete', ...pathFields(path) }] }
    return found.type === 'dir' ? this.#folder(path, found) : this.#single(path, found)
  }

  #folder(path: string, found: Name): Step<Dir> {
    const entry = this.#trees.fields(found)
    const isSame = this.#trees.isSame(found)
    const pending = isSame ? change(path, found, { entry, parent: true }) : undefined
    const folder = this.#frame(this.#trees.enter(found), path, pending)
    if (isSame) return { changes: [], folder }
    const changes = [change(path, found, { entry })]
    if (found.isOpaque) changes.push({ type: 'change', op: 'opaque', ...pathFields(path) })
    return { changes, folder }
  }

  #single(path: string, found: Name): Step<Dir> {
    const file = this.#trees.fileOf(found)
    const first = file === undefined ? undefined : this.#firstNames.get(file)
    if (first !== undefined)
      return { changes: [change(path, found, { entry: this.#trees.linkFields(found, first) })] }
    if (this.#trees.isSame(found) && (file === undefined || !this.#isRegrouped(file))) return NOTHING
    if (file !== undefined) this.#firstNames.set(file, path)
    return { changes: [change(path, found, { entry: this.#trees.fields(found) })] }
  }

  #isRegrouped(file: unknown): boolean {
    this.#regrouped ??= regroupedFiles(this.#trees)
    return this.#regrouped.has(file)
  }
}

function* pendingOf<Dir>(stack: readonly Frame<Dir>[]): Generator<ChangeRecord, void, void> {
  for (const frame of stack) {
    if (frame.pending !== undefined) yield frame.pending
    frame.pending = undefined
  }
}

function change(
  path: string,
  { isNew }: NameNow,
  what: { readonly entry: EntryFields; readonly parent?: true },
): ChangeRecord {
  const { entry, parent } = what
  return {
    type: 'change',
    op: isNew ? 'add' : 'modify',
    ...pathFields(path),
    ...(parent ? { parent } : {}),
    entry,
  }
}
