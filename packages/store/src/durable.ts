import fs from 'node:fs'
import path from 'node:path'

/** Makes a directory's entries survive a power cut. */
export function syncDirectory(directory: string): void {
  const fd = fs.openSync(directory, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * Puts `content` at `target` whole or not at all: written under `temporary` in the same file system, flushed, renamed,
 * the directory flushed. Synchronous, so that it can stand under a lock without another turn of this program between.
 */
export function replaceFile(target: string, temporary: string, content: string, mode = 0o644): void {
  try {
    const fd = fs.openSync(temporary, 'wx', mode)
    try {
      fs.writeFileSync(fd, content)
      fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.renameSync(temporary, target)
  } catch (error) {
    fs.rmSync(temporary, { force: true })
    throw error
  }
  syncDirectory(path.dirname(target))
}
