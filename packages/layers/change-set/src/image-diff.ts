/**
 * What differs between two root filesystems in memory, as a change set.
 *
 * The same rules and order as on disk: depth first, names in byte order, a directory above each change, of hard links
 * the first path is the file, and names that have become one file are changes, all of them.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util'
import { type ChangeRecord, type EntryFields, nameFields } from '@pipelayer/records'
import { joined } from '@pipelayer/rootfs'
import type { DirNode, ImageTree, LeafNode, Node } from './image-tree.js'

export interface ImageDiffOptions {
  /**
   * Tells also what a layer usually leaves out: a directory whose time alone differs, and names that ceased to be one
   * file though the files are equal. What the changes are applied to then comes out the same in every respect.
   */
  readonly exact?: boolean
}

/** The changes that make `after` of `before`. */
export function diffImages(
  before: ImageTree,
  after: ImageTree,
  options: ImageDiffOptions = {},
): Generator<ChangeRecord, void, void> {
  return new ImageWalk(before.root, after.root, options).run()
}

/** One open directory of the walk. */
interface Frame {
  readonly path: string
  readonly before: DirNode | undefined
  readonly after: DirNode
  readonly names: readonly string[]
  next: number
  /** The directory itself, unchanged and not emitted yet. */
  pending: ChangeRecord | undefined
}

class ImageWalk {
  readonly #before: DirNode
  readonly #after: DirNode
  readonly #exact: boolean
  /** Files whose names are grouped otherwise than before: all names of them are changes. */
  readonly #regrouped = new Set<LeafNode>()
  readonly #firstNames = new Map<LeafNode, string>()

  constructor(before: DirNode, after: DirNode, { exact = false }: ImageDiffOptions) {
    this.#before = before
    this.#after = after
    this.#exact = exact
  }

