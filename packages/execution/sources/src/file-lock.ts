import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ofdLock } from '@pipelayer/sys'

/** How often a lock that another process holds is tried again. */
const RETRY_MS = 200

/**
 * Locks a file for this process, and makes the file if it is missing. The lock ends when the descriptor is closed or
 * the process ends.
 *
 * @returns the descriptor; undefined if another process holds the lock, unless `wait`
 */
export async function lockFile(
  file: string,
  options: { readonly wait: boolean; readonly signal?: AbortSignal | undefined },
): Promise<number | undefined> {
  const fd = fs.openSync(file, 'a+', 0o600)
  try {
    while (!ofdLock(fd, 'exclusive')) {
      if (!options.wait) {
        fs.closeSync(fd)
        return undefined
      }
      await delay(RETRY_MS, undefined, options.signal === undefined ? {} : { signal: options.signal })
    }
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}
