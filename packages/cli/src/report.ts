import type { Writable } from 'node:stream'
import { messageOf, systemError, ToolError } from '@pipelayer/errors'
import { type LogLine, logWriter } from '@pipelayer/records'
import pc from 'picocolors'
import { printable, printableOutput } from './printable.js'

/** Of a quiet tool's output, the lines that are shown after all when it fails. */
const LAST_LINES = 20
const NEWLINE = Buffer.from('\n')

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
  /** A line that a command wrote which the tool runs; `from` says which, such as `Dockerfile:3`. */
  output(from: string, line: Buffer): void
  fail(failure: Failure): void
}

/** What any thrown value means: a {@link ToolError}, an error of the system, or a bug. */
export function failureOf(thrown: unknown): Failure {
  const error = systemError(thrown, 'go on')
  if (error instanceof ToolError) return { code: error.code, message: messageOf(error), status: error.status }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : String(error)
  return { code: 'BUG', message: messageOf(error), status: 70, stack }
}

/**
 * Lines on `stderr`: `tool: message [CODE]` and `from: output`, or NDJSON. `quiet` leaves failures only, and before them
 * the last lines of output. Output is passed on byte for byte, but for what a terminal would obey.
 */
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
  const show = (from: string, bytes: Buffer): void => {
    if (options.json) write({ level: 'output', tool, from, message: bytes.toString() })
    else if (stderr.isTTY === true) stderr.write(`${from}: ${printableOutput(bytes.toString())}\n`)
    else stderr.write(Buffer.concat([Buffer.from(`${from}: `), bytes, NEWLINE]))
  }
  const held: (readonly [from: string, line: Buffer])[] = []
  return {
    output: (from, bytes) => {
      if (!options.quiet) return show(from, bytes)
      held.push([from, bytes])
      if (held.length > LAST_LINES) held.shift()
    },
    warn: (message, code) => options.quiet || line('warning', message, code),
    info: message => options.quiet || line('info', message),
    fail: failure => {
      for (const [from, bytes] of held.splice(0)) show(from, bytes)
      line('error', failure.message, failure.code)
      if (failure.stack !== undefined) stderr.write(`${failure.stack}\n`)
    },
  }
}
