/**
 * A root filesystem in memory: the names and headers of its files, not their bytes.
 *
 * Layers are applied to it as they would be to a directory: whiteouts remove entries of lower layers, parents resolve
 * through symlinks inside the root. So the tree of several layers is known without unpacking them and without
 * privileges, and keeps every owner, device and xattr.
 *
 * Memory: about half a kilobyte for each entry.
 *
 * Spec: image-spec v1.1, layer.md, "Applying Changesets".
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type EntryFields, nameOf } from '@pipelayer/records'
import {
  DEFAULT_DIRECTORY,
  explained,
  makeRoomAt,
  quoted,
  type RemovableTree,
  removeLower,
  removeLowerIn,
  requireDepth,
  resolveIn,
  SeenPaths,
  type TreeView,
} from '@pipelayer/rootfs'
import { attributeFields } from './entry-fields.js'
import type { ListedChange } from './list.js'

/** The fields of a parent directory that has no entry of its own. */
const UNDESCRIBED: EntryFields = { type: 'dir', ...attributeFields(DEFAULT_DIRECTORY) }

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
  /** How many names it has or had. */
  links: number
}

export type Node = DirNode | LeafNode

/** The treatment of a missing directory: the resolver makes it, or stops. */
type Missing = 'make' | 'stop'

export class ImageTree implements RemovableTree<DirNode> {
  readonly root: DirNode
  readonly #views: Readonly<Record<Missing, TreeView<DirNode>>>
  #layer = 0
  #seen = new SeenPaths()

  constructor(root: DirNode = directory(UNDESCRIBED, undefined)) {
    this.root = root
    this.#views = { make: viewOf(root, 'make'), stop: viewOf(root, 'stop') }
  }

  /** A copy that layers which are applied later do not change. Leaves are shared: the same leaf is the same file. */
  snapshot(): ImageTree {
    return new ImageTree(copyOf(this.root, undefined))
  }

  /** Begins the next layer: later changes belong to it. */
  nextLayer(): void {
    this.#layer++
    this.#seen = new SeenPaths()
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
      throw explained(error, `entry ${quoted(path)}`)
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
    const seen = this.#seen.see(components.join('/'), entryKey(made))
    if (seen === 'other') throw new ToolError('DUPLICATE_ENTRY', 'the layer has this path twice')
    // A file that comes a second time is not replaced, so that its hard links stay links to it.
    if (seen === 'same' && made.entry.type !== 'dir' && made.entry.type !== 'hardlink') return
    this.#put(dir, name, made)
  }

  #put(dir: DirNode, name: string, { entry, sum }: Leaf): void {
    const there = dir.children.get(name)
    if (entry.type === 'dir') {
      if (there?.kind === 'dir') there.entry = entry
      else dir.children.set(name, directory(entry, dir))
      return
    }
    // This comes first, since an entry that is hidden now cannot be the target of a link.
    if (there?.kind === 'dir') makeRoomAt(this, dir, name)
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
    if (dir !== undefined) removeLowerIn(this, dir)
  }

  #delete(parents: readonly string[], name: string | undefined): void {
    const dir = this.#enter(parents, 'stop')
    if (dir !== undefined && name !== undefined) removeLower(this, dir, name)
  }

  kindOf(dir: DirNode, name: string): 'dir' | 'other' | undefined {
    const node = dir.children.get(name)
    if (node === undefined) return undefined
    return node.kind === 'dir' ? 'dir' : 'other'
  }

  isOwn(dir: DirNode, name: string): boolean {
    return this.#own(dir).has(name)
  }

  /** This is a copy, since names are removed while the caller iterates. */
  names(dir: DirNode): string[] {
    return [...dir.children.keys()]
  }

  enter(dir: DirNode, name: string): DirNode {
    const node = dir.children.get(name)
    if (node?.kind !== 'dir') throw new Error(`"${name}" is no directory`)
    return node
  }

  /** Does nothing: directories in memory need not be closed. */
  leave(): void {}

  remove(dir: DirNode, name: string): void {
    dir.children.delete(name)
  }

  removeEmpty(dir: DirNode, name: string): boolean {
    const node = dir.children.get(name)
    return node?.kind === 'dir' && node.children.size === 0 && dir.children.delete(name)
  }

  #own(dir: DirNode): Set<string> {
    if (dir.madeBy !== this.#layer) {
      dir.made = new Set()
      dir.madeBy = this.#layer
    }
    return dir.made
  }

  #enter(components: readonly string[], missing: Missing): DirNode | undefined {
    return resolveIn(this.#views[missing], components)
  }
}

/** The tree as the resolver sees it. */
function viewOf(root: DirNode, missing: Missing): TreeView<DirNode> {
  return {
    root,
    parentOf: dir => dir.parent,
    child: (dir, name) => {
      const node = dir.children.get(name)
      if (node?.kind === 'dir') return node
      if (node?.entry.type === 'symlink') return nameOf(node.entry, 'linkname') ?? ''
      if (missing === 'stop') return undefined
      if (node !== undefined)
        throw new ToolError('PARENT_NOT_DIRECTORY', `its parent ${quoted(name)} is no directory`)
      const made = directory(UNDESCRIBED, dir)
      dir.children.set(name, made)
      return made
    },
  }
}

interface Leaf {
  readonly entry: EntryFields
  readonly sum: string | undefined
}

/** All fields of an entry as one text. Where a directory comes twice, the last one counts. */
function entryKey({ entry, sum }: Leaf): string {
  if (entry.type === 'dir') return 'dir'
  const { content, ...fields } = entry
  // Without a sum the place of the bytes counts, since the bytes at two places may differ.
  return JSON.stringify([fields, sum ?? content])
}

function directory(entry: EntryFields, parent: DirNode | undefined): DirNode {
  const depth = parent === undefined ? 0 : parent.depth + 1
  requireDepth(depth)
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
