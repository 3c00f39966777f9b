import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { makeFolder, ofdLock } from '@pipelayer/sys'

const { O_CREAT, O_NOFOLLOW = 0, O_RDWR } = fs.constants

/**
 * Opens a file for reading and writing and locks it, so that only one of our processes has it. The file and its folder
 * are made where they are missing, readable by their owner only. Closing the file releases the lock, so it must be
 * removed or renamed before that.
 *
 * @returns the descriptor, or undefined while another holds it
 * @throws {ToolError} `FILE_INVALID`: the path is no regular file, but for example a FIFO that would block for ever;
 * errors of the system
 */
export function openLocked(file: string): number | undefined {
  try {
    makeFolder(path.dirname(file), 0o700)
    const fd = fs.openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
    if (!fs.fstatSync(fd).isFile()) {
      fs.closeSync(fd)
      throw new ToolError('FILE_INVALID', `cannot write "${file}": it is no regular file`)
    }
    if (ofdLock(fd, 'exclusive') && isStillAt(fd, file)) return fd
    fs.closeSync(fd)
    return undefined
  } catch (error) {
    throw systemError(error, `write "${file}"`)
  }
}

// The holder of the lock before may have removed the file, or renamed it to a blob.
function isStillAt(fd: number, file: string): boolean {
  try {
    return fs.fstatSync(fd).ino === fs.statSync(file).ino
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
