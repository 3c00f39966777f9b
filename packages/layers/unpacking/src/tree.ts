/**
 * The directories of a tree that a layer is unpacked into, found by the resolver of rootfs.
 *
 * Each is opened without following symlinks. The lower layers of the overlay form are included, and missing directories
 * on the way are made. The directories from the root to the current one stay open: entries of a layer come folder by
 * folder.
 *
 * @module
 */

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import {
  type Attributer,
  attributesOf,
  binaryOf,
  bytesOf,
  DEFAULT_DIRECTORY,
  Folder,
  LowerChain,
  type LowerEntry,
  type Merged,
  NOTHING_SPENT,
  openRoot,
  quoted,
  requireDepth,
  resolveIn,
  type Spent,
  step,
  type TreeView,
  type XattrForm,
} from '@pipelayer/rootfs'

/** What to do about a missing directory: make it always, or only where the lower layers have it. */
export type Missing = 'make' | 'copy'

export interface TreeOptions {
  readonly attributer: Attributer
  /** The overlay form; undefined for the plain one. */
  readonly form: XattrForm | undefined
  /** Absolute paths, nearest first. */
  readonly lowers: () => readonly string[]
}

interface Level {
  readonly component: string
  readonly folder: Folder
  /** The directories that were opened to reach it, in order; empty where a symlink led to one that was already open. */
  readonly opened: readonly Folder[]
  readonly spent: Readonly<Spent>
}

/** The tree below one root. */
export class Tree {
  readonly root: Folder
  readonly chain: LowerChain
  readonly form: XattrForm | undefined
  readonly #attributer: Attributer
  readonly #levels: Level[] = []

  constructor(dir: string, { attributer, form, lowers }: TreeOptions) {
    this.form = form
    this.chain = new LowerChain(form)
    this.#attributer = attributer
    this.root = openRoot(dir, { attributer, lowers: () => lowers().map(binaryOf) })
  }

  /**
   * Opens the directory of a path. It stays open until the next call. Undefined where it is missing and is not to be
   * made.
   */
  enter(components: readonly string[], missing: Missing): Folder | undefined {
    let depth = 0
    while (depth < components.length && this.#levels[depth]?.component === components[depth]) depth++
    this.#leave(depth)
    const spent = { ...(this.#levels.at(-1)?.spent ?? NOTHING_SPENT) }
    for (const component of components.slice(depth)) {
      const view = new OpeningView(this, this.#attributer, missing)
      const folder = view.guarded(() => step({ view, spent }, this.#top(), component))
      if (folder === undefined) return undefined
      this.#levels.push({ component, folder, opened: view.opened, spent: { ...spent } })
    }
    return this.#top()
  }

  /** Runs `use` with the directory of a path, while the entered one stays open. */
  visit<T>(components: readonly string[], missing: Missing, use: (folder: Folder | undefined) => T): T {
    const view = new OpeningView(this, this.#attributer, missing)
    try {
      return use(resolveIn(view, components))
    } finally {
      closeAll(view.opened)
    }
  }

  /** Hides the lower contents of a directory of the overlay form. */
  setOpaque(folder: Folder): void {
    this.chain.setOpaque(folder.at())
    folder.forgetLowers()
  }

  /**
   * To be called when the attributes of an existing directory have changed. It concerns all open directories, since one
   * may be the same by another path.
   */
  forgetInheritance(): void {
    this.root.forgetInheritance()
    for (const { folder } of this.#levels) folder.forgetInheritance()
  }

  close(): void {
    try {
      this.#leave(0)
    } finally {
      this.root.close()
    }
  }

  #top(): Folder {
    return this.#levels.at(-1)?.folder ?? this.root
  }

  #leave(depth: number): void {
    while (this.#levels.length > depth) closeAll(this.#levels.pop()?.opened ?? [])
  }

  /** Opens an existing directory. The caller closes it. */
  open(folder: Folder, name: string): Folder {
    const lowers = (): Merged => {
      const isAlone = this.chain.isOpaque(opened.at().toString('latin1')) || folder.lowers.length === 0
      return isAlone ? [] : (this.chain.lookup(folder.lowers, name)?.merged ?? [])
    }
    const opened = new Folder(folder.at(name), { attributer: this.#attributer, parent: folder, lowers })
    return opened
  }
}

/**
 * The tree as one resolution sees it. It opens the directories on the way, which the owner closes, and makes missing
 * ones.
 */
class OpeningView implements TreeView<Folder> {
  readonly root: Folder
  readonly opened: Folder[] = []
  readonly #tree: Tree
  readonly #attributer: Attributer
  readonly #missing: Missing

  constructor(tree: Tree, attributer: Attributer, missing: Missing) {
    this.root = tree.root
    this.#tree = tree
    this.#attributer = attributer
    this.#missing = missing
  }

  /** Closes the directories that were opened unless `work` returns a directory. */
  guarded(work: () => Folder | undefined): Folder | undefined {
    let result: Folder | undefined
    try {
      result = work()
      return result
    } finally {
      if (result === undefined) closeAll(this.opened.splice(0))
    }
  }

  parentOf(folder: Folder): Folder | undefined {
    return folder.parent
  }

  child(folder: Folder, name: string): Folder | string | undefined {
    requireDepth(folder.depth + 1)
    const { chain } = this.#tree
    const stat = folder.lstat(name)
    if (stat?.isDirectory()) return this.#open(folder, name)
    if (stat?.isSymbolicLink()) return fs.readlinkSync(folder.at(name), 'latin1')
    const isHidden = stat !== undefined && chain.isWhiteout(folder.at(name).toString('latin1'), stat)
    if (stat !== undefined && !isHidden) return this.#notDirectory(name)
    const below = isHidden ? undefined : chain.lookup(folder.lowers, name)
    if (below?.stat.isSymbolicLink()) return readlink(below)
    if (below !== undefined && !below.stat.isDirectory()) return this.#notDirectory(name)
    if (below === undefined && this.#missing === 'copy') return undefined
    return this.#make(folder, name, { below, isHidden })
  }

  #open(folder: Folder, name: string): Folder {
    const opened = this.#tree.open(folder, name)
    this.opened.push(opened)
    return opened
  }

  #notDirectory(name: string): undefined {
    if (this.#missing === 'copy') return undefined
    throw new ToolError('PARENT_NOT_DIRECTORY', `its parent ${quoted(name)} is no directory`)
  }

  /** Makes a parent that has no entry, with the attributes from the layer below, else with mode 0755 and owner root. */
  #make(
    folder: Folder,
    name: string,
    { below, isHidden }: { below: LowerEntry | undefined; isHidden: boolean },
  ): Folder {
    const path = folder.at(name)
    folder.isTouched = true
    if (isHidden) fs.unlinkSync(path)
    fs.mkdirSync(path, 0o700)
    if (below === undefined) this.#attributer.set(path, 'other', DEFAULT_DIRECTORY)
    else this.#attributer.copy(path, 'other', attributesOf(below))
    const made = this.#open(folder, name)
    if (isHidden) this.#tree.setOpaque(made)
    return made
  }
}

function readlink(entry: LowerEntry): string {
  return fs.readlinkSync(bytesOf(entry.path), 'latin1')
}

/**
 * Closes directories in reverse order: where two are the same directory, the first has its original time and sets it
 * last.
 */
function closeAll(folders: readonly Folder[]): void {
  for (const folder of [...folders].reverse()) folder.close()
}
