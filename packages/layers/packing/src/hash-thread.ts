/**
 * Computes a digest, and the checksum of gzip, in another thread while this one reads files.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import zlib from 'node:zlib'
import type { Digest } from '@pipelayer/digest'

/** Bytes that are kept before a thread is started, since its start takes some 30 ms. */
const KEPT_BYTES = 4 << 20
/**
 * Pieces of the ring buffer that passes bytes to the thread. Bytes are copied into it, since new shared memory for each
 * piece would be freed too late.
 */
const PIECES = 4
const PIECE_BYTES = 1 << 20

/**
 * The thread's program, as text: a file of its own would have to be found in a bundle, in dist and in the sources. In:
 * a piece of the ring, null at the end. Out: null for each piece that is done, then the sums.
 */
const PROGRAM = `
const { parentPort, workerData } = require('node:worker_threads')
const { crc32 } = require('node:zlib')
const hash = require('node:crypto').createHash('sha256')
let crc = 0
parentPort.on('message', bytes => {
  if (bytes === null) return parentPort.postMessage({ hex: hash.digest('hex'), crc })
  hash.update(bytes)
  if (workerData.hasChecksum) crc = crc32(bytes, crc)
  parentPort.postMessage(null)
})`

/** Node's own crc32, which 20.15 and later have. */
const crc32 = (zlib as { readonly crc32?: (bytes: Buffer, start: number) => number }).crc32

interface Sums {
  readonly hex: string
  readonly crc: number
}

/** Computes the SHA-256 of chunks, and where asked their CRC-32. The caller must call {@link close} in every case. */
export class ThreadHasher {
  readonly #hasChecksum: boolean
  #kept: Buffer[] = []
  #keptBytes = 0
  #thread: Worker | undefined
  readonly #ring: Buffer[] = []
  /** How many pieces were sent, and how many of them the thread has not finished. */
  #sent = 0
  #ahead = 0
  #ended = false
  #sums: Sums | undefined
  #failure: unknown
  #wake: () => void = () => undefined

  constructor({ checksum }: { readonly checksum: boolean }) {
    this.#hasChecksum = checksum && crc32 !== undefined
  }

  /** Takes `chunk`. Resolves when the next one may come, and this one may be written to. */
  async update(chunk: Buffer): Promise<void> {
    if (this.#thread === undefined && this.#keptBytes + chunk.length <= KEPT_BYTES) {
      this.#kept.push(Buffer.from(chunk))
      this.#keptBytes += chunk.length
      return
    }
    const thread = this.#started()
    const kept = this.#kept
    this.#kept = []
    for (const first of kept) await this.#send(thread, first)
    await this.#send(thread, chunk)
  }

  /** The digest. No `update` may follow. */
  async digest(): Promise<Digest> {
    return `sha256:${(await this.#end()).hex}`
  }

  /**
   * A function that gives the CRC-32 and ends the hashing, as {@link digest} does; undefined where it was not asked
   * for, or Node has no crc32.
   */
  get checksum(): (() => Promise<number>) | undefined {
    return this.#hasChecksum ? async () => (await this.#end()).crc : undefined
  }

  /** Ends the thread. Idempotent. */
  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  async #end(): Promise<Sums> {
    if (this.#thread === undefined) this.#sums ??= this.#sumsHere()
    else if (!this.#ended) this.#thread.postMessage(null)
    this.#ended = true
    while (this.#sums === undefined) await this.#change()
    return this.#sums
  }

  #sumsHere(): Sums {
    const hash = createHash('sha256')
    let crc = 0
    for (const chunk of this.#kept) {
      hash.update(chunk)
      if (this.#hasChecksum) crc = crc32?.(chunk, crc) ?? 0
    }
    return { hex: hash.digest('hex'), crc }
  }

  #started(): Worker {
    if (this.#thread !== undefined) return this.#thread
    const thread = new Worker(PROGRAM, {
      eval: true,
      execArgv: [],
      env: {},
      workerData: { hasChecksum: this.#hasChecksum },
    })
    thread.on('message', (sums: Sums | null) => {
      if (sums === null) this.#ahead--
      else this.#sums = sums
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
      // The thread finishes pieces in their order, so this one is free.
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
