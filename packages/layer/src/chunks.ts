/**
 * Joins headers and contents into chunks of one size, since small ones cost more to hash and compress.
 *
 * @module
 */
import fs from 'node:fs'

/** That of the blocks of gzip, which are then taken as they are. */
const CHUNK_BYTES = 1 << 20
/** What an entry fills, mostly. */
const NONE: readonly Buffer[] = []

/** Collects bytes; a chunk that was given out is not written to again. */
export class Chunks {
  #chunk = newChunk()
  #used = 0
  readonly #full: Buffer[] = []

  add(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const copied = bytes.copy(this.#chunk, this.#used, done, done + CHUNK_BYTES - this.#used)
      done += copied
      this.#advance(copied)
    }
  }

  /**
   * Reads from where the file stands, at most the `left` bytes that are wanted of it; 0 at its end, -1 where it has
   * more than these. A file that fits takes one read and no fstat.
   */
  readFrom(fd: number, left: number): number {
    const room = CHUNK_BYTES - this.#used
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
    if (this.#used < CHUNK_BYTES) return
    this.#full.push(this.#chunk.subarray(0, CHUNK_BYTES))
    this.#chunk = newChunk()
    this.#used = 0
  }
}

function newChunk(): Buffer {
  return Buffer.allocUnsafeSlow(CHUNK_BYTES + 1)
}
