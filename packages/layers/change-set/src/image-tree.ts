/**
 * A root filesystem in memory: names and what stands in their headers, not their bytes.
 *
 * Layers are applied to it as they would be to a directory: whiteouts remove what lower layers brought, parents resolve
 * through symlinks inside the root. So what several layers come to is known without unpacking one of them, without
 * rights, and with every owner, device and xattr as it was.
 *
 * Memory: about half a kilobyte for each entry.
 *
 * Spec: image-spec v1.1, layer.md, "Applying Changesets".
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type EntryFields, nameOf } from '@pipelayer/records'
import { PathSet, quoted } from '@pipelayer/rootfs'
import type { ListedChange } from './list.js'

const MAX_SYMLINKS = 40
/** No path of 4096 bytes is deeper. */
const MAX_DEPTH = 2048
/** A parent that no entry describes. */
const DEFAULT_DIRECTORY: EntryFields = { type: 'dir', mode: '0755', uid: 0, gid: 0, mtime: '0' }

/** A directory. */
export interface DirNode {
  readonly kind: 'dir'
  entry: EntryFields
  readonly parent: DirNode | undefined
  readonly depth: number
  readonly children: Map<string, Node>
  /** Names that the layer `madeBy` has put here. */
  made: Set<string>
  madeBy: number
}

/** Anything else. Hard links are one node under several names. */
export interface LeafNode {
  readonly kind: 'leaf'
  readonly entry: EntryFields
  readonly sum: string | undefined
  /** Names that it has or had. */
  links: number
}

export type Node = DirNode | LeafNode

/** What a missing directory on the way becomes: made, or a reason to stop. */
type Missing = 'make' | 'stop'

export class ImageTree {
  readonly root: DirNode
  #layer = 0
  #names = new PathSet()
  #entries = new PathSet()

  constructor(root: DirNode = directory(DEFAULT_DIRECTORY, undefined)) {
    this.root = root
  }

  /** A copy that later layers of this one do not reach. Leaves are shared: the same leaf is the same file. */
  snapshot(): ImageTree {
    return new ImageTree(copyOf(this.root, undefined))
  }

  /** The next changes are of the next layer up. */
  nextLayer(): void {
    this.#layer++
    this.#names = new PathSet()
    this.#entries = new PathSet()
  }

  /**
   * @throws ToolError `DUPLICATE_ENTRY`, `ENTRY_CONFLICT`, `PARENT_NOT_DIRECTORY`, `LINK_TARGET_MISSING`,
   *   `LINK_INVALID`, `TOO_MANY_SYMLINKS`, `NAME_TOO_LONG`, `CHANGE_INVALID`
   */
  apply({ change, sum }: ListedChange): void {
    const path = nameOf(change, 'path') ?? ''
    try {
      this.#apply(change, path === '.' ? [] : path.split('/'), sum)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      throw new ToolError(error.code, `entry ${quoted(path)}: ${error.message}`, { cause: error })
    }
  }

