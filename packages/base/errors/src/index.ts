/**
 * The one error class of the project, and what each exit status means.
 *
 * @module
 */

export { visible, visibleJson } from './visible.js'

/**
 * Exit statuses that an error can ask for.
 *
 * 1: the input is wrong. 2: the command line is wrong. 75: the system or the network failed and trying
 * again may help (EX_TEMPFAIL of sysexits.h). 70, a bug, is for errors that are not a {@link ToolError}.
 */
export type ErrorStatus = 1 | 2 | 75

export interface ToolErrorOptions {
  /** What caused it. */
  readonly cause?: unknown
  /** The exit status; 1 unless said. */
  readonly status?: ErrorStatus
}

/**
 * A failure that a user can understand: what failed, on what, why, with expected and actual values.
 *
 * `code` is literal UPPER_SNAKE, so that a search for it finds the place that throws it. The message is
 * lower case, one line, without a period, and makes sense without a stack.
 */
export class ToolError extends Error {
  readonly code: string
  readonly status: ErrorStatus

  constructor(code: string, message: string, options: ToolErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'ToolError'
    this.code = code
    this.status = options.status ?? 1
  }
}

/** Codes of system errors after which it may help to try again or to make room. */
const TEMPORARY = new Set([
  'EAGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EDQUOT',
  'EHOSTUNREACH',
  'EIO',
  'EAI_AGAIN',
  'EMFILE',
  'ENETDOWN',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENOMEM',
  'ENOSPC',
  'ENOTFOUND',
  'EPIPE',
  'EROFS',
  'ETIMEDOUT',
  'ETXTBSY',
])

/** Texts for the errors that users meet most; the others keep the system's text. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EDQUOT: 'disk quota exceeded',
  EEXIST: 'it exists already',
  EISDIR: 'it is a directory',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'a part of the path is not a directory',
  ENOTEMPTY: 'the directory is not empty',
  EPERM: 'operation not permitted',
  EROFS: 'the file system is read-only',
}

/** The `code` of a system error (`ENOENT`), if `error` is one. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof ToolError) return undefined
  const code: unknown = Reflect.get(error, 'code')
  // ERR_... are Node's own: a wrong argument is a bug of ours, not a failure of the system.
  return typeof code === 'string' && /^E(?!RR_)[A-Z0-9_]+$/.test(code) ? code : undefined
}

/** Node's message about a name, an argument or a variable with a NUL, which it refuses to pass to the system. */
const HAS_NUL = /without null bytes\. Received (.*)/

/**
 * Wraps a failed system call: `cannot ${action}: no space left on device [ENOSPC]`, status 75 where trying
 * again may help, else 1. Errors that are not from the system are returned as they are.
 *
 * A text with a NUL, which no system call takes, is `NUL_BYTE`: it comes from a record or a document, not from us.
 *
 * @param action - what was tried, on what: `write blob "/s/blobs/x"`
 */
export function systemError(error: unknown, action: string): unknown {
  const withNul = error instanceof Error ? HAS_NUL.exec(error.message)?.[1] : undefined
  if (withNul !== undefined) {
    // Node shows a Buffer as a list of numbers, which would tell a reader nothing.
    const name = withNul.startsWith('<') ? 'a name' : withNul
    return new ToolError('NUL_BYTE', `cannot ${action}: ${name} has a NUL byte, which no name can hold`, {
      cause: error,
    })
  }
  const errno = errnoOf(error)
  if (errno === undefined) return error
  const why = WORDS[errno] ?? (error as Error).message.replace(/^[A-Z0-9_]+: /, '').split('\n', 1)[0]
  return new ToolError(errno, `cannot ${action}: ${why}`, {
    cause: error,
    status: TEMPORARY.has(errno) ? 75 : 1,
  })
}

/** Runs `work`; a system error in it becomes {@link systemError}. */
export function attempt<T>(action: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw systemError(error, action)
  }
}

/** The text of anything thrown, on one line. It may hold control characters, which {@link visible} escapes. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\s*\n\s*/g, '; ')
}
