/**
 * The bytes that have arrived but have not been read yet.
 *
 * @module
 */

/** A queue of chunks. Reads return views of the chunks, except that a read across several chunks makes a copy. */
export class Input {
  #chunks: Buffer[] = []
  #size = 0
  #offset = 0
  /** Set by the owner when nothing more will come. */
  ended = false

  /** Bytes waiting. */
  get size(): number {
    return this.#size
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#size += chunk.length
  }

  /**
   * Copies the unread part of the last chunk, so that the owner of the chunk may use its memory again.
   *
   * The copy is joined to earlier chunks that are not much larger. So a long header that comes byte by byte is held in
   * few chunks, and each byte is copied some twenty times.
   */
  detach(): void {
    const last = this.#chunks.pop()
    if (last === undefined) return
    const joined = [last]
    let size = last.length
    for (let before = this.#chunks.at(-1); before !== undefined && before.length <= size; ) {
      joined.unshift(before)
      size += before.length
      this.#chunks.pop()
      before = this.#chunks.at(-1)
    }
    this.#chunks.push(Buffer.concat(joined, size))
  }

  /** Exactly `length` bytes, which must be there. */
  read(length: number): Buffer {
    const first = this.upTo(length)
    if (first.length === length) return first
    const parts = [first]
    for (let left = length - first.length; left > 0; ) {
      const part = this.upTo(left)
      parts.push(part)
      left -= part.length
    }
    return Buffer.concat(parts, length)
  }

  /** At most `length` bytes, without copying; empty only when nothing waits. */
  upTo(length: number): Buffer {
    const first = this.#chunks[0]
    if (first === undefined || length === 0) return EMPTY
    const bytes = first.length <= length ? first : first.subarray(0, length)
    if (bytes === first) this.#chunks.shift()
    else this.#chunks[0] = first.subarray(length)
    this.#size -= bytes.length
    this.#offset += bytes.length
    return bytes
  }
}

const EMPTY = Buffer.alloc(0)
