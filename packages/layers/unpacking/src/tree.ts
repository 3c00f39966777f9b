/**
 * Finds directories inside the root, whatever symlinks lie in the way.
 *
 * The resolution is that of openat2 with RESOLVE_IN_ROOT, done here component by component, each opened without
 * following: a symlink's text is then resolved by the same rules, absolute from the root, and `..` stops at the root.
 * That works on every kernel, sees the lower layers of the overlay form, and makes what is missing on its way.
 *
 * The directories from the root to the current one stay open: entries of a layer come folder by folder.
 *
 * @module
 */

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import {
  type Attributer,
  binaryOf,
  bytesOf,
  Folder,
  isOverlayPrivate,
  LowerChain,
  type LowerEntry,
  type Merged,
  NO_XATTRS,
  openRoot,
  quoted,
  readXattrs,
  timeOf,
  type XattrForm,
} from '@pipelayer/rootfs'
import { lsetxattr } from '@pipelayer/sys'

/** As the kernel has it. */
const MAX_SYMLINKS = 40
/**
 * Directories below each other at most: half of PATH_MAX, deeper no path leads. By way of symlinks an archive could go
 * on for ever, each level costing a descriptor, and stack when the tree is removed.
 */
const MAX_DEPTH = 2048
/** Directories that one path may lead through, back and forth by way of symlinks: all of them are held open. */
const MAX_STEPS = 4096

/** What happens to a directory that is not there: made, or only where the lower layers have it. */
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
  /** All that were opened to reach it, in order; none where a symlink led to one that was open. */
  readonly opened: readonly Folder[]
  readonly spent: Readonly<Spent>
}

/** What a path has cost, from the root on. */
interface Spent {
  links: number
  steps: number
}

interface Walk {
  readonly missing: Missing
  readonly opened: Folder[]
  readonly spent: Spent
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

