import type { Writable } from 'node:stream'
import type { AnyRecord } from '@pipelayer/records'

/**
 * A writer with the methods of RecordWriter that writes bytes as they are. Only the exit status says whether they are
 * complete.
 */
export class ByteWriter {
  readonly records = 0
  readonly failed = 0
  readonly #output: Writable

  constructor(output: Writable) {
    this.#output = output
  }

  write(piece: AnyRecord | Uint8Array): Promise<void> {
    return piece instanceof Uint8Array ? this.#send(piece) : Promise.resolve()
  }

  /** Every write is awaited: nothing is held back. */
  flush(): Promise<void> {
    return Promise.resolve()
  }

  #send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#output.write(bytes, error => (error ? reject(error) : resolve()))
    })
  }
}
