import type { Writable } from 'node:stream'
import { messageOf, systemError, ToolError } from '@pipelayer/errors'
import { type LogLine, logWriter } from '@pipelayer/records'
import pc from 'picocolors'
import { printable } from './printable.js'

/** A failure as it is shown, recorded and turned into an exit status. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly status: 1 | 2 | 70 | 75
  /** Of a bug only. */
  readonly stack?: string
}

/** Where a tool's lines for people go. */
export interface Reporter {
  warn(message: string, code?: string): void
  info(message: string): void
  fail(failure: Failure): void
}

/** What any thrown value means: a {@link ToolError}, an error of the system, or a bug. */
export function failureOf(thrown: unknown): Failure {
  const error = systemError(thrown, 'go on')
  if (error instanceof ToolError) return { code: error.code, message: messageOf(error), status: error.status }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : String(error)
  return { code: 'BUG', message: messageOf(error), status: 70, stack }
}

/** Lines on `stderr`: `tool: message [CODE]`, or NDJSON. `quiet` leaves failures only. */
export async function reporter(
  tool: string,
  stderr: Writable & { readonly isTTY?: boolean },
  options: { readonly quiet: boolean; readonly json: boolean; readonly noColor: boolean },
): Promise<Reporter> {
  const colors = pc.createColors(stderr.isTTY === true && !options.noColor && !options.json)
  const text = (line: LogLine): void => {
    const label = line.level === 'warning' ? `${colors.yellow('warning')}: ` : ''
    const code =
      line.code === undefined ? '' : ` [${line.level === 'error' ? colors.red(line.code) : line.code}]`
    stderr.write(`${tool}: ${label}${printable(line.message)}${code}\n`)
  }
  const write = options.json ? await logWriter(stderr) : text
  const line = (level: LogLine['level'], message: string, code?: string): void =>
    write({ level, tool, message, ...(code === undefined ? {} : { code }) })
  return {
    warn: (message, code) => options.quiet || line('warning', message, code),
    info: message => options.quiet || line('info', message),
    fail: failure => {
      line('error', failure.message, failure.code)
      if (failure.stack !== undefined) stderr.write(`${failure.stack}\n`)
    },
  }
}
