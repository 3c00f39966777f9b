import fs from 'node:fs'
import { isAvailable, syncfs } from '@pipelayer/sys'

/** By folder: who waits for its file system to be flushed. */
const waiting = new Map<string, Promise<void>>()

/**
 * Flushes the file system of a folder. Several who ask at the same time share one flush, which begins after the last of
 * them has asked.
 *
 * @returns undefined where the system cannot do it: flush the files
 */
export function flushAll(folder: string): Promise<void> | undefined {
  if (!isAvailable()) return undefined
  const known = waiting.get(folder)
  if (known !== undefined) return known
  const flush = new Promise<void>((resolve, reject) => {
    // Other images get as far as this while files of ours are written.
    setImmediate(() => {
      waiting.delete(folder)
      try {
        flushNow(folder)
        resolve()
      } catch (error) {
        reject(error)
      }
    })
  })
  waiting.set(folder, flush)
  return flush
}

function flushNow(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    syncfs(fd)
  } finally {
    fs.closeSync(fd)
  }
}
