import fs from 'node:fs'
import path from 'node:path'
import { parseIgnore } from '@pipelayer/dockerfile'
import { attempt, errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { Rooted } from './rooted.js'

/** The directory that COPY and ADD read, and what of it is not there for them. */
export interface BuildContext {
  /** Absolute. */
  readonly dir: string
  readonly ignore: readonly string[]
}

/** A .dockerignore of more bytes than this is none. */
const MAX_IGNORE_BYTES = 16 * 1024 * 1024

/**
 * Opens a context. Patterns come from the file beside the Dockerfile, named as it with `.dockerignore` behind, else
 * from `.dockerignore` in the context.
 *
 * @param dockerfile - as the records name it; `-` and names that are not there have no file beside them
 * @throws {ToolError} `CONTEXT_INVALID`
 */
export function openContext(dir: string, dockerfile: string | undefined): BuildContext {
  const real = attempt(`open the context "${dir}"`, () => fs.realpathSync(dir))
  if (!fs.statSync(real).isDirectory())
    throw new ToolError('CONTEXT_INVALID', `the context "${dir}" is not a directory`)
  const beside = dockerfile === undefined || dockerfile === '-' ? undefined : besideText(dockerfile, real)
  const text = beside ?? inContext(real)
  return { dir: real, ignore: text === undefined ? [] : parseIgnore(text) }
}

// The Dockerfile is named relative to where kf-parse ran, which is where we run, or relative to the context.
function besideText(dockerfile: string, context: string): Buffer | undefined {
  for (const base of [process.cwd(), context]) {
    const file = `${path.resolve(base, dockerfile)}.dockerignore`
    try {
      return fs.readFileSync(file)
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw systemError(error, `read "${file}"`)
    }
  }
  return undefined
}

function inContext(context: string): Buffer | undefined {
  const root = Rooted.open(context)
  try {
    return root.readFile('.dockerignore', MAX_IGNORE_BYTES)
  } finally {
    root.close()
  }
}
