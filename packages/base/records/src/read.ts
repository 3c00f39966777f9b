import { pipeline, type Readable, Transform } from 'node:stream'
import { ToolError } from '@pipelayer/errors'
import split2 from 'split2'
import { parseRecord } from './parse.js'
import type { AnyRecord, ErrorRecord, ReferenceRecord } from './types.js'

/** Longest line that is read, in characters: 16 Mi. */
export const MAX_LINE_CHARS = 16 * 1024 * 1024

export interface ReadOptions {
  /** Accept a stream without an `end` record, such as one that was written by hand. */
  readonly noEnd?: boolean
  /**
   * How many `end` records must come, 1 unless given: one for each of several concatenated streams, whose images then
   * get distinct keys.
   */
  readonly streams?: number
}

/**
 * An `error` record came from a tool further up the pipe. That tool has reported the cause; this one only passes it on.
 */
export class UpstreamError extends ToolError {
  readonly record: ErrorRecord

  constructor(record: ErrorRecord) {
    super(record.code, `${record.tool} failed: ${record.message}`)
    this.record = record
  }
}

/**
 * Reads NDJSON records.
 *
 * The iteration ends only where the stream is complete: its last line was an `end`, and with `streams` that many came.
 * Neither `end` nor `error` records are yielded. Blank lines are skipped. Memory: one line.
 *
 * ```ts
 * for await (const record of readRecords(process.stdin)) if (record.type === 'layer') console.log(record)
 * ```
 *
 * @throws {ToolError} `RECORD_INVALID`, `RECORD_TOO_LONG`, `RECORD_NOT_UTF8` with the line's number; `INPUT_CUT` when
 *   the `end` is missing; `INPUT_AFTER_END`
 * @throws {UpstreamError} when an `error` record comes
 */
export async function* readRecords(
  input: Readable,
  options: ReadOptions = {},
): AsyncGenerator<AnyRecord, void, void> {
  const wanted = options.streams ?? 1
  let ends = 0
  let number = 0
  for await (const line of lines(input)) {
    number++
    if (line === '' || line.trim() === '') continue
    if (ends === wanted) throw afterEnd(number, wanted)
    const record = numbered(number, () => parseRecord(line))
    if (record.type === 'error') throw new UpstreamError(record as ErrorRecord)
    if (record.type === 'end') ends++
    else yield wanted > 1 ? keyed(record, ends) : record
  }
  if (options.noEnd !== true && ends < wanted) throw inputCut(ends, wanted)
}

/** Image keys are unique within one stream only, so in concatenated streams each key gets the number of its stream. */
function keyed(record: AnyRecord, stream: number): AnyRecord {
  const change = (key: unknown): unknown => (typeof key === 'string' ? `${stream + 1}.${key}` : key)
  const { image, partOf } = record
  return {
    ...record,
    ...(image === undefined ? {} : { image: change(image) }),
    ...(partOf === undefined ? {} : { partOf: change(partOf) }),
  }
}

/**
 * Reads references: plain lines, `reference` records, or both; other records pass. An `end` may come or not.
 * Lines that begin with `#` are comments.
 */
export async function* readReferences(input: Readable): AsyncGenerator<AnyRecord, void, void> {
  let number = 0
  for await (const line of lines(input)) {
    number++
    const text = line.trim()
    if (text === '' || text.startsWith('#')) continue
    const record = text.startsWith('{') ? numbered(number, () => parseRecord(text)) : plain(text)
    if (record.type === 'error') throw new UpstreamError(record as ErrorRecord)
    if (record.type !== 'end') yield record
  }
}

function plain(reference: string): ReferenceRecord {
  return { type: 'reference', reference }
}

async function* lines(input: Readable): AsyncGenerator<string, void, void> {
  const source = pipeline(
    input,
    utf8Only(),
    // Without `maxLength` split2 has no limit; it counts the text that it holds back in characters.
    split2({ maxLength: MAX_LINE_CHARS, decodeStrings: false, highWaterMark: 1024 }),
    () => {},
  )
  try {
    for await (const line of source) {
      if (line.length > MAX_LINE_CHARS) throw tooLong()
      yield line as string
    }
  } catch (error) {
    if (error instanceof Error && error.message === 'maximum buffer reached') throw tooLong()
    throw error
  } finally {
    input.destroy()
  }
}

/**
 * Refuses input that is not UTF-8: split2 would turn such bytes into U+FFFD, and a name would change without notice.
 */
function utf8Only(): Transform {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })
  const decode = (bytes: Buffer | undefined): string => {
    try {
      return bytes ? decoder.decode(bytes, { stream: true }) : decoder.decode()
    } catch (cause) {
      throw new ToolError('RECORD_NOT_UTF8', 'cannot read the records: the input is not UTF-8', { cause })
    }
  }
  const pass = (done: (error: Error | null, text?: string) => void, bytes?: Buffer): void => {
    try {
      done(null, decode(bytes))
    } catch (error) {
      done(error as Error)
    }
  }
  return new Transform({
    decodeStrings: true,
    encoding: 'utf8',
    transform: (chunk: Buffer, _encoding, done) => pass(done, chunk),
    flush: done => pass(done),
  })
}

function numbered<T>(number: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof ToolError && !(error instanceof UpstreamError))
      throw new ToolError(error.code, `line ${number}: ${error.message}`, { cause: error })
    throw error
  }
}

function inputCut(ends: number, wanted: number): ToolError {
  const count = wanted === 1 ? 'its "end" record' : `${wanted} "end" records, got ${ends}`
  return new ToolError(
    'INPUT_CUT',
    `cannot go on: the input ended before ${count}; its producer was cut short (--no-end takes a hand-written stream)`,
  )
}

function afterEnd(number: number, wanted: number): ToolError {
  return new ToolError(
    'INPUT_AFTER_END',
    `line ${number}: cannot take a record after ${wanted === 1 ? 'the "end"' : `${wanted} "end" records`}; for concatenated producers say --streams N`,
  )
}

function tooLong(): ToolError {
  return new ToolError('RECORD_TOO_LONG', `cannot read a line of more than ${MAX_LINE_CHARS} characters`)
}
