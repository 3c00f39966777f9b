/**
 * Small text files, as people write them.
 *
 * @module
 */

import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'

/** Bytes: the largest bundles of manifests have four million. */
export const MAX_FILE = 16 * 1024 * 1024

/**
 * A regular file as UTF-8. The last part of the path is not followed when it is a symlink, and a FIFO is not waited for.
 *
 * @throws ToolError `FILE_TOO_LARGE` above 16 MiB, `FILE_INVALID` for what is no regular file, and the system's
 */
export function readText(file: string): string {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants
  return attempt(`read ${JSON.stringify(file)}`, () => {
    const fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    try {
      const stat = fs.fstatSync(fd)
      if (!stat.isFile()) throw new ToolError('FILE_INVALID', `${JSON.stringify(file)} is no regular file`)
      if (stat.size > MAX_FILE)
        throw new ToolError('FILE_TOO_LARGE', `${JSON.stringify(file)} has more than ${MAX_FILE} bytes`)
      return fs.readFileSync(fd, 'utf8')
    } finally {
      fs.closeSync(fd)
    }
  })
}
