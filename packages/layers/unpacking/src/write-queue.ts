/**
 * Small files are made by one thread, and written and closed by the other thread, which has read their bytes.
 *
 * Making a file takes as long as writing and closing it, so two threads share the work of a tree of many files. Large
 * files are not passed on, since copying one in the reading thread would delay its reading.
 *
 * @module
 */

import { errnoOf, messageOf, systemError } from '@pipelayer/errors'
import { quoted } from '@pipelayer/rootfs'
import { closeFile, futimens, type TimeSpec, writeAll } from '@pipelayer/sys'
import type { ReadEntry } from '@pipelayer/tar'

/** The largest file that is passed on, in bytes: two pieces of the tar at most. */
const MAX_BYTES = 1 << 17
/** Rows of a batch. A message to the other thread costs as much as ten files, so one is sent for each batch. */
const BATCH = 256
/** The most unfinished batches before the next chunk of the tar is parsed. Each file in them is open. */
const AHEAD = 2
/**
 * There is a segment for each unfinished batch, one for the batch that the current chunk fills, and one for the next.
 */
const SEGMENTS = AHEAD + 2
/** A disk that takes longer for a few files counts as broken. */
const PATIENCE_MS = 60_000
const SETID_BITS = 0o6000

/**
 * The work on files, in order. Each row has six numbers:
 *
 *     descriptor | place of bytes in the ring | their length | 1: nothing more comes | seconds | nanoseconds
 */
const ROW = 6

/** Bytes of the memory for rows: a segment for each batch, which is used again. */
export const ROWS_BYTES = SEGMENTS * BATCH * ROW * Float64Array.BYTES_PER_ELEMENT

/** Why the work of a row failed. */
export interface RowFailure {
  readonly row: number
  readonly code: string
  readonly message: string
}

/** The result of a batch. */
export interface BatchDone {
  readonly batches: number
  readonly failure?: RowFailure
}

/** Whether an entry can be passed to the other thread: only its time has to be set after its content. */
export function fitsQueue(entry: ReadEntry): boolean {
  if (entry.size === 0 || entry.size > MAX_BYTES || (entry.mode & SETID_BITS) !== 0) return false
  if (entry.xattrs.size > 0 || entry.typeflag === 'S') return false
  return entry.pax.size === 0 || ![...entry.pax.keys()].some(key => key.startsWith('GNU.sparse.'))
}

/** The memory that both sides share. */
export interface QueueMemory {
  /** The bytes of the tar. */
  readonly ring: SharedArrayBuffer
  /** The rows, of {@link ROWS_BYTES} bytes. */
  readonly rows: SharedArrayBuffer
  /** One number: how many batches are finished. */
  readonly written: Int32Array
}

/** The main thread's side: collects the work. */
export class WriteQueue {
  readonly #ring: SharedArrayBuffer
  readonly #rows: Float64Array
  readonly #written: Int32Array
  readonly #post: (count: number) => void
  /** Rows in the current batch. */
  #size = 0
  #names: string[] = []
  /** The names of files in each unfinished batch, for messages. */
  readonly #underWay: (readonly string[])[] = []
  #posted = 0
  #failure: unknown
  #hasEnded = false
  #wake: () => void = () => undefined

  /** @param post - tells the other side the number of rows of the next batch */
  constructor({ ring, rows, written }: QueueMemory, post: (count: number) => void) {
    this.#ring = ring
    this.#rows = new Float64Array(rows)
    this.#written = written
    this.#post = post
  }

