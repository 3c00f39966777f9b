import type { Writable } from 'node:stream'
import { visibleJson } from '@pipelayer/errors'
import type { AnyRecord } from './types.js'

/** Characters that are gathered before a write, since a system call for each small record would be slow. */
const BATCH_CHARS = 64 * 1024

/** One record as a line, newline included. */
export function formatRecord(record: AnyRecord): string {
  return `${JSON.stringify(record)}\n`
}

/**
 * Writes records as NDJSON with back-pressure.
 *
 * Lines are gathered up to 64 Ki characters, or until the program has nothing else to do: a record never waits for
 * the next one to be made.
 */
export class RecordWriter {
  /** Records written, and how many of them are `failed`. */
  records = 0
  failed = 0
  #batch = ''
  #flushing: Promise<void> = Promise.resolve()
  #scheduled = false
  #error: unknown
  readonly #output: Writable
  readonly #isTerminal: boolean

  constructor(output: Writable & { readonly isTTY?: boolean }) {
    this.#output = output
    this.#isTerminal = output.isTTY === true
  }

  /** Returns a promise only where the caller should wait because the reader is slow. Throws errors of the output. */
  write(record: AnyRecord): Promise<void> | undefined {
    if (this.#error !== undefined) throw this.#error
    this.records++
    if (record.type === 'failed') this.failed++
    const line = formatRecord(record)
    // JSON escapes only the first 32 control characters, and names of files may hold the others.
    this.#batch += this.#isTerminal ? visibleJson(line) : line
    if (this.#batch.length >= BATCH_CHARS) return this.flush()
    this.#schedule()
    return undefined
  }

  /** Resolves when everything written so far has left the program. */
  flush(): Promise<void> {
    const text = this.#batch
    this.#batch = ''
    this.#flushing = this.#flushing.then(() => {
      if (this.#error !== undefined) throw this.#error
      return text === '' ? undefined : this.#send(text)
    })
    return this.#flushing
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      // The error, if any, is thrown by the next write or flush.
      this.flush().catch(() => {})
    })
  }

  #send(text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(text, error => {
        if (!error) return resolve()
        this.#error = error
        reject(error)
      })
    })
  }
}
