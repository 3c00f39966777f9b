/**
 * A path that one layer has twice. The specification forbids it, and programs differ in which of the two they take; so
 * it passes only where both are the same in every respect, as some producers write them. Directories are not meant:
 * many producers write a directory again, all readers merge its contents, and the attributes that come last count.
 *
 * @module
 */

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import { bytesOf, componentsOf, timeOf } from '@pipelayer/rootfs'
import { openRegular } from '@pipelayer/sys'
import type { ReadEntry } from '@pipelayer/tar'
import type { Spot } from './make.js'

/**
 * All that a header says of an entry and that is unpacked, as one text.
 *
 * What stands on disk cannot be compared in its place: a caller who is not root has not set the owner, the set-id bits
 * and some of the xattrs.
 */
export function headerKey(entry: ReadEntry): string {
  const { type, mode, uid, gid, size, mtime, devmajor, devminor } = entry
  if (type === 'dir') return type
  const fields: (string | number)[] = [type, mode, uid, gid, size, mtime.seconds, mtime.nanoseconds]
  if (type === 'symlink') fields.push(entry.linkname)
  if (type === 'hardlink') fields.push(componentsOf(entry.linkname).join('/'))
  if (type === 'char' || type === 'block') fields.push(devmajor, devminor)
  for (const name of [...entry.xattrs.keys()].sort())
    fields.push(name, entry.xattrs.get(name)?.toString('base64') ?? '')
  return fields.join('\0')
}

/** Compares an entry, whose header is that of the first of its name, with what the first has become. */
export class Repeated {
  readonly #fd: number | undefined
  #position = 0

  /** @throws ToolError `DUPLICATE_ENTRY` */
  constructor({ folder, name }: Spot, entry: ReadEntry) {
    const path = folder.at(name)
    const stat = folder.lstat(name)
    if (!isAlike(stat, path, entry)) throw differs()
    if (entry.type === 'file') this.#fd = openRegular(path, { noFollow: true }).fd
  }

  /** @throws ToolError `DUPLICATE_ENTRY` */
  compare(bytes: Buffer): void {
    if (this.#fd === undefined) return
    const there = Buffer.allocUnsafe(bytes.length)
    const length = fs.readSync(this.#fd, there, 0, bytes.length, this.#position)
    if (!there.subarray(0, length).equals(bytes)) throw differs()
    this.#position += length
  }

  /** A sparse file twice is more than any producer needs. @throws ToolError `DUPLICATE_ENTRY` */
  skip(): never {
    throw differs()
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
  }
}

// A name that leads through a symlink may have put something else there meanwhile.
function isAlike(stat: fs.BigIntStats | undefined, path: Buffer, entry: ReadEntry): boolean {
  // The caller may not have been allowed to make the device.
  if (entry.type === 'char' || entry.type === 'block') return true
  if (stat === undefined) return false
  const time = timeOf(stat.mtimeNs)
  if (time.seconds !== entry.mtime.seconds || time.nanoseconds !== entry.mtime.nanoseconds) return false
  if (entry.type === 'symlink')
    return stat.isSymbolicLink() && fs.readlinkSync(path, 'buffer').equals(bytesOf(entry.linkname))
  if (entry.type === 'fifo') return stat.isFIFO()
  return stat.isFile() && Number(stat.size) === entry.size
}

/** What a path is that comes again as something else. */
export function differs(): ToolError {
  return new ToolError('DUPLICATE_ENTRY', 'the layer has this path twice, and not the same')
}
