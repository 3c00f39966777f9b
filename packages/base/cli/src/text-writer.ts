import type { Writable } from 'node:stream'
import { visible } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'

/** How a tool shows its records as text: what `--format` asks for, or what a terminal gets. */
export interface TextForm {
  /** The text of one record, line ends included; empty for one that is not shown. */
  record(record: AnyRecord): string
  /** The text that ends the output: `last` is the `end` record, or the `error` that stopped the tool. */
  end(last: AnyRecord): string
}

/**
 * A writer with the methods of RecordWriter that writes text. Errors of the output are thrown by `write` and `flush`.
 */
export class TextWriter {
  records = 0
  failed = 0
  readonly #output: Writable
  readonly #form: TextForm
  readonly #isTerminal: boolean

  constructor(output: Writable & { readonly isTTY?: boolean }, form: TextForm) {
    this.#output = output
    this.#form = form
    this.#isTerminal = output.isTTY === true
  }

  write(record: AnyRecord): Promise<void> {
    const isLast = record.type === 'end' || record.type === 'error'
    const text = isLast ? this.#form.end(record) : this.#form.record(record)
    if (!isLast) this.records++
    if (record.type === 'failed') this.failed++
    // Line ends and tabs are the only control characters that a terminal gets, whatever text the form returns.
    return this.#send(this.#isTerminal ? text.replace(/[^\n\t]+/g, visible) : text)
  }

  /** Every write is awaited: nothing is held back. */
  flush(): Promise<void> {
    return this.#send('')
  }

  #send(text: string): Promise<void> {
    if (text === '') return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#output.write(text, error => (error ? reject(error) : resolve()))
    })
  }
}
