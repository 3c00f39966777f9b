import fs from 'node:fs'
import path from 'node:path'
import { isAvailable, syncfs } from '@pipelayer/sys'

const FEW = 4

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
 * Makes the content of files survive a power cut. Beyond a few files it flushes their whole file system, which is
 * cheaper.
 */
export function syncFiles(files: readonly string[]): void {
  const [first] = files
  if (first === undefined) return
  const isMany = files.length > FEW && isAvailable()
  for (const file of isMany ? [first] : files) {
    const fd = fs.openSync(file, 'r')
    try {
      if (isMany) syncfs(fd)
      else fs.fsyncSync(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

/**
 * Puts `content` at `target`, all or nothing: it is written under `temporary` in the same file system, flushed and
 * renamed, and the directory is flushed. The call is synchronous, so that nothing else of this program runs while a
 * lock is held.
 */
export function replaceFile(target: string, temporary: string, content: string | Uint8Array): void {
  try {
    const fd = fs.openSync(temporary, 'wx', 0o644)
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
