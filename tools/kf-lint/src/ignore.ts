import path from 'node:path'
import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { parseIgnore } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

const SIZE_LIMIT = 1024 * 1024

/**
 * The patterns of `FILE.dockerignore`, else of `.dockerignore` in the context; none if there is neither.
 *
 * Without `options.file` and `options.context` nothing is read, because records may come from another machine.
 */
export async function readIgnore(
  file: string,
  options: {
    readonly file?: string | undefined
    readonly context?: string | undefined
    readonly stdin: Readable
  },
): Promise<readonly string[]> {
  const folder =
    options.context ?? (options.file === undefined || file === '-' ? undefined : path.dirname(file))
  if (folder === undefined) return []
  const own = file === '-' ? undefined : await readIfThere(`${file}.dockerignore`, options.stdin)
  return parseIgnore(own ?? (await readIfThere(path.join(folder, '.dockerignore'), options.stdin)) ?? '')
}

async function readIfThere(file: string, stdin: Readable): Promise<Buffer | undefined> {
  try {
    return await readInput(file, { stdin, limit: SIZE_LIMIT })
  } catch (error) {
    if (error instanceof ToolError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined
    throw error
  }
}
