/**
 * Whether two entries on disk are the same.
 *
 * @module
 */

import fs from 'node:fs'
import { bytesOf, type Xattrs } from '@pipelayer/rootfs'
import type { Found } from './entry-fields.js'

/** Bytes that are compared at a time. The number is large, since each step makes two reads. */
const CHUNK_BYTES = 1 << 20
const OPEN = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK
let buffers: readonly [Buffer, Buffer] | undefined

/**
 * True for entries that are equal in type, mode, owner and xattrs and, unless they are directories, in time and
 * content. Content is read last, and only where all else is equal. The time of a directory does not count, since it
 * follows from changes of its entries.
 */
export function isSame(a: Found, b: Found): boolean {
  if (!isSameMetadata(a, b)) return false
  if (a.stat.isDirectory()) return true
  if (a.stat.mtimeNs !== b.stat.mtimeNs || a.linkname !== b.linkname) return false
  if (a.stat.rdev !== b.stat.rdev) return false
  return !a.stat.isFile() || isSameContent(a, b)
}

function isSameMetadata(a: Found, b: Found): boolean {
  return (
    a.stat.mode === b.stat.mode &&
    a.stat.uid === b.stat.uid &&
    a.stat.gid === b.stat.gid &&
    isSameXattrs(a.xattrs, b.xattrs)
  )
}

function isSameXattrs(a: Xattrs, b: Xattrs): boolean {
  if (a.size !== b.size) return false
  for (const [name, value] of a) if (b.get(name)?.equals(value) !== true) return false
  return true
}

function isSameContent(a: Found, b: Found): boolean {
  if (a.stat.size !== b.stat.size) return false
  if (a.stat.size === 0n || (a.stat.ino === b.stat.ino && a.stat.dev === b.stat.dev)) return true
  const left = fs.openSync(bytesOf(a.path), OPEN)
  try {
    const right = fs.openSync(bytesOf(b.path), OPEN)
    try {
      return isSameBytes(left, right)
    } finally {
      fs.closeSync(right)
    }
  } finally {
    fs.closeSync(left)
  }
}

function isSameBytes(left: number, right: number): boolean {
  buffers ??= [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)]
  for (let at = 0; ; at += CHUNK_BYTES) {
    const a = chunkAt(left, buffers[0], at)
    const b = chunkAt(right, buffers[1], at)
    if (!a.equals(b)) return false
    if (a.length < CHUNK_BYTES) return true
  }
}

/** Fills the buffer unless the file ends. It repeats the read, since a short read need not be the last one. */
function chunkAt(fd: number, buffer: Buffer, position: number): Buffer {
  let length = 0
  while (length < buffer.length) {
    const read = fs.readSync(fd, buffer, length, buffer.length - length, position + length)
    if (read === 0) break
    length += read
  }
  return buffer.subarray(0, length)
}
