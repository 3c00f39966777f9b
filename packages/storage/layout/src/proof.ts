import fs from 'node:fs'
import { promisify } from 'node:util'
import { algorithmOf, type Digest, Hasher } from '@pipelayer/digest'
import { errnoOf, systemError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'

const READ_BYTES = 1024 * 1024
const read = promisify(fs.read)

/** The digest and size of a file's content. */
export interface FileProof {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** The inode of the file that was read, since its name may belong to another file by now. */
  readonly inode: number
}

/**
 * Reads a whole file; undefined where it does not exist. Memory: 1 MiB.
 *
 * @param like - a digest, whose algorithm is used
 * @throws {ToolError} `FILE_INVALID`: it is a FIFO, a device or a directory; the system's
 */
export async function proveFile(file: string, like: Digest): Promise<FileProof | undefined> {
  try {
    const { fd } = openRegular(file)
    return await proofOf(fd, new Hasher(algorithmOf(like))).finally(() => fs.closeSync(fd))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw systemError(error, `read "${file}"`)
  }
}

async function proofOf(fd: number, hasher: Hasher): Promise<FileProof> {
  const { ino } = fs.fstatSync(fd)
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  for (;;) {
    const { bytesRead } = await read(fd, buffer, 0, READ_BYTES, null)
    if (bytesRead === 0) return { digest: hasher.digest(), size: hasher.bytes, inode: ino }
    hasher.update(buffer.subarray(0, bytesRead))
  }
}

/** True where a file has exactly these bytes. Memory: 1 MiB, whatever its size. @throws the system's */
export function holdsBytes(file: string, bytes: Uint8Array): boolean {
  const fd = fs.openSync(file, 'r')
  try {
    if (fs.fstatSync(fd).size !== bytes.length) return false
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, bytes.length))
    for (let at = 0; at < bytes.length; ) {
      const count = fs.readSync(fd, buffer, 0, buffer.length, at)
      if (count === 0 || buffer.compare(bytes, at, at + count, 0, count) !== 0) return false
      at += count
    }
    return true
  } finally {
    fs.closeSync(fd)
  }
}
