/**
 * Finds where zstd frames end, without decompressing them.
 *
 *     zstd frame        28 b5 2f fd | descriptor | window, dictionary, content size | blocks | checksum
 *       block           3 bytes little endian: bit 0 last, bits 1-2 type, the others size | content
 *     skippable frame   5? 2a 4d 18 | 4 bytes size, little endian | content
 *
 * Spec: RFC 8878, 3.1.
 *
 * @module
 */

/** The part of a frame that comes next. */
type Part = 'magic' | 'skippable-size' | 'descriptor' | 'block' | 'end'

const MAGIC = 0xfd2fb528
const SKIPPABLE_MAGIC = 0x184d2a50
const RLE = 1
const RESERVED = 3
const CONTENT_SIZE_BYTES = [0, 2, 4, 8]
const DICTIONARY_BYTES = [0, 1, 2, 4]

/** Follows a stream of frames chunk by chunk. */
export class ZstdFrames {
  #part: Part = 'magic'
  /** Bytes of the current part that are to be read, as a little-endian number. */
  #wanted = 4
  #value = 0
  #shift = 0
  /** Bytes to pass over before the part. */
  #skip = 0
  #hasChecksum = false
  #isWhole = true

  /** Whether the stream so far ends with a whole frame. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /**
   * Cuts a chunk where frames end: every piece but the last one ends a frame.
   *
   * @throws Error where neither kind of frame begins, or a block is of the reserved type
   */
  *split(chunk: Buffer): Generator<Buffer, void, void> {
    for (let start = 0; start < chunk.length; ) {
      const end = this.#toFrameEnd(chunk, start)
      yield chunk.subarray(start, end)
      start = end
    }
  }

  #toFrameEnd(chunk: Buffer, start: number): number {
    let at = start
    while (at < chunk.length) {
      this.#isWhole = false
      const passed = Math.min(this.#skip, chunk.length - at)
      this.#skip -= passed
      at += passed
      if (this.#skip === 0 && this.#wanted > 0 && at < chunk.length) this.#read(chunk[at++] ?? 0)
      if (this.#skip === 0 && this.#wanted === 0) this.#next()
      if (this.#isWhole) return at
    }
    return at
  }

  #read(byte: number): void {
    this.#value += byte * 2 ** this.#shift
    this.#shift += 8
    this.#wanted--
  }

  /** Called when a part has been read; goes to the next one. */
  #next(): void {
    const value = this.#value
    if (this.#part === 'magic') this.#magic(value)
    else if (this.#part === 'skippable-size') this.#await('end', 0, value)
    else if (this.#part === 'descriptor') this.#await('block', 3, this.#headerSize(value))
    else if (this.#part === 'block') this.#block(value)
    else {
      this.#await('magic', 4)
      this.#isWhole = true
    }
  }

  #magic(magic: number): void {
    if (magic === MAGIC) this.#await('descriptor', 1)
    else if (magic - (magic % 16) === SKIPPABLE_MAGIC) this.#await('skippable-size', 4)
    else throw new Error('what follows is no zstd frame')
  }

  /** Bytes between the descriptor and the first block. */
  #headerSize(descriptor: number): number {
    const isSingle = (descriptor & 0x20) !== 0
    this.#hasChecksum = (descriptor & 4) !== 0
    const contentSize = CONTENT_SIZE_BYTES[descriptor >> 6] ?? 0
    const dictionary = DICTIONARY_BYTES[descriptor & 3] ?? 0
    // A single segment has no window byte, and always a content size.
    return dictionary + (isSingle ? Math.max(contentSize, 1) : contentSize + 1)
  }

  #block(header: number): void {
    const type = (header >> 1) & 3
    if (type === RESERVED) throw new Error('a block has the reserved type')
    const size = type === RLE ? 1 : header >> 3
    const isLast = (header & 1) === 1
    if (isLast) this.#await('end', 0, size + (this.#hasChecksum ? 4 : 0))
    else this.#await('block', 3, size)
  }

  #await(part: Part, wanted: number, skip = 0): void {
    this.#part = part
    this.#wanted = wanted
    this.#skip = skip
    this.#value = 0
    this.#shift = 0
    // Nothing to pass over and nothing to read: the frame ends right here.
    if (part === 'end' && skip === 0) this.#next()
  }
}
