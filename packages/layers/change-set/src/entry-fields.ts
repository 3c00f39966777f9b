/**
 * The fields of a `change` record for an entry on disk.
 *
 * @module
 */

import { type ChangeRecord, type EntryFields, type EntryType, nameFields } from '@pipelayer/records'
import { type Attributes, type OwnerMap, timeOf, type Xattrs } from '@pipelayer/rootfs'
import { type FileStat, majorOf, minorOf } from '@pipelayer/sys'
import { formatPaxTime } from '@pipelayer/tar'

/** An entry as it was found on disk. */
export interface Found {
  /** Absolute binary string. */
  readonly path: string
  readonly stat: FileStat
  readonly xattrs: Xattrs
  /** Target of a symlink. */
  readonly linkname?: string
}

/** Undefined for a socket, which no layer can hold. */
export function typeOf(stat: FileStat): Exclude<EntryType, 'hardlink'> | undefined {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'dir'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isCharacterDevice()) return 'char'
  if (stat.isBlockDevice()) return 'block'
  if (stat.isFIFO()) return 'fifo'
  return undefined
}

/** The fields of an entry. */
export function entryFields(type: EntryType, found: Found, owners: OwnerMap): EntryFields {
  return {
    type,
    ...ownerFields(found.stat, owners),
    ...contentFields(type, found),
    ...xattrFields(found.xattrs),
  }
}

/** The fields of another name of the file `linkname`, a path in the same layer. */
export function hardlinkFields(found: Found, linkname: string, owners: OwnerMap): EntryFields {
  return { type: 'hardlink', ...ownerFields(found.stat, owners), ...linkFields(linkname) }
}

/** The attributes of an entry, whose owner is that of the image. */
export function attributeFields({ mode, uid, gid, mtime, xattrs }: Attributes): Omit<EntryFields, 'type'> {
  return { mode: modeField(mode), uid, gid, mtime: formatPaxTime(mtime), ...xattrFields(xattrs) }
}

function ownerFields(stat: FileStat, owners: OwnerMap): Omit<EntryFields, 'type'> {
  return {
    mode: modeField(Number(stat.mode)),
    uid: owners.uid(Number(stat.uid)),
    gid: owners.gid(Number(stat.gid)),
    mtime: formatPaxTime(stat.mtimeSpec ?? timeOf(stat.mtimeNs)),
  }
}

function modeField(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

function contentFields(type: EntryType, { path, stat, linkname }: Found): Partial<EntryFields> {
  if (type === 'file') {
    const size = Number(stat.size)
    return size === 0 ? { size } : { size, ...nameFields('source', path) }
  }
  if (type === 'symlink') return linkFields(linkname ?? '')
  if (type !== 'char' && type !== 'block') return {}
  return { devmajor: majorOf(stat.rdev), devminor: minorOf(stat.rdev) }
}

/** The path of a change, as it stands in its record. */
export function pathFields(path: string): Pick<ChangeRecord, 'path' | 'pathRaw'> {
  // A record has one of the two fields; the type demands `path` in any case.
  return nameFields('path', path) as Pick<ChangeRecord, 'path' | 'pathRaw'>
}

function linkFields(linkname: string): Partial<EntryFields> {
  return nameFields('linkname', linkname)
}

function xattrFields(xattrs: Xattrs): Partial<EntryFields> {
  if (xattrs.size === 0) return {}
  const pairs = [...xattrs].map(([name, value]) => [
    Buffer.from(name, 'latin1').toString(),
    value.toString('base64'),
  ])
  return { xattrs: Object.fromEntries(pairs) as Record<string, string> }
}
