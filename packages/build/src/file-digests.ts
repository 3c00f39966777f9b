import { createHash } from 'node:crypto'
import fs from 'node:fs'

const CHUNK = 1 << 20

/** The contents of files as digests, each read once as long as its inode does not change. */
export class FileDigests {
  readonly #known = new Map<string, string>()
  readonly #buffer = Buffer.allocUnsafe(CHUNK)

  /** @param path - of a regular file; it is opened, never followed */
  of(path: Buffer, { dev, ino, size, mtimeNs, ctimeNs }: fs.BigIntStats): string {
    const key = `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
    const digest = this.#known.get(key) ?? this.#read(path)
    this.#known.set(key, digest)
    return digest
  }

  #read(path: Buffer): string {
    const hash = createHash('sha256')
    const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW)
    try {
      for (let size = fs.readSync(fd, this.#buffer); size > 0; size = fs.readSync(fd, this.#buffer))
        hash.update(this.#buffer.subarray(0, size))
    } finally {
      fs.closeSync(fd)
    }
    return hash.digest('hex')
  }
}
