/**
 * Cuts a stream into blocks of one size, whatever the chunks it comes in.
 *
 * @module
 */

/** A piece of the stream; `isLast` is true for exactly one, which may be shorter, and is empty for an empty stream. */
export interface Block {
  readonly bytes: Buffer
  readonly isLast: boolean
}

const EMPTY = Buffer.alloc(0)

/**
 * Blocks of `size` bytes. A chunk that is one as it stands is not copied, so its memory must not be written to again;
 * the others have memory of their own.
 */
export async function* blocksOf(
  source: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<Block, void, void> {
  let bytes: Buffer = EMPTY
  let used = 0
  for await (const chunk of source) {
    if (chunk.length === size && (used === 0 || used === size)) {
      // A full block waits until it is known that it is not the last.
      if (used === size) yield { bytes, isLast: false }
      bytes = chunk
      used = size
      continue
    }
    for (let at = 0; at < chunk.length; ) {
      if (used === size) yield { bytes, isLast: false }
      if (used === size || bytes === EMPTY) {
        bytes = Buffer.allocUnsafeSlow(size)
        used = 0
      }
      const copied = chunk.copy(bytes, used, at)
      used += copied
      at += copied
    }
  }
  yield { bytes: bytes.subarray(0, used), isLast: true }
}
