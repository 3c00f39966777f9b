/**
 * Joins headers and contents into chunks of one size, since small ones cost more to hash and compress.
 *
 * @module
 */
import fs from 'node:fs'

/** The result for an entry that fills no chunk, which is the usual case. */
const NONE: readonly Buffer[] = []

/**
 * Memory of chunks of one size. It is used again, since new memory for each chunk would cause a garbage collection for
 * every 64 MiB of a layer, and page faults for all of its bytes.
 */
export class ChunkPool {
  /** Bytes of a chunk. */
  readonly size: number
  readonly #spare: Buffer[] = []

  constructor(size: number) {
    this.size = size
  }

  /** Memory for a chunk and one byte more. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.size + 1)
  }

  /** Takes back a chunk that nobody reads any more. A buffer that is not from this pool is ignored. */
  readonly give = (chunk: Buffer): void => {
    if (chunk.length === this.size && chunk.buffer.byteLength === this.size + 1)
      this.#spare.push(Buffer.from(chunk.buffer))
  }
}

/** Collects bytes into chunks. A chunk that was given out is not written to until the pool has it back. */
export class Chunks {
  readonly #pool: ChunkPool
  #chunk: Buffer
  #used = 0
  readonly #full: Buffer[] = []

  constructor(pool: ChunkPool) {
    this.#pool = pool
    this.#chunk = pool.take()
  }

  add(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const copied = bytes.copy(this.#chunk, this.#used, done, done + this.#pool.size - this.#used)
      done += copied
      this.#advance(copied)
    }
  }

  /**
   * Reads at the current position of a file, at most the `left` bytes that are still wanted of it. Returns how many
   * were read: 0 at the end of the file, -1 where the file has more than `left` bytes. A file that fits takes one read
   * and no fstat.
   */
  readFrom(fd: number, left: number): number {
    const room = this.#pool.size - this.#used
    // One byte more than wanted is asked for, to see that the file ends there. The memory has room for it behind the
    // chunk.
    const read = fs.readSync(fd, this.#chunk, this.#used, left > room ? room : left + 1, null)
    if (read > left) return -1
    this.#advance(read)
    return read
  }

  /** The chunks that are full. */
  take(): readonly Buffer[] {
    return this.#full.length === 0 ? NONE : this.#full.splice(0)
  }

  /** The last chunk, which need not be full. */
  rest(): Buffer {
    return this.#chunk.subarray(0, this.#used)
  }

  #advance(count: number): void {
    this.#used += count
    const { size } = this.#pool
    if (this.#used < size) return
    this.#full.push(this.#chunk.subarray(0, size))
    this.#chunk = this.#pool.take()
    this.#used = 0
  }
}
