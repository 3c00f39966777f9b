import type { Writable } from 'node:stream'
import { messageOf, systemError, ToolError } from '@pipelayer/errors'
import { type LogLine, logWriter } from '@pipelayer/records'
import pc from 'picocolors'
import { printable, printableOutput } from './printable.js'

/** How many of the last lines of output a quiet tool shows when it fails. */
const LAST_LINES = 20

/** A failure as it is shown, recorded and turned into an exit status. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly status: 1 | 2 | 70 | 75
  /** Present only where the failure is a bug. */
  readonly stack?: string
}

/** Writes a tool's messages for people. */
export interface Reporter {
  warn(message: string, code?: string): void
  info(message: string): void
  /** Passes on lines of a command that the tool runs; `from` says where the command stands, as in `Dockerfile:3`. */
  output(from: string, lines: Buffer): void
  fail(failure: Failure): void
}

/** Describes a thrown value, which is a {@link ToolError}, an error of the system, or a bug. */
export function failureOf(thrown: unknown): Failure {
  const error = systemError(thrown, 'go on')
  if (error instanceof ToolError) return { code: error.code, message: messageOf(error), status: error.status }
  const stack = error instanceof Error && error.stack !== undefined ? error.stack : String(error)
  return { code: 'BUG', message: messageOf(error), status: 70, stack }
}

/**
 * Lines on `stderr`: `tool: message [CODE]` and `from: output`, or NDJSON. `quiet` shows failures only, each after the
 * last lines of output. Output is passed on byte for byte; on a terminal its control characters are escaped.
 */
export async function reporter(
  tool: string,
  stderr: Writable & { readonly isTTY?: boolean },
  options: { readonly quiet: boolean; readonly json: boolean; readonly noColor: boolean },
): Promise<Reporter> {
  const colors = pc.createColors(stderr.isTTY === true && !options.noColor && !options.json)
  const text = (line: LogLine): void => {
    const label = line.level === 'warning' ? `${colors.yellow('warning')}: ` : ''
    const name = printable(line.code ?? '')
    const code = name === '' ? '' : ` [${line.level === 'error' ? colors.red(name) : name}]`
    stderr.write(`${tool}: ${label}${printable(line.message)}${code}\n`)
  }
  const write = options.json ? await logWriter(stderr) : text
  const line = (level: LogLine['level'], message: string, code?: string): void =>
    write({ level, tool, message, ...(code === undefined ? {} : { code }) })
  const show = (from: string, lines: readonly string[]): void => {
    if (options.json) for (const line of lines) write({ level: 'output', tool, from, message: utf8(line) })
    else stderr.write(linesOf(from, lines, stderr))
  }
  const held: (readonly [from: string, line: string])[] = []
  return {
    output: (from, bytes) => {
      const lines = bytes.toString('latin1').split('\n')
      if (!options.quiet) return show(from, lines)
      for (const line of lines.slice(-LAST_LINES)) held.push([from, line])
      held.splice(0, held.length - LAST_LINES)
    },
    warn: (message, code) => options.quiet || line('warning', message, code),
    info: message => options.quiet || line('info', message),
    fail: failure => {
      for (const [from, line] of held.splice(0)) show(from, [line])
      line('error', failure.message, failure.code)
      const lines = failure.stack?.split('\n').map(each => `${printable(each)}\n`) ?? []
      stderr.write(lines.join(''))
    },
  }
}

// Lines are binary strings, so that bytes that are not UTF-8 pass unchanged.
function linesOf(from: string, lines: readonly string[], { isTTY }: { readonly isTTY?: boolean }): Buffer {
  const place = printable(from)
  if (isTTY) return Buffer.from(lines.map(line => `${place}: ${printableOutput(utf8(line))}\n`).join(''))
  const prefix = Buffer.from(place).toString('latin1')
  return Buffer.from(lines.map(line => `${prefix}: ${line}\n`).join(''), 'latin1')
}

function utf8(binary: string): string {
  return Buffer.from(binary, 'latin1').toString()
}
