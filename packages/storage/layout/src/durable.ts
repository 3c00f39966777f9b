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

/** Makes the content of files survive a power cut: from a few on, their whole file system at once is cheaper. */
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
 * Puts `content` at `target` whole or not at all: written under `temporary` in the same file system, flushed, renamed,
 * the directory flushed. Synchronous, so that it can stand under a lock without another turn of this program between.
 */
export function replaceFile(target: string, temporary: string, content: string): void {
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
