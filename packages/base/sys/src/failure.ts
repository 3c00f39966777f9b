/**
 * Turns errno into errors that look as those of node:fs do.
 *
 * @module
 */
import { getSystemErrorMap } from 'node:util'
import { loadKoffi } from './koffi.js'
import type { Path } from './path.js'

/** An error of a system call, shaped as those of node:fs. */
export interface SystemCallError extends Error {
  /** `ENOENT` and so on. */
  readonly code: string
  /** Negative, as in node:fs. */
  readonly errno: number
  readonly syscall: string
  readonly path?: string
}

/** The error of the call that has just failed: reads errno, so call it at once. */
export function failure(syscall: string, path?: Path): SystemCallError {
  return errorOf(loadKoffi().errno(), syscall, path)
}

let known: ReturnType<typeof getSystemErrorMap> | undefined

/** The map is kept, since Node makes a new one at each call; this took a tenth of a second of a large layer. */
function errorMap(): ReturnType<typeof getSystemErrorMap> {
  known ??= getSystemErrorMap()
  return known
}

/** The error for `errno`, a positive number. */
export function errorOf(errno: number, syscall: string, path?: Path): SystemCallError {
  const [code, text] = errorMap().get(-errno) ?? [`E${errno}`, 'unknown error']
  const on = path === undefined ? '' : ` '${path.toString()}'`
  const error = new Error(`${code}: ${text}, ${syscall}${on}`)
  return Object.assign(error, {
    code,
    errno: -errno,
    syscall,
    ...(path === undefined ? {} : { path: path.toString() }),
  })
}

/** Returns `result`, or throws the error of the call where it is -1. */
export function checked(result: number, syscall: string, path?: Path): number {
  if (result < 0) throw failure(syscall, path)
  return result
}
