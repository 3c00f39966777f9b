/**
 * Small text files, as people write them.
 *
 * @module
 */

import { attempt } from '@pipelayer/errors'
import { readRegular } from '@pipelayer/sys'

/** Bytes: the largest bundles of manifests have four million. */
export const MAX_FILE = 16 * 1024 * 1024

/**
 * A regular file as UTF-8. The last part of the path is not followed when it is a symlink, and a FIFO is not waited for.
 *
 * @throws ToolError `FILE_TOO_LARGE` above 16 MiB, `FILE_INVALID` for what is no regular file, and the system's
 */
export function readText(file: string): string {
  return attempt(`read ${JSON.stringify(file)}`, () =>
    readRegular(file, MAX_FILE, { noFollow: true }).toString('utf8'),
  )
}
