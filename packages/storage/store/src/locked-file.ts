import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { ofdLock } from '@pipelayer/sys'

const { O_CREAT, O_NOFOLLOW = 0, O_RDWR } = fs.constants

/**
 * Opens a file for reading and writing, made where there is none, that nobody else of ours has open this way: for the
 * owner's eyes only, in a folder of the same kind. Closing it lets the next one in; whoever removes or renames it does
 * so before that.
 *
 * @returns the descriptor, or undefined while another holds it
 * @throws {ToolError} `FILE_INVALID`: something else lies there, a FIFO that would never end for one; the system's
 */
export function openLocked(file: string): number | undefined {
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
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

// Whoever had the lock before may have removed the file, or made a blob of it.
function isStillAt(fd: number, file: string): boolean {
  try {
    return fs.fstatSync(fd).ino === fs.statSync(file).ino
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  }
}
