import fs from 'node:fs'
import { type Digest, parseDigest } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
/** The most bytes of a link that are read: more than any link has, and few enough whatever lies there. */
const MAX_LINK = 1024

/** Codes of errors for a file that does not exist. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR'])

/** Opens a regular file to read; undefined where there is none. It neither follows a symlink nor waits for a FIFO. */
export function openFile(file: string): { readonly fd: number; readonly size: number } | undefined {
  let fd: number
  try {
    fd = fs.openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return undefined
    throw systemError(error, `read "${file}"`)
  }
  const found = fs.fstatSync(fd)
  if (found.isFile()) return { fd, size: found.size }
  fs.closeSync(fd)
  return undefined
}

/** The size of a regular file; undefined where there is none. */
export function sizeOf(file: string): number | undefined {
  const found = fs.lstatSync(file, { throwIfNoEntry: false })
  return found?.isFile() ? found.size : undefined
}

/**
 * The digest that a link holds; undefined where there is no link.
 *
 * @throws {ToolError} `LINK_INVALID`: the link holds no digest; putting the manifest or the tag again repairs it
 */
export function readLink(file: string): Digest | undefined {
  const opened = openFile(file)
  if (opened === undefined) return undefined
  try {
    const text = Buffer.alloc(MAX_LINK)
    const length = fs.readSync(opened.fd, text, 0, MAX_LINK, 0)
    return parseDigest(text.toString('latin1', 0, length))
  } catch (error) {
    const why = error instanceof ToolError ? error.message : 'it cannot be read'
    throw new ToolError('LINK_INVALID', `cannot use the link "${file}": ${why}`, { cause: error })
  } finally {
    fs.closeSync(opened.fd)
  }
}

/** Names of the directories in a folder, in byte order; none where there is no folder. */
export function foldersIn(folder: string): string[] {
  try {
    return fs
      .readdirSync(folder, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name)
      .sort()
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}
