/**
 * The tree that an image's layers give, read from their tars in memory. None of our unpackers is used for it, so that
 * two builders are compared only by what they wrote.
 *
 * @module
 */
import crypto, { type Hash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { type ReadEntry, readTar } from '@pipelayer/tar'

/** One file; hard links share the object. */
interface Node {
  readonly text: string
  /** Seconds; undefined if it is the time of the build. */
  readonly mtime: number | undefined
  readonly isDir: boolean
}

/** Entries by path, without a leading or trailing slash, as a binary string. */
export type ImageTree = ReadonlyMap<string, Node>

/** The differences between two trees: the description of each entry, or null if it is missing. */
export type TreeChanges = Readonly<Record<string, string | null>>

/** The year 2020: only files of contexts are older, and all later times are those of the build. */
const OLD_SECONDS = 1_577_836_800
const WHITEOUT = '.wh.'
const OPAQUE = '.wh..wh..opq'

/** Applies uncompressed layers to a tree, lowest first. */
export async function applyLayers(below: ImageTree, files: readonly string[]): Promise<ImageTree> {
  const tree = new Map(below)
  for (const file of files) applyEntries(tree, await readEntries(file))
  return tree
}

interface LayerEntry {
  readonly name: string
  readonly entry: ReadEntry
  readonly hash: string
}

async function readEntries(file: string): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = []
  let hash: Hash | undefined
  let open: ReadEntry | undefined
  for await (const event of readTar(fs.createReadStream(file, { highWaterMark: 1 << 20 }))) {
    if (event.type === 'entry') {
      open = event.entry
      hash = crypto.createHash('sha256')
    } else if (event.type === 'data') hash?.update(event.bytes)
    else if (event.type === 'end' && open !== undefined && hash !== undefined)
      entries.push({ name: plainName(open.name), entry: open, hash: hash.digest('hex').slice(0, 16) })
  }
  return entries
}

function plainName(name: string): string {
  return name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
}

// Whiteouts hide only entries of lower layers, wherever they stand in their own layer.
function applyEntries(tree: Map<string, Node>, entries: readonly LayerEntry[]): void {
  for (const { name } of entries) {
    const base = path.posix.basename(name)
    const dir = path.posix.dirname(name)
    if (base === OPAQUE) removeBelow(tree, dir)
    else if (base.startsWith(WHITEOUT)) remove(tree, path.posix.join(dir, base.slice(WHITEOUT.length)))
  }
  for (const { name, entry, hash } of entries) {
    if (name === '' || name === '.' || path.posix.basename(name).startsWith(WHITEOUT)) continue
    const target = entry.type === 'hardlink' ? tree.get(plainName(entry.linkname)) : undefined
    const node = target ?? nodeOf(entry, hash)
    if (!(node.isDir && tree.get(name)?.isDir)) remove(tree, name)
    tree.set(name, node)
  }
}

function remove(tree: Map<string, Node>, name: string): void {
  tree.delete(name)
  removeBelow(tree, name)
}

function removeBelow(tree: Map<string, Node>, dir: string): void {
  const prefix = dir === '.' || dir === '' ? '' : `${dir}/`
  for (const name of tree.keys()) if (name.startsWith(prefix)) tree.delete(name)
}

function nodeOf(entry: ReadEntry, hash: string): Node {
  const { type, mode, uid, gid, size, linkname, devmajor, devminor, mtime } = entry
  const own =
    type === 'file'
      ? `${size} bytes ${hash}`
      : type === 'symlink'
        ? `-> ${linkname}`
        : type === 'char' || type === 'block'
          ? `${devmajor},${devminor}`
          : type === 'hardlink'
            ? `to ${linkname}, which is not there`
            : ''
  const xattrs = [...entry.xattrs].map(([name, value]) => `${name}=${value.toString('base64')}`).sort()
  const fields = [type, (mode & 0o7777).toString(8).padStart(4, '0'), `${uid}:${gid}`, own, ...xattrs]
  return {
    text: fields.filter(field => field !== '').join(' '),
    mtime: mtime.seconds < OLD_SECONDS ? mtime.seconds : undefined,
    isDir: type === 'dir',
  }
}

/** The entries that a tree has and another lacks, and the roots of those that it has lost. */
export function treeChanges(tree: ImageTree, base: ImageTree): TreeChanges {
  const changes: Record<string, string | null> = {}
  const firstNames = new Map<Node, string>()
  for (const name of [...new Set([...tree.keys(), ...base.keys()])].sort()) {
    const node = tree.get(name)
    const before = base.get(name)
    if (node === undefined) {
      if (tree.has(path.posix.dirname(name)) || !name.includes('/')) changes[name] = null
    } else if (before === undefined || !isSame(node, before)) {
      changes[name] = describe(node, firstNames.get(node))
      if (!node.isDir && !firstNames.has(node)) firstNames.set(node, name)
    }
  }
  return changes
}

// A directory whose only difference is its time counts as unchanged: something was written into it.
function isSame(node: Node, before: Node): boolean {
  return (
    node.text === before.text && (node.mtime === before.mtime || (node.isDir && node.mtime === undefined))
  )
}

function describe(node: Node, firstName: string | undefined): string {
  if (firstName !== undefined) return `= ${firstName}`
  return node.mtime === undefined ? node.text : `${node.text} @${node.mtime}`
}
