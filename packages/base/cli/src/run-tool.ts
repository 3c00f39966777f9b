import fs from 'node:fs'
import type { Readable } from 'node:stream'
import { ToolError } from '@pipelayer/errors'
import {
  type AnyRecord,
  type EndRecord,
  type FailedRecord,
  RecordWriter,
  readRecords,
  readReferences,
  UpstreamError,
} from '@pipelayer/records'
import { ByteWriter } from './byte-writer.js'
import {
  type Args,
  COMMON,
  type CommandHelp,
  type OptionTable,
  type Positionals,
  parseCommandLine,
  READING,
} from './options.js'
import { type Failure, failureOf, type Reporter, reporter } from './report.js'
import { type Stop, watchForStop } from './stop.js'
import { type TextForm, TextWriter } from './text-writer.js'

declare const PIPELAYER_VERSION: string | undefined

/** What a tool reads from stdin: records, a list of references, or nothing. In the last case stdin is not touched. */
export type Input = 'records' | 'references' | 'none'

/** The part of its process that a tool may use. */
export interface ToolContext {
  /** Aborted when the process gets a signal or the reader closes the pipe. */
  readonly signal: AbortSignal
  readonly env: Readonly<Record<string, string | undefined>>
  /** Standard input, for a tool that reads it as the file `-`. */
  readonly stdin: Readable
  warn(message: string, code?: string): void
  info(message: string): void
  /** Reports a detail that is shown only with `--verbose`. */
  detail(message: string): void
  /** Passes on lines of a command's output, separated by newlines; `from` names the command. */
  output(from: string, lines: Buffer): void
  /** The clock. */
  now(): Date
  /**
   * Runs `work` synchronously when the process ends, in whatever way except SIGKILL. Returns a function that cancels
   * this.
   */
  onExit(work: () => void): () => void
  /** From now on Ctrl-C is for a command that the tool runs on its terminal, and does not stop the tool. */
  leaveInterrupts(): void
}

export interface Tool<T extends OptionTable> {
  readonly name: string
  /** One line, no capital, no period. */
  readonly summary: string
  readonly options: T
  readonly positionals?: Positionals
  /** The commands with their help texts, for a tool whose first argument is a command. */
  readonly commands?: readonly CommandHelp[]
  readonly input: Input | ((args: Args<T>) => Input)
  readonly output?: 'records'
  /**
   * The text that stdout gets in place of records. Undefined means records, which a pipe gets unless the user asks for
   * text.
   */
  readonly text?: (args: Args<T>, stdout: { readonly terminal: boolean }) => TextForm | undefined
  /** True for a record, other than `failed`, that makes the exit status 1 although the stream is complete. */
  readonly isBad?: (record: AnyRecord, args: Args<T>) => boolean
  /** Does the tool's work. `records` is empty for a tool that reads none. */
  run(records: AsyncIterable<AnyRecord>, args: Args<T>, context: ToolContext): AsyncIterable<AnyRecord>
}

/** A tool that writes bytes, and no records. */
export interface ByteTool<T extends OptionTable> extends Omit<Tool<T>, 'output' | 'text' | 'isBad' | 'run'> {
  readonly output: 'bytes'
  /** True when the bytes do not go to stdout, so that stdout may be a terminal. */
  readonly isSilent?: (args: Args<T>) => boolean
  run(records: AsyncIterable<AnyRecord>, args: Args<T>, context: ToolContext): AsyncIterable<Uint8Array>
}

/**
 * A tool whose arguments decide whether it writes records or bytes. What its generator of bytes returns, if it is a
 * number, becomes the exit status: that of a command which it ran.
 */
export interface EitherTool<T extends OptionTable> extends Omit<Tool<T>, 'output' | 'run'> {
  readonly output: (args: Args<T>) => 'records' | 'bytes'
  readonly isSilent?: ByteTool<T>['isSilent']
  run(
    records: AsyncIterable<AnyRecord>,
    args: Args<T>,
    context: ToolContext,
  ): AsyncIterable<AnyRecord> | AsyncIterable<Uint8Array>
}

type AnyTool<T extends OptionTable> = Tool<T> | ByteTool<T> | EitherTool<T>

type CommonArgs = Args<typeof READING & typeof COMMON>

/** How long clean-up may take after a signal, before the process ends all the same. */
const GRACE_MS = 10_000
const NOTHING: Positionals = { synopsis: '', min: 0, max: 0 }