  *run(): Generator<ChangeRecord, void, void> {
    this.#findRegrouped()
    if (!this.#isSameDir(this.#before, this.#after))
      yield { type: 'change', op: 'modify', path: '.', entry: this.#after.entry }
    const stack = [frame('', this.#before, this.#after)]
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const name = top.names[top.next++]
      if (name === undefined) {
        stack.pop()
        continue
      }
      const { change, folder } = this.#examine(top, name)
      if (change !== undefined) {
        yield* pendingOf(stack)
        yield change
      }
      if (folder !== undefined) stack.push(folder)
    }
  }

  #examine(top: Frame, name: string): { change?: ChangeRecord | undefined; folder?: Frame } {
    const path = joined(top.path, name)
    const before = top.before?.children.get(name)
    const after = top.after.children.get(name)
    if (after === undefined) return { change: { type: 'change', op: 'delete', ...pathFields(path) } }
    const op = before === undefined ? 'add' : 'modify'
    if (after.kind === 'leaf') return { change: this.#leaf(op, path, before, after) }
    const below = before?.kind === 'dir' ? before : undefined
    const change: ChangeRecord = { type: 'change', op, ...pathFields(path), entry: after.entry }
    if (below === undefined || !this.#isSameDir(below, after))
      return { change, folder: frame(path, below, after) }
    const pending: ChangeRecord = {
      type: 'change',
      op: 'modify',
      ...pathFields(path),
      parent: true,
      entry: after.entry,
    }
    return { folder: { ...frame(path, below, after), pending } }
  }

  #leaf(
    op: 'add' | 'modify',
    path: string,
    before: Node | undefined,
    after: LeafNode,
  ): ChangeRecord | undefined {
    const first = this.#firstNames.get(after)
    const isSame = isSameLeaf(before, after)
    if (isSame && !this.#regrouped.has(after)) return undefined
    if (first !== undefined)
      return { type: 'change', op, ...pathFields(path), entry: linkFields(after.entry, first) }
    this.#firstNames.set(after, path)
    return { type: 'change', op, ...pathFields(path), entry: after.entry }
  }

  #isSameDir(a: DirNode, b: DirNode): boolean {
    const [left, right] = [a.entry, b.entry]
    return isSameOwnership(left, right) && (!this.#exact || left.mtime === right.mtime)
  }

  /** Of a file with several names all are told, unless every one of them was this file, or its equal, before. */
  #findRegrouped(): void {
    const counterparts = new Map<LeafNode, Node | undefined>()
    const successors = new Map<LeafNode, LeafNode>()
    const stack: [DirNode | undefined, DirNode][] = [[this.#before, this.#after]]
    for (let pair = stack.pop(); pair !== undefined; pair = stack.pop()) {
      const [before, after] = pair
      for (const [name, node] of after.children) {
        const below = before?.children.get(name)
        if (node.kind === 'dir') stack.push([below?.kind === 'dir' ? below : undefined, node])
        else if (node.links > 1) this.#compareNames(node, below, counterparts)
        if (this.#exact && node.kind === 'leaf' && below?.kind === 'leaf') this.#part(below, node, successors)
      }
    }
  }

  #compareNames(
    node: LeafNode,
    below: Node | undefined,
    counterparts: Map<LeafNode, Node | undefined>,
  ): void {
    const isFirst = !counterparts.has(node)
    const isOther = !isFirst && counterparts.get(node) !== below
    if (isFirst) counterparts.set(node, below)
    if (isOther || !isSameLeaf(below, node)) this.#regrouped.add(node)
  }

  /**
   * An equal file in place of one of several names is another file from then on. A layer that left it out would keep the
   * names together. A name that has kept the very file of before need not be told.
   */
  #part(before: LeafNode, after: LeafNode, successors: Map<LeafNode, LeafNode>): void {
    if (before.links < 2 || !isSameLeaf(before, after)) return
    const first = successors.get(before)
    if (first === undefined) successors.set(before, after)
    else if (first !== after) for (const one of [first, after]) if (one !== before) this.#regrouped.add(one)
  }
}

function frame(path: string, before: DirNode | undefined, after: DirNode): Frame {
  const names = new Set(after.children.keys())
  if (before !== undefined) for (const name of before.children.keys()) names.add(name)
  return { path, before, after, names: [...names].sort(), next: 0, pending: undefined }
}

function* pendingOf(stack: readonly Frame[]): Generator<ChangeRecord, void, void> {
  for (const one of stack) {
    if (one.pending !== undefined) yield one.pending
    one.pending = undefined
  }
}

function isSameLeaf(before: Node | undefined, after: LeafNode): boolean {
  if (before === after) return true
  if (before?.kind !== 'leaf') return false
  const [a, b] = [before.entry, after.entry]
  if (!isSameOwnership(a, b) || a.mtime !== b.mtime || a.type !== b.type) return false
  if (a.linkname !== b.linkname || a.linknameRaw !== b.linknameRaw) return false
  if (a.devmajor !== b.devmajor || a.devminor !== b.devminor) return false
  return a.type !== 'file' || isSameContent(before, after)
}

function isSameContent(before: LeafNode, after: LeafNode): boolean {
  const [a, b] = [before.entry, after.entry]
  if (a.size !== b.size) return false
  if (a.size === 0) return true
  if (before.sum !== undefined && before.sum === after.sum) return true
  return (
    a.content !== undefined &&
    a.content.digest === b.content?.digest &&
    a.content.offset === b.content.offset &&
    isDeepStrictEqual(a.content.runs, b.content.runs)
  )
}

function isSameOwnership(a: EntryFields, b: EntryFields): boolean {
  return (
    a.mode === b.mode &&
    a.uid === b.uid &&
    a.gid === b.gid &&
    isDeepStrictEqual(a.xattrs ?? {}, b.xattrs ?? {})
  )
}

function linkFields({ mode, uid, gid, mtime }: EntryFields, first: string): EntryFields {
  return { type: 'hardlink', mode, uid, gid, mtime, ...nameFields('linkname', first) }
}

function pathFields(path: string): Pick<ChangeRecord, 'path' | 'pathRaw'> {
  return nameFields('path', path) as Pick<ChangeRecord, 'path' | 'pathRaw'>
}
