/**
 * Joins headers and contents into chunks of one size, since small ones cost more to hash and compress.
 *
 * @module
 */
import fs from 'node:fs'

/** What an entry fills, mostly. */
const NONE: readonly Buffer[] = []

/**
 * Memory of chunks of one size. New memory for each would make the collector run for every 64 MiB of a layer, and the
 * kernel clear as many pages as the layer has.
 */
export class ChunkPool {
  /** Bytes of a chunk. */
  readonly size: number
  readonly #spare: Buffer[] = []

  constructor(size: number) {
    this.size = size
  }

  /** Room for a chunk and one byte more. */
  take(): Buffer {
    return this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.size + 1)
  }

  /** Takes a chunk back that nobody reads any more; what is none of its own is left alone. */
  readonly give = (chunk: Buffer): void => {
    if (chunk.length === this.size && chunk.buffer.byteLength === this.size + 1)
      this.#spare.push(Buffer.from(chunk.buffer))
  }
}

/** Collects bytes; a chunk that was given out is not written to before the pool has it back. */
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
   * Reads from where the file stands, at most the `left` bytes that are wanted of it; 0 at its end, -1 where it has
   * more than these. A file that fits takes one read and no fstat.
   */
  readFrom(fd: number, left: number): number {
    const room = this.#pool.size - this.#used
    // One byte more than the last ones: none must come. There is room for it behind the chunk.
    const read = fs.readSync(fd, this.#chunk, this.#used, left > room ? room : left + 1, null)
    if (read > left) return -1
    this.#advance(read)
    return read
  }

  /** The chunks that are full. */
  take(): readonly Buffer[] {
    return this.#full.length === 0 ? NONE : this.#full.splice(0)
  }

  /** What is left. */
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
