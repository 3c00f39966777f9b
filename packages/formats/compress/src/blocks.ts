/**
 * Cuts a stream into blocks of one size, whatever the sizes of its chunks.
 *
 * @module
 */

/**
 * A piece of the stream. `isLast` is true for exactly one block, which may be shorter than the others, and is empty for
 * an empty stream.
 */
export interface Block {
  readonly bytes: Buffer
  readonly isLast: boolean
  /** To be called once when nobody reads `bytes` any more: their memory is used again. */
  release(): void
}

/** Called with a chunk of the source that nobody reads any more. */
export type Free = (chunk: Buffer) => void

const EMPTY = Buffer.alloc(0)
const nothing = (): void => undefined

/**
 * Blocks of `size` bytes. A chunk of exactly that size is not copied, so its memory must not be written to before
 * `free` is called with it. Other chunks are copied into memory that earlier blocks have released.
 */
export async function* blocksOf(
  source: AsyncIterable<Buffer>,
  size: number,
  free: Free = nothing,
): AsyncGenerator<Block, void, void> {
  const collector = new Collector(size)
  let full: Block | undefined
  for await (const chunk of source) {
    if (chunk.length === size && collector.isEmpty) {
      // A full block is held back until more input shows that it is not the last one.
      if (full !== undefined) yield full
      full = { bytes: chunk, isLast: false, release: () => free(chunk) }
      continue
    }
    for (let at = 0; at < chunk.length; ) {
      if (full !== undefined) yield full
      full = undefined
      at += collector.take(chunk, at)
      if (collector.isFull) full = collector.block()
    }
    free(chunk)
  }
  yield { ...(full ?? collector.block()), isLast: true }
}

/** Copies chunks into blocks. */
class Collector {
  readonly #size: number
  readonly #spare: Buffer[] = []
  #bytes: Buffer = EMPTY
  #used = 0

  constructor(size: number) {
    this.#size = size
  }

  get isEmpty(): boolean {
    return this.#used === 0
  }

  get isFull(): boolean {
    return this.#used === this.#size
  }

  /** Copies `chunk` from `at` on, as far as there is room, and returns how many bytes it copied. */
  take(chunk: Buffer, at: number): number {
    if (this.#used === 0) this.#bytes = this.#spare.pop() ?? Buffer.allocUnsafeSlow(this.#size)
    const copied = chunk.copy(this.#bytes, this.#used, at)
    this.#used += copied
    return copied
  }

  /** The block of what was taken since the block before. */
  block(): Block {
    const bytes = this.#bytes
    const block = {
      bytes: bytes.subarray(0, this.#used),
      isLast: false,
      release: () => void this.#spare.push(bytes),
    }
    this.#bytes = EMPTY
    this.#used = 0
    return block
  }
}
