import fs from 'node:fs'
import { errnoOf, systemError } from '@pipelayer/errors'

/** The unit of st_blocks, whatever the file system's own blocks are. Spec: POSIX.1-2024, sys/stat.h, as Linux has it. */
const BLOCK_BYTES = 512
/** Errors of a tree that this process may not see all of, or that changes meanwhile. */
const UNSEEN = new Set(['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP'])

/** The bytes of disk that a file takes. */
export function bytesOnDisk({ blocks }: Pick<fs.Stats, 'blocks'>): number {
  return blocks * BLOCK_BYTES
}

/** Inodes with more than one name that were counted: `DEVICE:INODE`. */
export type Counted = Set<string>

/**
 * The bytes of disk that a file or a tree takes, as `du` counts them: allocated blocks, directories included, hard links
 * once. Symlinks are not followed. Directories that this process may not read are counted without what is in them.
 *
 * @param counted - hard links that were counted before; what is counted here is added
 */
export function diskBytes(file: string | Buffer, counted: Counted = new Set()): number {
  let bytes = 0
  const waiting: Buffer[] = [Buffer.from(file)]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const stat = seen(next, name => fs.lstatSync(name))
    if (stat === undefined) continue
    if (stat.isDirectory()) {
      for (const name of seen(next, dir => fs.readdirSync(dir, { encoding: 'buffer' })) ?? [])
        waiting.push(Buffer.concat([next, Buffer.from('/'), name]))
    } else if (stat.nlink > 1) {
      const inode = `${stat.dev}:${stat.ino}`
      if (counted.has(inode)) continue
      counted.add(inode)
    }
    bytes += bytesOnDisk(stat)
  }
  return bytes
}

function seen<T>(file: Buffer, look: (file: Buffer) => T): T | undefined {
  try {
    return look(file)
  } catch (error) {
    if (UNSEEN.has(errnoOf(error) ?? '')) return undefined
    throw systemError(error, `read ${JSON.stringify(file.toString())}`)
  }
}

/** The names in a folder, in byte order; none where there is no such folder, or where this process may not read it. */
export function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    if (UNSEEN.has(errnoOf(error) ?? '')) return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}
