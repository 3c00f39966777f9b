import fs from 'node:fs'
import { isAvailable, syncfs } from '@pipelayer/sys'

/** Flushes that have not begun yet, by folder. */
const waiting = new Map<string, Promise<void>>()

/**
 * Flushes the file system of a folder. Several calls at the same time share one flush, which begins after the last of
 * them.
 *
 * @returns undefined where the system cannot do it; then the caller must flush the files
 */
export function flushAll(folder: string): Promise<void> | undefined {
  if (!isAvailable()) return undefined
  const known = waiting.get(folder)
  if (known !== undefined) return known
  const flush = new Promise<void>((resolve, reject) => {
    // The wait lets other images, which are written at the same time, join this flush.
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