  /**
   * Writes at the current position of the file. `bytes` must not change until the next chunk of the tar is asked for.
   */
  write(fd: number, bytes: Buffer, name: string): void {
    if (bytes.buffer === this.#ring) this.#add(fd, bytes, name)
    else {
      this.flush()
      writeAll(fd, bytes)
    }
  }

  /** Sets the time of the file and closes it. */
  finish(fd: number, mtime: TimeSpec, name: string): void {
    if (this.#size === 0 || this.#rows[this.#place(-1)] !== fd) this.#add(fd, NO_BYTES, name)
    const at = this.#place(-1)
    this.#rows[at + 3] = 1
    this.#rows[at + 4] = mtime.seconds
    this.#rows[at + 5] = mtime.nanoseconds
  }

  /** Lets the other thread begin. To be called before it may use the memory of chunks again. */
  send(): void {
    if (this.#size === 0) return
    if (!this.#hasEnded) {
      this.#underWay.push(this.#names)
      this.#post(this.#size)
      this.#posted++
    }
    this.#names = []
    this.#size = 0
    // One chunk cannot fill so many batches. Should it happen all the same, no segment is free, so this waits.
    if (this.#underWay.length >= SEGMENTS) this.flush()
  }

  /** To be called after each chunk. @throws the first failure */
  async turn(): Promise<void> {
    await this.#wait(AHEAD)
  }

  /** Resolves when all files are written. @throws the first failure */
  async drain(): Promise<void> {
    this.send()
    await this.#wait(0)
  }

  /** As {@link drain}, but blocks this thread, for callers that have to read the files. Failures are reported later. */
  flush(): void {
    const state = this.#written
    if (this.#size > 0) this.send()
    for (let done = Atomics.load(state, 0); done < this.#posted; done = Atomics.load(state, 0))
      if (Atomics.wait(state, 0, done, PATIENCE_MS) === 'timed-out')
        throw new Error(`no file was written for ${PATIENCE_MS} ms`)
  }

  /** Takes the result of a batch. */
  take({ failure }: BatchDone): void {
    const names = this.#underWay.shift()
    if (failure !== undefined) {
      const cause = Object.assign(new Error(failure.message), { code: failure.code })
      this.#failure ??= systemError(cause, `unpack entry ${quoted(names?.[failure.row] ?? '')}`)
    }
    this.#wake()
  }

  /** Called when the other thread has ended, so that no further result comes. */
  fail(error: unknown): void {
    this.#failure ??= error
    this.#hasEnded = true
    this.#underWay.length = 0
    this.#wake()
  }

  async #wait(ahead: number): Promise<void> {
    while (this.#underWay.length > ahead)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    if (this.#failure !== undefined) throw this.#failure
  }

  #add(fd: number, bytes: Uint8Array, name: string): void {
    if (this.#size === BATCH) this.send()
    const at = this.#place(0)
    this.#rows[at] = fd
    this.#rows[at + 1] = bytes.byteOffset
    this.#rows[at + 2] = bytes.length
    this.#rows[at + 3] = 0
    this.#names.push(name)
    this.#size++
  }

  /** The offset of the next row, or of the one before it. */
  #place(from: 0 | -1): number {
    return ((this.#posted % SEGMENTS) * BATCH + this.#size + from) * ROW
  }
}

const NO_BYTES = new Uint8Array(0)

/** The other thread's side, which does the work. */
export class RowWriter {
  readonly #ring: Buffer
  readonly #rows: Float64Array
  readonly #written: Int32Array
  #batch = 0
  #hasFailed = false

  constructor({ ring, rows, written }: QueueMemory) {
    this.#ring = Buffer.from(ring)
    this.#rows = new Float64Array(rows)
    this.#written = written
  }

  /** Does the work of the next batch. After a failure files are only closed. */
  write(count: number): BatchDone {
    const start = (this.#batch++ % SEGMENTS) * BATCH * ROW
    let failure: RowFailure | undefined
    for (let row = 0; row < count; row++) {
      try {
        this.#writeRow(start + row * ROW)
      } catch (error) {
        this.#hasFailed = true
        failure ??= { row, code: errnoOf(error) ?? 'EIO', message: messageOf(error) }
      }
    }
    Atomics.store(this.#written, 0, this.#batch)
    Atomics.notify(this.#written, 0)
    return { batches: this.#batch, ...(failure === undefined ? {} : { failure }) }
  }

  #writeRow(at: number): void {
    const [fd, start, length] = [this.#at(at), this.#at(at + 1), this.#at(at + 2)]
    const isLast = this.#at(at + 3) === 1
    try {
      if (!this.#hasFailed && length > 0) writeAll(fd, this.#ring.subarray(start, start + length))
      if (!this.#hasFailed && isLast)
        futimens(fd, { seconds: this.#at(at + 4), nanoseconds: this.#at(at + 5) })
    } finally {
      if (isLast) closeFile(fd)
    }
  }

  #at(index: number): number {
    return this.#rows[index] ?? 0
  }
}