  /** The directory of a path. It stays open until the next call. Undefined where it is missing and not to be made. */
  enter(components: readonly string[], missing: Missing): Folder | undefined {
    let depth = 0
    while (depth < components.length && this.#levels[depth]?.component === components[depth]) depth++
    this.#leave(depth)
    const spent = { ...(this.#levels.at(-1)?.spent ?? NOTHING_SPENT) }
    for (const component of components.slice(depth)) {
      const walk: Walk = { missing, opened: [], spent }
      const folder = this.#guarded(walk, () => this.#child(this.#top(), component, walk))
      if (folder === undefined) return undefined
      this.#levels.push({ component, folder, opened: walk.opened, spent: { ...spent } })
    }
    return this.#top()
  }

  /** Runs `use` with the directory of a path, the one that was entered staying open. */
  visit<T>(components: readonly string[], missing: Missing, use: (folder: Folder | undefined) => T): T {
    const walk: Walk = { missing, opened: [], spent: { ...NOTHING_SPENT } }
    try {
      let folder: Folder | undefined = this.root
      for (const component of components) {
        if (folder !== undefined) folder = this.#child(folder, component, walk)
      }
      return use(folder)
    } finally {
      closeAll(walk.opened)
    }
  }

  /** Hides what lies below a directory of the overlay form. */
  setOpaque(folder: Folder): void {
    lsetxattr(folder.at(), `${this.form}.overlay.opaque`, Buffer.from('y'))
    folder.forgetLowers()
  }

  /** To be called when a directory that was there before got other attributes: by what path is not known. */
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

  #guarded<T>(walk: Walk, work: () => T | undefined): T | undefined {
    let result: T | undefined
    try {
      result = work()
      return result
    } finally {
      if (result === undefined) closeAll(walk.opened.splice(0))
    }
  }

  #child(folder: Folder, name: string, walk: Walk): Folder | undefined {
    if (folder.depth >= MAX_DEPTH)
      throw new ToolError('NAME_TOO_LONG', `it lies more than ${MAX_DEPTH} directories deep`)
    if (++walk.spent.steps > MAX_STEPS)
      throw new ToolError('TOO_MANY_SYMLINKS', `symlinks lead through more than ${MAX_STEPS} directories`)
    const stat = folder.lstat(name)
    if (stat?.isDirectory()) return this.#open(folder, name, walk)
    if (stat?.isSymbolicLink()) return this.#follow(folder, fs.readlinkSync(folder.at(name), 'latin1'), walk)
    const isHidden = stat !== undefined && this.chain.isWhiteout(folder.at(name).toString('latin1'), stat)
    if (stat !== undefined && !isHidden) return notDirectory(name, walk)
    const below = isHidden ? undefined : this.chain.lookup(folder.lowers, name)
    if (below?.stat.isSymbolicLink()) return this.#follow(folder, readlink(below), walk)
    if (below !== undefined && !below.stat.isDirectory()) return notDirectory(name, walk)
    if (below === undefined && walk.missing === 'copy') return undefined
    return this.#make(folder, name, { walk, below, isHidden })
  }

  /** Opens a directory that is there. The caller closes it. */
  open(folder: Folder, name: string): Folder {
    const lowers = (): Merged => {
      const isAlone = this.chain.isOpaque(opened.at().toString('latin1')) || folder.lowers.length === 0
      return isAlone ? [] : (this.chain.lookup(folder.lowers, name)?.merged ?? [])
    }
    const opened = new Folder(folder.at(name), { attributer: this.#attributer, parent: folder, lowers })
    return opened
  }

  #open(folder: Folder, name: string, walk: Walk): Folder {
    const opened = this.open(folder, name)
    walk.opened.push(opened)
    return opened
  }

  #follow(folder: Folder, target: string, walk: Walk): Folder | undefined {
    if (++walk.spent.links > MAX_SYMLINKS)
      throw new ToolError('TOO_MANY_SYMLINKS', `more than ${MAX_SYMLINKS} symlinks lead to ${quoted(target)}`)
    let at: Folder | undefined = target.startsWith('/') ? this.root : folder
    for (const part of target.split('/')) {
      if (at === undefined) return undefined
      if (part === '' || part === '.') continue
      at = part === '..' ? (at.parent ?? at) : this.#child(at, part, walk)
    }
    return at
  }

  /** A parent that no entry describes: as in the layer below, else 0755 and root's. */
  #make(
    folder: Folder,
    name: string,
    { walk, below, isHidden }: { walk: Walk; below: LowerEntry | undefined; isHidden: boolean },
  ): Folder {
    const path = folder.at(name)
    folder.isTouched = true
    if (isHidden) fs.unlinkSync(path)
    fs.mkdirSync(path, 0o700)
    if (below === undefined) this.#attributer.set(path, 'other', DEFAULT_DIRECTORY)
    else this.#attributer.copy(path, 'other', attributesOf(below))
    const made = this.#open(folder, name, walk)
    if (isHidden) this.setOpaque(made)
    return made
  }
}

const NOTHING_SPENT: Readonly<Spent> = { links: 0, steps: 0 }

/** What no entry describes. A fixed time: what is unpacked must not depend on when. */
export const DEFAULT_DIRECTORY = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: NO_XATTRS,
}

/** What a copied-up entry keeps. */
export function attributesOf(entry: Pick<LowerEntry, 'path' | 'stat'>): Parameters<Attributer['copy']>[2] {
  const { stat } = entry
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: timeOf(stat.mtimeNs),
    xattrs: readXattrs(entry.path, name => !isOverlayPrivate(name)),
  }
}

function readlink(entry: LowerEntry): string {
  return fs.readlinkSync(bytesOf(entry.path), 'latin1')
}

function notDirectory(name: string, walk: Walk): undefined {
  if (walk.missing === 'copy') return undefined
  throw new ToolError('PARENT_NOT_DIRECTORY', `its parent ${quoted(name)} is no directory`)
}

/** In reverse: of two that are the same directory the first knows the time that it had. */
function closeAll(folders: readonly Folder[]): void {
  for (const folder of [...folders].reverse()) folder.close()
}
