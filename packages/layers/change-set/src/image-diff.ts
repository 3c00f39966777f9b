/**
 * Makes a change set of two root filesystems in memory, by the same {@link Walk} as on disk.
 *
 * @module
 */

import { isDeepStrictEqual } from 'node:util'
import { type ChangeRecord, type EntryFields, type EntryType, nameFields } from '@pipelayer/records'
import type { SharedName } from './hard-links.js'
import type { DirNode, ImageTree, LeafNode, Node } from './image-tree.js'
import { type NameNow, type TreePair, Walk } from './walk.js'

export interface ImageDiffOptions {
  /**
   * Also report changes that a layer usually leaves out: a directory of which only the time differs, and names that are
   * equal files but no longer one file. Then the tree to which the changes are applied becomes the same in every
   * respect.
   */
  readonly exact?: boolean
}

/** The changes that turn `before` into `after`. */
export function diffImages(
  before: ImageTree,
  after: ImageTree,
  options: ImageDiffOptions = {},
): Generator<ChangeRecord, void, void> {
  return new Walk(new ImagePair({ before: before.root, after: after.root }, options)).run()
}

/** A directory, and the directory that was in its place before. */
interface DirPair {
  readonly before: DirNode | undefined
  readonly after: DirNode
}

interface NodeNow extends NameNow {
  readonly before: Node | undefined
  readonly after: Node
}

class ImagePair implements TreePair<DirPair, NodeNow> {
  readonly root: DirPair
  readonly #exact: boolean

  constructor(root: DirPair, { exact = false }: ImageDiffOptions) {
    this.root = root
    this.#exact = exact
  }

  changedRoot(): EntryFields | undefined {
    const { before, after } = this.root
    return this.#isSameDir(before, after) ? undefined : after.entry
  }

  names({ before, after }: DirPair): string[] {
    const names = new Set(after.children.keys())
    if (before !== undefined) for (const name of before.children.keys()) names.add(name)
    return [...names]
  }

  look(dir: DirPair, name: string): NodeNow | 'gone' {
    const before = dir.before?.children.get(name)
    const after = dir.after.children.get(name)
    if (after === undefined) return 'gone'
    // No node is of type `hardlink`, since a hard link is the same node under another name.
    const type = after.entry.type as Exclude<EntryType, 'hardlink'>
    return { type, before, after, isNew: before === undefined, isOpaque: false }
  }

  enter({ before, after }: NodeNow): DirPair {
    return pairOf(before, after as DirNode)
  }

  isSame({ before, after }: NodeNow): boolean {
    return after.kind === 'dir' ? this.#isSameDir(before, after) : isSameLeaf(before, after)
  }

  fileOf({ before, after }: NodeNow): LeafNode | undefined {
    return after.kind === 'leaf' && this.#isShared(before, after) ? after : undefined
  }

  fields({ after }: NodeNow): EntryFields {
    return after.entry
  }

  linkFields({ after }: NodeNow, first: string): EntryFields {
    const { mode, uid, gid, mtime } = after.entry
    return { type: 'hardlink', mode, uid, gid, mtime, ...nameFields('linkname', first) }
  }

  shared({ before, after }: DirPair): { files: SharedName[]; folders: DirPair[] } {
    const files: SharedName[] = []
    const folders: DirPair[] = []
    for (const [name, node] of after.children) {
      const below = before?.children.get(name)
      if (node.kind === 'dir') folders.push(pairOf(below, node))
      else if (this.#isShared(below, node))
        files.push({ file: node, before: below, parts: this.#exact && isSameLeaf(below, node) })
    }
    return { files, folders }
  }

  /** Whether a file has several names, or had several where that matters. */
  #isShared(before: Node | undefined, after: LeafNode): boolean {
    return after.links > 1 || (this.#exact && before?.kind === 'leaf' && before.links > 1)
  }

  #isSameDir(a: Node | undefined, b: DirNode): boolean {
    if (a?.kind !== 'dir' || !isSameOwnership(a.entry, b.entry)) return false
    return !this.#exact || a.entry.mtime === b.entry.mtime
  }
}

function pairOf(before: Node | undefined, after: DirNode): DirPair {
  return { before: before?.kind === 'dir' ? before : undefined, after }
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
