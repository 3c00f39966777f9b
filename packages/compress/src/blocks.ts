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

/** Blocks of `size` bytes, each with memory of its own. */
export async function* blocksOf(
  source: AsyncIterable<Buffer>,
  size: number,
): AsyncGenerator<Block, void, void> {
  let bytes = Buffer.allocUnsafeSlow(size)
  let used = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      // A full block waits until it is known that it is not the last.
      if (used === size) {
        yield { bytes, isLast: false }
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
