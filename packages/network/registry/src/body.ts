import type { Dispatcher } from 'undici'
import type { Patience } from './patience.js'

/** Buffered chunks after which the socket is paused: about 4 of 64 KiB. */
const HIGH_WATER_BYTES = 256 * 1024
/** The most bytes that are read and dropped to keep a connection, since a new one costs more than that. */
const MAX_DISCARDED_BYTES = 64 * 1024

/**
 * The body of a response: chunks as they come off the socket, read once. The socket is paused while nobody reads.
 *
 * It is fed by undici's dispatcher directly, since undici's readable streams take more than twice the processor time
 * per byte.
 */
export class Body implements AsyncIterable<Buffer> {
  readonly #controller: Dispatcher.DispatchController
  readonly #translate: (error: Error) => Error
  readonly #patience: Patience | undefined
  #chunks: Buffer[] = []
  #bytes = 0
  #error: Error | undefined
  #ended = false
  #discarding = false
  #wake: (() => void) | undefined

  /** @param patience - counts the time that the reader waits */
  constructor(
    controller: Dispatcher.DispatchController,
    translate: (error: Error) => Error,
    patience?: Patience,
  ) {
    this.#controller = controller
    this.#translate = translate
    this.#patience = patience
  }

  /** @internal */
  push(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#discarding) {
      if (this.#bytes > MAX_DISCARDED_BYTES) this.#controller.abort(new Error('body not wanted'))
      return
    }
    this.#chunks.push(chunk)
    if (this.#bytes >= HIGH_WATER_BYTES) this.#controller.pause()
    this.#wake?.()
  }

  /** @internal */
  end(error?: Error): void {
    this.#ended = true
    this.#error = error
    this.#wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const chunks = this.#take()
        yield* chunks
        if (chunks.length > 0) continue
        if (this.#error !== undefined) throw this.#translate(this.#error)
        if (this.#ended) return
        this.#patience?.wait(error => this.#controller.abort(error))
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
        this.#patience?.rest()
        this.#wake = undefined
      }
    } finally {
      this.cancel()
    }
  }

  /** The whole body, or undefined as soon as it is longer than `limit` bytes. */
  async bytes(limit: number): Promise<Buffer | undefined> {
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of this) {
      size += chunk.length
      if (size > limit) return undefined
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** Drops a body that is not wanted. The connection is kept when little of the body is left. */
  cancel(): void {
    this.#discarding = true
    this.#bytes = 0
    this.#chunks = []
    if (this.#controller.paused) this.#controller.resume()
  }

  #take(): Buffer[] {
    const chunks = this.#chunks
    this.#patience?.came(this.#bytes)
    this.#chunks = []
    this.#bytes = 0
    if (this.#controller.paused) this.#controller.resume()
    return chunks
  }
}
