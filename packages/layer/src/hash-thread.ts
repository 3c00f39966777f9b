/**
 * A digest that another thread computes, while this one reads files.
 *
 * @module
 */
import { Worker } from 'node:worker_threads'
import { type Digest, Hasher } from '@pipelayer/digest'

/** Chunks that are kept until a thread is worth its start, some 30 ms. */
const KEPT_CHUNKS = 4
/** The ring through which bytes go: a piece is copied, since shared memory that is made anew is freed too late. */
const PIECES = 4
const PIECE_BYTES = 1 << 20

/**
 * The thread's program, as text: a file of its own would have to be found from a bundle, from dist and from sources.
 * In: a piece of the ring, null at the end. Out: null for each piece that is done, the digest in hex.
 */
const PROGRAM = `
const { parentPort } = require('node:worker_threads')
const hash = require('node:crypto').createHash('sha256')
parentPort.on('message', bytes => {
  if (bytes !== null) hash.update(bytes)
  parentPort.postMessage(bytes === null ? hash.digest('hex') : null)
})`

/** Computes the SHA-256 of chunks. Every way out must call {@link close}. */
export class ThreadHasher {
  readonly #kept: Buffer[] = []
  #thread: Worker | undefined
  readonly #ring: Buffer[] = []
  /** Pieces that were sent, and those of them that the thread is not done with. */
  #sent = 0
  #ahead = 0
  #hex: string | undefined
  #failure: unknown
  #wake: () => void = () => undefined

  /** Takes `chunk`, which must not be written to again: the first ones are kept. Resolves when the next one may come. */
  async update(chunk: Buffer): Promise<void> {
    if (this.#thread === undefined && this.#kept.length < KEPT_CHUNKS) {
      this.#kept.push(chunk)
      return
    }
    const thread = this.#started()
    for (const kept of this.#kept.splice(0)) await this.#send(thread, kept)
    await this.#send(thread, chunk)
  }

  /** Ends it: no `update` may follow. */
  async digest(): Promise<Digest> {
    if (this.#thread === undefined) return this.#digestHere()
    this.#thread.postMessage(null)
    while (this.#hex === undefined) await this.#change()
    return `sha256:${this.#hex}`
  }

  /** Ends the thread. Idempotent. */
  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  #digestHere(): Digest {
    const hasher = new Hasher()
    for (const chunk of this.#kept) hasher.update(chunk)
    return hasher.digest()
  }

  #started(): Worker {
    if (this.#thread !== undefined) return this.#thread
    const thread = new Worker(PROGRAM, { eval: true, execArgv: [], env: {} })
    thread.on('message', (hex: string | null) => {
      if (hex === null) this.#ahead--
      else this.#hex = hex
      this.#wake()
    })
    thread.on('error', error => {
      this.#failure = error
      this.#wake()
    })
    this.#thread = thread
    return thread
  }

  async #send(thread: Worker, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      while (this.#ahead >= PIECES) await this.#change()
      // The thread is done with pieces in their order, so this one is free.
      const slot = this.#sent++ % PIECES
      const piece = (this.#ring[slot] ??= Buffer.from(new SharedArrayBuffer(PIECE_BYTES)))
      const copied = chunk.copy(piece, 0, at, at + PIECE_BYTES)
      this.#ahead++
      thread.postMessage(piece.subarray(0, copied))
    }
  }

  async #change(): Promise<void> {
    await new Promise<void>(resolve => {
      this.#wake = resolve
    })
    if (this.#failure !== undefined) throw this.#failure
  }
}
