import fs from 'node:fs'
import path from 'node:path'
import { isDigest } from '@pipelayer/digest'
import { bytesOnDisk, namesIn } from './disk-bytes.js'

/** A blob as a file. */
export interface BlobFile {
  readonly digest: string
  /** Absolute. */
  readonly path: string
  /** Bytes of its content. */
  readonly size: number
  /** Bytes of disk. */
  readonly diskBytes: number
  /** When it was written, or marked as used: milliseconds since 1970. */
  readonly usedMs: number
}

/**
 * The blobs of a layout, in byte order of the digests. What is no regular file, or has no digest for its name, is left
 * out. Memory: some 300 bytes for each.
 *
 * @throws the system's errors
 */
export function blobFiles(root: string): BlobFile[] {
  const found: BlobFile[] = []
  const blobs = path.join(root, 'blobs')
  for (const algorithm of namesIn(blobs)) {
    for (const hex of namesIn(path.join(blobs, algorithm))) {
      const digest = `${algorithm}:${hex}`
      if (!isDigest(digest)) continue
      const file = `${blobs}/${algorithm}/${hex}`
      const stat = fs.lstatSync(file, { throwIfNoEntry: false })
      if (stat?.isFile() !== true) continue
      found.push({
        digest,
        path: file,
        size: stat.size,
        diskBytes: bytesOnDisk(stat),
        usedMs: stat.mtimeMs,
      })
    }
  }
  return found
}
