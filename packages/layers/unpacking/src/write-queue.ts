/**
 * Small files, made by one thread, written and closed by the other one that has read their bytes.
 *
 * Making a file takes as long as writing and closing it: so two threads share the work of a tree of many files. Of a
 * large file the copy in the reading thread would hold up what it reads next.
 *
 * @module
 */

import { errnoOf, messageOf, systemError } from '@pipelayer/errors'
import { quoted } from '@pipelayer/rootfs'
import { closeFile, futimens, type TimeSpec, writeAll } from '@pipelayer/sys'
import type { ReadEntry } from '@pipelayer/tar'

/** Of files up to this size: two pieces of the tar at most. */
const MAX_BYTES = 1 << 17
/** Rows of a batch: to tell the other thread of one costs as much as ten files. */
const BATCH = 256
/** Batches under way before the next chunk of the tar is looked at: each file of them is open. */
const AHEAD = 2
/** Those, one that is filled by the chunk at hand, and the next. */
const SEGMENTS = AHEAD + 2
/** A disk that takes longer for some files is no disk. */
const PATIENCE_MS = 60_000
const SETID_BITS = 0o6000

/*
 * What is done to files, in order, six numbers a row:
 *
 *     descriptor | place of bytes in the ring | their length | 1: nothing more comes | seconds | nanoseconds
 */
const ROW = 6

/** Where rows go, a segment for each batch, used again. */
export const ROWS_BYTES = SEGMENTS * BATCH * ROW * Float64Array.BYTES_PER_ELEMENT

/** Why a row could not be done. */
export interface RowFailure {
  readonly row: number
  readonly code: string
  readonly message: string
}

/** What is said of a batch. */
export interface BatchDone {
  readonly batches: number
  readonly failure?: RowFailure
}

/** Whether an entry is for the other thread: nothing of it has to be set after its content, but for the time. */
export function fitsQueue(entry: ReadEntry): boolean {
  if (entry.size === 0 || entry.size > MAX_BYTES || (entry.mode & SETID_BITS) !== 0) return false
  if (entry.xattrs.size > 0 || entry.typeflag === 'S') return false
  return entry.pax.size === 0 || ![...entry.pax.keys()].some(key => key.startsWith('GNU.sparse.'))
}

/** What both sides share. */
export interface QueueMemory {
  /** The bytes of the tar. */
  readonly ring: SharedArrayBuffer
  /** Of {@link ROWS_BYTES}. */
  readonly rows: SharedArrayBuffer
  /** One number: batches that are done. */
  readonly written: Int32Array
}

/** The near side: collects what is to be done. */
export class WriteQueue {
  readonly #ring: SharedArrayBuffer
  readonly #rows: Float64Array
  readonly #written: Int32Array
  readonly #post: (count: number) => void
  /** Rows in the batch that is collected. */
  #size = 0
  #names: string[] = []
  /** Names in the batches under way, for messages. */
  readonly #underWay: (readonly string[])[] = []
  #posted = 0
  #failure: unknown
  #hasEnded = false
  #wake: () => void = () => undefined

  /** @param post - tells the far side that the next batch has so many rows */
  constructor({ ring, rows, written }: QueueMemory, post: (count: number) => void) {
    this.#ring = ring
    this.#rows = new Float64Array(rows)
    this.#written = written
    this.#post = post
  }

  /** Writes where the file stands. `bytes` stay as they are until the next chunk of the tar is asked for. */
  write(fd: number, bytes: Buffer, name: string): void {
    if (bytes.buffer === this.#ring) this.#add(fd, bytes, name)
    else {
      this.flush()
      writeAll(fd, bytes)
    }
  }

  /** Gives the file its time and closes it. */
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
    // More than a chunk can hold.
    if (this.#underWay.length >= SEGMENTS) this.flush()
  }

  /** To be called after each chunk. @throws the first failure */
  async turn(): Promise<void> {
    await this.#wait(AHEAD)
  }

  /** Resolves when all is written. @throws the first failure */
  async drain(): Promise<void> {
    this.send()
    await this.#wait(0)
  }

  /** As {@link drain} in a thread that blocks meanwhile, for who has to see the files. Failures come later. */
  flush(): void {
    const state = this.#written
    if (this.#size > 0) this.send()
    for (let done = Atomics.load(state, 0); done < this.#posted; done = Atomics.load(state, 0))
      if (Atomics.wait(state, 0, done, PATIENCE_MS) === 'timed-out')
        throw new Error(`no file was written for ${PATIENCE_MS} ms`)
  }

  /** What came back. */
  take({ failure }: BatchDone): void {
    const names = this.#underWay.shift()
    if (failure !== undefined) {
      const cause = Object.assign(new Error(failure.message), { code: failure.code })
      this.#failure ??= systemError(cause, `unpack entry ${quoted(names?.[failure.row] ?? '')}`)
    }
    this.#wake()
  }

  /** Nothing will come back any more. */
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

  /** Of the row that comes next, or of the one before it. */
  #place(from: 0 | -1): number {
    return ((this.#posted % SEGMENTS) * BATCH + this.#size + from) * ROW
  }
}

const NO_BYTES = new Uint8Array(0)

/** The far side. */
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

  /** Does what the next batch says; after a failure files are only closed. */
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
