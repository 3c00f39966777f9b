/**
 * Handles a path that comes twice in a layer. The specification forbids that, and programs differ in which of the two
 * entries they use; so it is accepted only where both are the same in every respect, as some producers write them. This
 * does not concern directories: many producers write a directory again, all readers merge its contents, and the last
 * attributes count.
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
 * All fields of a header that affect the unpacked entry, as one text.
 *
 * The entry on disk cannot be compared instead: a caller who is not root has not set its owner, its set-id bits and
 * some of its xattrs.
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

/**
 * Compares an entry, whose header equals that of the first entry of its name, with the file on disk that the first one
 * has become.
 */
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

  /** Refuses a repeated sparse file, which no producer writes. @throws ToolError `DUPLICATE_ENTRY` */
  skip(): never {
    throw differs()
  }

  close(): void {
    if (this.#fd !== undefined) fs.closeSync(this.#fd)
  }
}

// Another name, which leads here through a symlink, may have replaced the file meanwhile.
function isAlike(stat: fs.BigIntStats | undefined, path: Buffer, entry: ReadEntry): boolean {
  // The device may be missing, since the caller may lack the right to make it.
  if (entry.type === 'char' || entry.type === 'block') return true
  if (stat === undefined) return false
  const time = timeOf(stat.mtimeNs)
  if (time.seconds !== entry.mtime.seconds || time.nanoseconds !== entry.mtime.nanoseconds) return false
  if (entry.type === 'symlink')
    return stat.isSymbolicLink() && fs.readlinkSync(path, 'buffer').equals(bytesOf(entry.linkname))
  if (entry.type === 'fifo') return stat.isFIFO()
  return stat.isFile() && Number(stat.size) === entry.size
}

/** The error for a path that comes again with a different entry. */
export function differs(): ToolError {
  return new ToolError('DUPLICATE_ENTRY', 'the layer has this path twice, and not the same')
}
