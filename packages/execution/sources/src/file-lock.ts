import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { ofdLock } from '@pipelayer/sys'

/** How often what somebody else holds is asked for again. */
const RETRY_MS = 200

/**
 * Takes a file for ourselves, made where there is none; it is free again when the descriptor is closed, or its process
 * ends.
 *
 * @returns the descriptor; undefined while somebody holds it, unless `wait`
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
