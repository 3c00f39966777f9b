import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { lgetxattr, readRegular } from '@pipelayer/sys'

/**
 * Reads a file of a chain from the directories that overlayfs would merge, without a mount. A symlink in the path is
 * not followed; the file then counts as missing.
 *
 * @param lowers - nearest first
 * @param name - plain names joined by `/`
 * @param limit - bytes; a larger file is an error
 * @throws {ToolError} `FILE_TOO_LARGE`
 */
export function readChainFile(lowers: readonly string[], name: string, limit: number): string | undefined {
  const parts = name.split('/')
  for (const lower of lowers) {
    const found = look(lower, parts)
    if (found === 'hidden') return undefined
    if (found !== undefined) return readUpTo(found, { name, limit })
  }
  return undefined
}

/** The file in one directory; `hidden` if this directory hides the file of the lower ones. */
function look(lower: string, parts: readonly string[]): string | 'hidden' | undefined {
  let place = lower
  let isOpaque = false
  for (const [depth, part] of parts.entries()) {
    place = path.join(place, part)
    const stat = lstat(place)
    if (stat === undefined) return isOpaque ? 'hidden' : undefined
    const isLast = depth === parts.length - 1
    if (isLast ? !stat.isFile() : !stat.isDirectory()) return 'hidden'
    isOpaque ||= !isLast && isOpaqueDirectory(place)
  }
  return place
}

function isOpaqueDirectory(dir: string): boolean {
  return ['trusted.overlay.opaque', 'user.overlay.opaque'].some(
    name => lgetxattr(Buffer.from(dir), name)?.toString('latin1') === 'y',
  )
}

function lstat(file: string): fs.Stats | undefined {
  try {
    return fs.lstatSync(file)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function readUpTo(file: string, { name, limit }: { readonly name: string; readonly limit: number }): string {
  const { size } = fs.lstatSync(file)
  if (size > limit)
    throw new ToolError('FILE_TOO_LARGE', `/${name} has ${size} bytes, at most ${limit} are read`)
  return attempt(`read /${name} of the image`, () =>
    readRegular(file, limit, { noFollow: true }).toString('utf8'),
  )
}
