/**
 * Drives a stream of node:zlib chunk by chunk, so that it works no faster than its output is read.
 *
 * @module
 */
import type { Transform } from 'node:stream'
import { damaged } from './errors.js'

/** A stream of node:zlib: `bytesWritten` is how much of its input it has used. */
export type ZlibStream = Transform & { readonly bytesWritten: number }

/**
 * Owns `stream`. An error of it means that the data of `format` is damaged. The caller must call {@link Driver.close}
 * in every case.
 */
export class Driver {
  readonly #stream: ZlibStream
  readonly #format: string
  #isEnded = false
  #failure: Error | undefined
  #wake: () => void = () => undefined

  constructor(stream: ZlibStream, format: string) {
    this.#stream = stream
    this.#format = format
    stream.on('readable', () => this.#wake())
    stream.on('end', () => {
      this.#isEnded = true
      this.#wake()
    })
    stream.on('error', error => {
      this.#failure = error
      this.#wake()
    })
  }

  /** Bytes of input used: fewer than given where the data has ended by itself. */
  get used(): number {
    return this.#stream.bytesWritten
  }

  /** Writes `chunk` to the stream and yields the output, until the chunk is used up or the data has ended. */
  async *push(chunk: Buffer): AsyncGenerator<Buffer, void, void> {
    let isTaken = false
    this.#stream.write(chunk, () => {
      isTaken = true
      this.#wake()
    })
    yield* this.#output(() => isTaken)
  }

  /** Ends the input and yields the rest of the output. */
  async *finish(): AsyncGenerator<Buffer, void, void> {
    this.#stream.end()
    yield* this.#output(() => false)
  }

  /** Frees the stream's memory. Idempotent. */
  close(): void {
    this.#stream.destroy()
  }

  async *#output(isDone: () => boolean): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      if (this.#failure !== undefined) throw damaged(this.#format, this.#failure)
      const bytes: Buffer | null = this.#stream.read()
      if (bytes !== null) yield bytes
      else if (this.#isEnded || isDone()) return
      else await this.#change()
    }
  }

  #change(): Promise<void> {
    return new Promise(resolve => {
      this.#wake = resolve
    })
  }
}
