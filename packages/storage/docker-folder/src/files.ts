import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { openRegular, readRegular } from '@pipelayer/sys'

/** The most bytes of a file that holds one digest, name or number. */
const MAX_LINE = 4096

const CHUNK = 1024 * 1024

/** Codes of errors for a file that does not exist. */
const ABSENT = new Set(['ENOENT', 'ENOTDIR'])

/** The content of a small file; undefined where there is none. @throws ToolError `FILE_INVALID`, `FILE_TOO_LARGE` */
export function readFile(file: string, maxBytes: number): Buffer | undefined {
  return ifThere(file, () => readRegular(file, maxBytes, { noFollow: true }))
}

/** The text of a file that holds one line; undefined where there is none. */
export function readLine(file: string): string | undefined {
  return readFile(file, MAX_LINE)?.toString('latin1').trim()
}

/** The bytes of a regular file. @throws ToolError `FILE_INVALID`; errors of the system */
export async function* fileBytes(file: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    const { fd } = openRegular(file, { noFollow: true })
    yield* fs.createReadStream('', { fd, highWaterMark: CHUNK })
  } catch (error) {
    throw explained(error, file)
  }
}

/** The names in a folder, in byte order; none where there is no folder. */
export function namesIn(folder: string): string[] {
  return ifThere(folder, () => fs.readdirSync(folder))?.sort() ?? []
}

export function isDirectory(folder: string): boolean {
  return ifThere(folder, () => fs.lstatSync(folder))?.isDirectory() === true
}

/**
 * Runs `work`; undefined where `file` does not exist.
 *
 * @throws ToolError `EACCES`, with what helps: the folder of an engine is closed to all but root
 */
export function ifThere<T>(file: string, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (ABSENT.has(errnoOf(error) ?? '')) return undefined
    throw explained(error, file)
  }
}

/** The error of a system call on `file`. */
export function explained(error: unknown, file: string): unknown {
  const told = systemError(error, `read "${file}"`)
  if (!(told instanceof ToolError) || !['EACCES', 'EPERM'].includes(told.code)) return told
  return new ToolError(told.code, `${told.message}: only root may read the folder of a Docker engine`, {
    cause: error,
  })
}