  #apply(change: ChangeRecord, components: readonly string[], sum: string | undefined): void {
    if (change.op === 'opaque') this.#opaque(components)
    else if (change.op === 'delete') this.#delete(components.slice(0, -1), components.at(-1))
    else if (change.entry === undefined) throw new ToolError('CHANGE_INVALID', 'it has no entry')
    else this.#make(components, { entry: change.entry, sum })
  }

  #make(components: readonly string[], made: Leaf): void {
    const name = components.at(-1)
    if (name === undefined) {
      this.root.entry = made.entry
      return
    }
    const dir = this.#enter(components.slice(0, -1), 'make') ?? this.root
    this.#own(dir).add(name)
    const seen = this.#see(components.join('/'), made)
    if (seen === 'other') throw new ToolError('DUPLICATE_ENTRY', 'the layer has this path twice')
    // A file that comes again stays, so that its hard links are still links to it.
    if (seen === 'same' && made.entry.type !== 'dir' && made.entry.type !== 'hardlink') return
    this.#put(dir, name, made)
  }

  #see(path: string, made: Leaf): 'new' | 'same' | 'other' {
    const isNewEntry = this.#entries.add(`${path}\0${entryKey(made)}`)
    if (this.#names.add(path)) return 'new'
    return isNewEntry ? 'other' : 'same'
  }

  #put(dir: DirNode, name: string, { entry, sum }: Leaf): void {
    const there = dir.children.get(name)
    if (entry.type === 'dir') {
      if (there?.kind === 'dir') there.entry = entry
      else dir.children.set(name, directory(entry, dir))
      return
    }
    // First: what is hidden now can be no target.
    if (there?.kind === 'dir') this.#clear(there)
    const node = entry.type === 'hardlink' ? this.#target(entry, { dir, name }) : leaf(entry, sum)
    dir.children.set(name, node)
  }

  #target(entry: EntryFields, link: { readonly dir: DirNode; readonly name: string }): LeafNode {
    const components = (nameOf(entry, 'linkname') ?? '').split('/')
    const name = components.at(-1) ?? ''
    const dir = this.#enter(components.slice(0, -1), 'stop')
    const target = dir?.children.get(name)
    const text = quoted(components.join('/'))
    if (target === undefined)
      throw new ToolError('LINK_TARGET_MISSING', `it is a hard link to ${text}, which is not there`)
    if (target.kind === 'dir' || (dir === link.dir && name === link.name))
      throw new ToolError('LINK_INVALID', `it is a hard link to ${text}, a directory or itself`)
    target.links++
    return target
  }

  #opaque(components: readonly string[]): void {
    const dir = this.#enter(components, 'stop')
    if (dir !== undefined) for (const name of [...dir.children.keys()]) this.#removeLower(dir, name)
  }

  #delete(parents: readonly string[], name: string | undefined): void {
    const dir = this.#enter(parents, 'stop')
    if (dir !== undefined && name !== undefined) this.#removeLower(dir, name)
  }

  /** Removes a name with all below it, but for what is the layer's own and the directories that hold it. */
  #removeLower(dir: DirNode, name: string): void {
    const node = dir.children.get(name)
    if (node === undefined) return
    const isOwn = this.#own(dir).has(name)
    if (node.kind === 'dir') for (const child of [...node.children.keys()]) this.#removeLower(node, child)
    if (isOwn || (node.kind === 'dir' && node.children.size > 0)) return
    dir.children.delete(name)
  }

  #clear(dir: DirNode): void {
    for (const child of [...dir.children.keys()]) this.#removeLower(dir, child)
    if (dir.children.size > 0)
      throw new ToolError('ENTRY_CONFLICT', 'it replaces a directory that holds entries of the same layer')
  }

  #own(dir: DirNode): Set<string> {
    if (dir.madeBy !== this.#layer) {
      dir.made = new Set()
      dir.madeBy = this.#layer
    }
    return dir.made
  }

  #enter(components: readonly string[], missing: Missing): DirNode | undefined {
    const walk: Walk = { missing, links: 0 }
    let dir: DirNode | undefined = this.root
    for (const name of components) {
      if (dir === undefined) return undefined
      dir = this.#child(dir, name, walk)
    }
    return dir
  }

  #child(dir: DirNode, name: string, walk: Walk): DirNode | undefined {
    const node = dir.children.get(name)
    if (node?.kind === 'dir') return node
    if (node?.entry.type === 'symlink') return this.#follow(dir, nameOf(node.entry, 'linkname') ?? '', walk)
    if (walk.missing === 'stop') return undefined
    if (node !== undefined)
      throw new ToolError('PARENT_NOT_DIRECTORY', `its parent ${quoted(name)} is no directory`)
    const made = directory(DEFAULT_DIRECTORY, dir)
    dir.children.set(name, made)
    return made
  }

  /** Inside the root, as a process in the container would. */
  #follow(dir: DirNode, target: string, walk: Walk): DirNode | undefined {
    if (++walk.links > MAX_SYMLINKS)
      throw new ToolError('TOO_MANY_SYMLINKS', `more than ${MAX_SYMLINKS} symlinks lead to ${quoted(target)}`)
    let at: DirNode | undefined = target.startsWith('/') ? this.root : dir
    for (const part of target.split('/')) {
      if (at === undefined) return undefined
      if (part === '' || part === '.') continue
      at = part === '..' ? (at.parent ?? at) : this.#child(at, part, walk)
    }
    return at
  }
}

interface Walk {
  readonly missing: Missing
  links: number
}

interface Leaf {
  readonly entry: EntryFields
  readonly sum: string | undefined
}

/** What an entry says of itself. Of a directory that comes again the last one counts. */
function entryKey({ entry, sum }: Leaf): string {
  if (entry.type === 'dir') return 'dir'
  const { content, ...fields } = entry
  // Without a sum it is not known whether bytes at two places are the same.
  return JSON.stringify([fields, sum ?? content])
}

function directory(entry: EntryFields, parent: DirNode | undefined): DirNode {
  const depth = parent === undefined ? 0 : parent.depth + 1
  if (depth > MAX_DEPTH)
    throw new ToolError('NAME_TOO_LONG', `it lies more than ${MAX_DEPTH} directories deep`)
  return { kind: 'dir', entry, parent, depth, children: new Map(), made: new Set(), madeBy: 0 }
}

function leaf(entry: EntryFields, sum: string | undefined): LeafNode {
  return { kind: 'leaf', entry, sum, links: 1 }
}

function copyOf(dir: DirNode, parent: DirNode | undefined): DirNode {
  const copy = directory(dir.entry, parent)
  for (const [name, node] of dir.children)
    copy.children.set(name, node.kind === 'dir' ? copyOf(node, copy) : node)
  return copy
}
