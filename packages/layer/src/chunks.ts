/**
 * Joins headers and contents into chunks of one size, since small ones cost more to hash and compress.
 *
 * @module
 */
import fs from 'node:fs'

const CHUNK_BYTES = 256 * 1024

/** Collects bytes; a chunk that was given out is not written to again. */
export class Chunks {
  #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0
  readonly #full: Buffer[] = []

  add(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const copied = bytes.copy(this.#chunk, this.#used, done)
      done += copied
      this.#advance(copied)
    }
  }

  /** Reads at most `length` bytes of a file into the current chunk; 0 at its end. */
  readFrom(fd: number, length: number): number {
    const read = fs.readSync(fd, this.#chunk, this.#used, Math.min(length, CHUNK_BYTES - this.#used), null)
    this.#advance(read)
    return read
  }

  /** The chunks that are full. */
  take(): Buffer[] {
    return this.#full.splice(0)
  }

  /** What is left. */
  rest(): Buffer {
    return this.#chunk.subarray(0, this.#used)
  }

  #advance(count: number): void {
    this.#used += count
    if (this.#used < CHUNK_BYTES) return
    this.#full.push(this.#chunk)
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    this.#used = 0
  }
}
