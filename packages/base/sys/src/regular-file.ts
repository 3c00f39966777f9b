/**
 * Files that somebody else may have put where we look.
 *
 * Opening a FIFO blocks until a writer comes, perhaps for ever and without handling signals; a device such as /dev/zero
 * and a sparse file give more bytes than there is memory. So files are opened without waiting, their type is checked
 * before they are read, and each read into memory has a limit.
 *
 * @module
 */
import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
const FLAGS = O_RDONLY | O_NONBLOCK | O_NOCTTY
const READ_BYTES = 64 * 1024

export interface RegularFileOptions {
  /** Refuse a symlink as the last part of the path; else it is followed. */
  readonly noFollow?: boolean
}

/** A regular file that is open for reading. Whoever opened it closes it. */
export interface RegularFile {
  readonly fd: number
  /** Bytes, when it was opened. */
  readonly size: number
}

/**
 * Opens a regular file. Never waits.
 *
 * @throws {ToolError} `FILE_INVALID`: it is a FIFO, a device, a socket or a directory; the system's own errors come as
 * those of node:fs, so that the caller can say what they mean
 */
export function openRegular(
  file: string | Buffer,
  { noFollow = false }: RegularFileOptions = {},
): RegularFile {
  let fd: number
  try {
    fd = fs.openSync(file, noFollow ? FLAGS | O_NOFOLLOW : FLAGS)
  } catch (error) {
    // ENXIO is the error for opening a socket, or a device without a driver.
    throw errnoOf(error) === 'ENXIO' ? notRegular(file, error) : error
  }
  try {
    const stat = fs.fstatSync(fd)
    if (!stat.isFile()) throw notRegular(file)
    return { fd, size: stat.size }
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

/**
 * The content of a regular file, of at most `maxBytes`.
 *
 * @throws {ToolError} `FILE_INVALID`, `FILE_TOO_LARGE`; the system's own errors as those of node:fs
 */
export function readRegular(
  file: string | Buffer,
  maxBytes: number,
  options: RegularFileOptions = {},
): Buffer {
  const { fd, size } = openRegular(file, options)
  try {
    // The size is known before anything is read.
    if (size > maxBytes) throw tooLarge(file, maxBytes)
    return readUpTo(fd, file, { maxBytes, size })
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * The content, of at most `maxBytes`, of a file that the user or the administrator named: it may be `/dev/null`, the
 * pipe of a shell's `<(...)` or a FIFO, which is waited for. Never for a file that merely lies in a place.
 *
 * @throws {ToolError} `FILE_TOO_LARGE`; `EISDIR`, `ENOENT` and the like as those of node:fs
 */
export function readNamed(file: string, maxBytes: number): Buffer {
  const fd = fs.openSync(file, 'r')
  try {
    return readUpTo(fd, file, { maxBytes, size: READ_BYTES })
  } finally {
    fs.closeSync(fd)
  }
}

// Reads to the end and not to the stated size: a file may grow meanwhile, and files that the kernel generates state
// none.
function readUpTo(
  fd: number,
  file: string | Buffer,
  { maxBytes, size }: { readonly maxBytes: number; readonly size: number },
): Buffer {
  const chunks: Buffer[] = []
  for (let total = 0; ; ) {
    const chunk = Buffer.allocUnsafe(Math.min(total === 0 ? size + 1 : READ_BYTES, maxBytes + 1 - total))
    const count = fs.readSync(fd, chunk)
    if (count === 0) return Buffer.concat(chunks, total)
    total += count
    if (total > maxBytes) throw tooLarge(file, maxBytes)
    chunks.push(chunk.subarray(0, count))
  }
}

function notRegular(file: string | Buffer, cause?: unknown): ToolError {
  const message = `cannot read ${quoted(file)}: it is no regular file (a FIFO, a device, a socket or a directory)`
  return new ToolError('FILE_INVALID', message, { cause })
}

function tooLarge(file: string | Buffer, maxBytes: number): ToolError {
  return new ToolError('FILE_TOO_LARGE', `cannot read ${quoted(file)}: it has more than ${maxBytes} bytes`)
}

function quoted(file: string | Buffer): string {
  return JSON.stringify(file.toString())
}
