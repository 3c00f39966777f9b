import fs from 'node:fs'
import { bytesOnDisk } from '@pipelayer/collection'
import { errnoOf } from '@pipelayer/errors'

const SLASH = Buffer.from('/')

/**
 * Removes a file or a tree as `rm -rf` does: also where a directory may not be written by its owner, and where names are
 * no UTF-8. Nothing is followed. The calls are synchronous, since a tree of 100,000 files takes a second that way, and
 * several times that through the thread pool.
 *
 * @returns the bytes of disk that became free, as `du` counts them
 * @throws the system's errors, of the first file that stays: those of another user in a directory of another user
 */
export function removeTree(file: string | Buffer): number {
  const name = Buffer.from(file)
  const stat = fs.lstatSync(name, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) {
    fs.rmSync(name, { force: true })
    // The content goes with the last name.
    return stat.nlink > 1 ? 0 : bytesOnDisk(stat)
  }
  let bytes = bytesOnDisk(stat)
  for (const entry of namesOf(name, stat)) bytes += removeTree(Buffer.concat([name, SLASH, entry]))
  removeFolder(name)
  return bytes
}

function namesOf(dir: Buffer, { mode }: fs.Stats): Buffer[] {
  // Root needs no permission. The owner needs all three to list and empty a directory.
  if ((mode & 0o700) !== 0o700) openUp(dir)
  return namesIn(dir)
}

function namesIn(dir: Buffer): Buffer[] {
  try {
    return fs.readdirSync(dir, { encoding: 'buffer' })
  } catch (error) {
    // Two processes may remove the same tree.
    if (errnoOf(error) === 'ENOENT') return []
    throw error
  }
}

function openUp(dir: Buffer): void {
  try {
    fs.chmodSync(dir, 0o700)
  } catch {
    // The directory is somebody else's, and may be empty.
  }
}

function removeFolder(dir: Buffer): void {
  try {
    fs.rmdirSync(dir)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
  }
}