/**
 * Runs a tool as a process: parses the command line, reads and writes records, reports, and exits.
 *
 * The last line on stdout is `end` when the tool succeeded, else `error` with its cause; a terminal gets no `error`,
 * since stderr shows the cause. Stderr gets one line for each failure of this program. A failure further up the pipe
 * was reported by the program that failed, and is repeated only with `--verbose`.
 *
 * Exit status: 0 done; 1 the input is wrong, or a record of bad news, such as `failed`, was written; 2 the command line
 * is wrong, stdin untouched; 70 a bug; 75 the system or the network; 130 and 143 signals; 141 the reader closed the
 * pipe, which is not reported.
 */
export async function runTool<const T extends OptionTable>(tool: AnyTool<T>): Promise<never> {
  const table = { ...tool.options, ...(tool.input === 'none' ? {} : READING), ...COMMON } as T
  const { name, summary, positionals = NOTHING, commands = [] } = tool
  const head = { name, summary, positionals, commands }
  const plain = await reporter(tool.name, process.stderr, { quiet: false, json: false, noColor: noColor() })
  try {
    const { args, help } = await parseCommandLine(process.argv.slice(2), head, table)
    // The compiler cannot see through `T` that the common options are in the table.
    const common = args as unknown as CommonArgs
    if (common.help) return await leave(0, `${await help()}\n`)
    if (common.version) return await leave(0, `${tool.name} ${version()}\n`)
    const look = { quiet: common.quiet, json: common['log-format'] === 'json', noColor: noColor() }
    const report = await reporter(tool.name, process.stderr, look)
    return process.exit(await execute({ tool, args, common, report }))
  } catch (error) {
    const failure = failureOf(error)
    plain.fail(failure)
    return process.exit(failure.status)
  }
}

interface Run<T extends OptionTable> {
  readonly tool: AnyTool<T>
  readonly args: Args<T>
  readonly common: CommonArgs
  readonly report: Reporter
}

async function execute<T extends OptionTable>(run: Run<T>): Promise<number> {
  const { tool, args } = run
  const output = outputOf(run)
  const aborter = new AbortController()
  const stopped = new Promise<Stop>(resolve => {
    const stop = (why: Stop): void => {
      resolve(why)
      aborter.abort(why.error)
      // This ends a read that still waits for a record.
      process.stdin.destroy()
    }
    watchForStop(process.stdout, stop)
  })
  const records = input(run)
  const produced: AsyncIterator<Piece> = tool
    .run(records, args, context(run, aborter.signal))
    [Symbol.asyncIterator]()
  const outcome = await drain(produced, output, stopped)
  return finish(run, outcome, output)
}

type Piece = AnyRecord | Uint8Array

interface Writer {
  readonly records: number
  readonly failed: number
  write(piece: Piece): Promise<void>
  flush(): Promise<void>
}

interface Output {
  readonly writer: Writer
  /** Looks at each piece before it is written. */
  readonly watch: (piece: Piece) => void
  /** How many records were bad news. */
  bad: number
}

function outputOf<T extends OptionTable>(run: Run<T>): Output {
  const { tool, args } = run
  const { stdout } = process
  const terminal = stdout.isTTY === true
  const kind = typeof tool.output === 'function' ? tool.output(args) : tool.output
  if (kind === 'bytes') {
    if (terminal && !('isSilent' in tool && tool.isSilent?.(args)))
      throw new ToolError('USAGE', 'bytes are not written to a terminal: redirect stdout', { status: 2 })
    return { writer: new ByteWriter(stdout), watch: () => {}, bad: 0 }
  }
  const form = 'text' in tool ? tool.text?.(args, { terminal }) : undefined
  const writer = form === undefined ? new RecordWriter(stdout) : new TextWriter(stdout, form)
  const output: Output = {
    writer: writer as Writer,
    bad: 0,
    watch: piece => {
      const record = piece as AnyRecord
      if ('isBad' in tool && tool.isBad?.(record, args) === true) output.bad++
      // A `failed` record from further up the pipe was reported by the program that made it.
      if (record.type === 'failed' && record.tool === tool.name) run.report.fail(failureOfItem(record))
    },
  }
  return output
}

// By the schema of `failed` both fields are strings; the tests hold each tool to it.
function failureOfItem(record: AnyRecord): Failure {
  const { code, message } = record as FailedRecord
  return { code, message, status: 1 }
}

type Outcome = { readonly done: true; readonly returned: unknown } | { readonly error: unknown } | Stop

