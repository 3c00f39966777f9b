import type { Writable } from 'node:stream'
import { visibleJson } from '@pipelayer/errors'
import type { AnyRecord } from './types.js'

/** Characters gathered before a write: records are small and system calls are not. */
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

  /** A promise only where the caller should wait: the reader is slow. Errors of the output are thrown from here. */
  write(record: AnyRecord): Promise<void> | undefined {
    if (this.#error !== undefined) throw this.#error
    this.records++
    if (record.type === 'failed') this.failed++
    const line = formatRecord(record)
    // JSON leaves all but the first 32 control characters as they are, and names of files may hold them.
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
