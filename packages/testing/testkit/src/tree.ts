import crypto from 'node:crypto'
import fs from 'node:fs'
import { lgetxattr, llistxattr } from '@pipelayer/sys'

export interface TreeOptions {
  /** Paths, without a leading slash, that are left out with all below them. */
  readonly except?: readonly string[]
  /** False leaves out the root directory itself: engines give it a mode of their own where no layer says one. */
  readonly root?: boolean
  /** Fields that are not compared. */
  readonly ignore?: readonly Field[]
}

type Field = 'mode' | 'owner' | 'size' | 'link' | 'device' | 'xattrs' | 'mtime' | 'content' | 'names'

/**
 * Reads a whole tree: for each path (a binary string below the root, `.` for the root itself) its type, mode,
 * owner, size, link text, device number, xattrs, whole seconds of mtime, content hash, and the first of its hard-linked names.
 * The root's own time is left out: most layers do not carry it.
 */
export function readTree(root: string, options: TreeOptions = {}): Map<string, string> {
  const tree = new Map<string, string>()
  const firstNames = new Map<string, string>()
  const visit = (name: string): void => {
    if (options.except?.includes(name)) return
    const file = Buffer.from(name === '.' ? root : `${root}/${name}`, 'latin1')
    const stat = fs.lstatSync(file)
    tree.set(name, describe({ file, stat, name, firstNames }, options.ignore ?? []))
    if (!stat.isDirectory()) return
    const names = fs.readdirSync(file, { encoding: 'latin1' }).sort()
    for (const child of names) visit(name === '.' ? child : `${name}/${child}`)
  }
  visit('.')
  if (options.root === false) tree.delete('.')
  return tree
}

/** The paths that differ between two trees, each with both sides; empty when they are equal. */
export function compareTrees(left: string, right: string, options: TreeOptions = {}): string[] {
  const a = readTree(left, options)
  const b = readTree(right, options)
  const names = [...new Set([...a.keys(), ...b.keys()])].sort()
  return names
    .filter(name => a.get(name) !== b.get(name))
    .map(name => `${name}: ${a.get(name) ?? 'absent'} | ${b.get(name) ?? 'absent'}`)
}

interface Entry {
  readonly file: Buffer
  readonly stat: fs.Stats
  readonly name: string
  /** The first name that was seen of each file, by device and inode. */
  readonly firstNames: Map<string, string>
}

function describe(entry: Entry, ignored: readonly Field[]): string {
  const { file, stat } = entry
  const device = stat.isCharacterDevice() || stat.isBlockDevice()
  const fields: readonly (readonly [Field, () => string | undefined])[] = [
    ['mode', () => stat.mode.toString(8)],
    ['owner', () => `${stat.uid}:${stat.gid}`],
    ['size', () => (stat.isFile() ? `${stat.size} bytes` : undefined)],
    ['link', () => (stat.isSymbolicLink() ? `-> ${fs.readlinkSync(file, 'latin1')}` : undefined)],
    ['device', () => (device ? `device ${stat.rdev}` : undefined)],
    ['xattrs', () => xattrs(file)],
    ['mtime', () => (entry.name === '.' ? undefined : `at ${Math.floor(stat.mtimeMs / 1000)}`)],
    ['content', () => (stat.isFile() ? contentHash(file) : undefined)],
    ['names', () => firstName(entry)],
  ]
  const shown = fields.filter(([field]) => !ignored.includes(field)).map(([, text]) => text())
  return shown.filter(text => text !== undefined && text !== '').join(' ')
}

function firstName({ stat, name, firstNames }: Entry): string | undefined {
  if (stat.isDirectory() || stat.nlink < 2) return undefined
  const key = `${stat.dev}:${stat.ino}`
  const first = firstNames.get(key)
  if (first === undefined) firstNames.set(key, name)
  return first === undefined ? undefined : `= ${first}`
}

function xattrs(file: Buffer): string {
  return llistxattr(file)
    .sort()
    .map(name => `${name}=${lgetxattr(file, name)?.toString('base64')}`)
    .join(',')
}

function contentHash(file: Buffer): string {
  const hash = crypto.createHash('sha256')
  const fd = fs.openSync(file, 'r')
  const chunk = Buffer.allocUnsafe(1 << 20)
  for (let read = fs.readSync(fd, chunk); read > 0; read = fs.readSync(fd, chunk))
    hash.update(chunk.subarray(0, read))
  fs.closeSync(fd)
  return hash.digest('hex')
}
