/**
 * Reads small text files that people write.
 *
 * @module
 */

import { attempt } from '@pipelayer/errors'
import { readRegular } from '@pipelayer/sys'

/** The largest size of a file in bytes. The largest bundles of manifests have four million. */
export const MAX_FILE = 16 * 1024 * 1024

/**
 * Reads a regular file as UTF-8. If the last part of the path is a symlink, it is not followed, and opening a FIFO does
 * not wait.
 *
 * @throws ToolError `FILE_TOO_LARGE` above 16 MiB, `FILE_INVALID` for a file that is not regular, and the system's
 * errors
 */
export function readText(file: string): string {
  return attempt(`read ${JSON.stringify(file)}`, () =>
    readRegular(file, MAX_FILE, { noFollow: true }).toString('utf8'),
  )
}