async function drain(
  produced: AsyncIterator<Piece>,
  output: Output,
  stopped: Promise<Stop>,
): Promise<Outcome> {
  const work = async (): Promise<Outcome> => {
    try {
      for (;;) {
        const next = await produced.next()
        if (next.done === true) return { done: true, returned: next.value }
        output.watch(next.value)
        await output.writer.write(next.value)
      }
    } catch (error) {
      return { error }
    }
  }
  const running = work()
  const first = await Promise.race([running, stopped])
  if (!('status' in first)) {
    if ('error' in first && isEpipe(first.error)) await Promise.race([produced.return?.(), patience()])
    return first
  }
  // The stage sees the signal, cleans up and ends; a stage that hangs is not waited for longer than this.
  await Promise.race([running.then(() => produced.return?.()), patience()])
  return first
}

async function finish<T extends OptionTable>(
  { tool: { name }, common, report }: Run<T>,
  outcome: Outcome,
  { writer, bad }: Output,
): Promise<number> {
  if ('status' in outcome && outcome.status === 141) return 141
  if ('error' in outcome && isEpipe(outcome.error)) return 141
  try {
    if ('done' in outcome) {
      const { records, failed } = writer
      await writer.write({ type: 'end', tool: name, records, failed } satisfies EndRecord)
      await writer.flush()
      if (typeof outcome.returned === 'number') return outcome.returned
      return failed > 0 || bad > 0 ? 1 : 0
    }
    const failure = failureOf(outcome.error)
    const isOnTerminal = process.stdout.isTTY === true
    // Records that were written before the failure appear above its message.
    if (isOnTerminal) await writer.flush()
    if (common.verbose || !isToldAbove(outcome.error)) report.fail(failure)
    if (!(isOnTerminal && writer instanceof RecordWriter))
      await writer.write(lastRecord(name, outcome.error, failure))
    await writer.flush()
    return 'status' in outcome ? outcome.status : failure.status
  } catch (error) {
    return outputFailed(error, report)
  }
}

/**
 * True where the program that failed has reported the error on its own stderr. A stream in a file does not count, since
 * nobody may have seen the run that made it.
 */
function isToldAbove(error: unknown): boolean {
  return error instanceof UpstreamError && !fs.fstatSync(0).isFile()
}

/**
 * The `error` record for the next program. One that came from upstream is passed on unchanged, since it has the first
 * cause.
 */
function lastRecord(tool: string, error: unknown, failure: Failure): AnyRecord {
  if (error instanceof UpstreamError) return error.record
  return { type: 'error', tool, code: failure.code, message: failure.message }
}

function outputFailed(error: unknown, report: Reporter): number {
  if (isEpipe(error)) return 141
  const failure = failureOf(error)
  report.fail(failure)
  return failure.status
}

/**
 * True for EPIPE of our own stdout. Code that writes to a socket or a child's stdin wraps the EPIPE of that, so it is
 * not seen here.
 */
function isEpipe(error: unknown): boolean {
  return (
    error instanceof Error &&
    Reflect.get(error, 'code') === 'EPIPE' &&
    Reflect.get(error, 'syscall') === 'write'
  )
}

function input<T extends OptionTable>({ tool, args, common }: Run<T>): AsyncIterable<AnyRecord> {
  const kind = typeof tool.input === 'function' ? tool.input(args) : tool.input
  if (kind === 'none') return nothing()
  if (kind === 'references') return readReferences(process.stdin)
  return readRecords(process.stdin, { noEnd: common['no-end'], streams: common.streams })
}

async function* nothing(): AsyncGenerator<AnyRecord, void, void> {}

function context<T extends OptionTable>({ common, report }: Run<T>, signal: AbortSignal): ToolContext {
  const work = new Set<() => void>()
  process.on('exit', () => {
    for (const clean of work) clean()
  })
  return {
    signal,
    env: process.env,
    get stdin() {
      return process.stdin
    },
    warn: report.warn,
    info: report.info,
    detail: message => common.verbose && report.info(message),
    output: report.output,
    now: () => new Date(),
    onExit: clean => {
      work.add(clean)
      return () => work.delete(clean)
    },
    leaveInterrupts: () => {
      process.removeAllListeners('SIGINT').on('SIGINT', () => {})
    },
  }
}

function patience(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, GRACE_MS).unref())
}

async function leave(status: number, text: string): Promise<never> {
  await new Promise(resolve => process.stdout.write(text, resolve))
  return process.exit(status)
}

function version(): string {
  return typeof PIPELAYER_VERSION === 'string' ? PIPELAYER_VERSION : 'unbundled'
}

function noColor(): boolean {
  return (process.env.NO_COLOR ?? '') !== ''
}
