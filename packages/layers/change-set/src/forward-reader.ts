/**
 * Ranges of a stream, in rising order.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

/** Reads ranges out of a stream and skips the bytes between them. */
export class ForwardReader {
  readonly #iterator: AsyncIterator<Buffer>
  readonly #name: string
  #rest: Buffer = Buffer.alloc(0)
  /** Bytes that were given out or passed over. */
  position = 0

  constructor(source: AsyncIterable<Buffer>, name: string) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#name = name
  }

  /** `offset` is not below {@link position}. @throws ToolError `CONTENT_OUT_OF_RANGE` */
  async *range(offset: number, length: number): AsyncGenerator<Buffer, void, void> {
    const end = offset + length
    while (this.position < offset) await this.#take(offset, end)
    while (this.position < end) yield await this.#take(end, end)
  }

  /** Reads to the end, since only then the digest of the bytes is known. */
  async finish(): Promise<void> {
    this.#rest = Buffer.alloc(0)
    for (let next = await this.#iterator.next(); next.done !== true; next = await this.#iterator.next());
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  /** The next bytes up to `limit`; `end` is what the caller needs in all. */
  async #take(limit: number, end: number): Promise<Buffer> {
    if (this.#rest.length === 0) {
      const next = await this.#iterator.next()
      if (next.done === true) throw outOfRange(this.#name, end)
      this.#rest = next.value
    }
    const bytes = this.#rest.subarray(0, limit - this.position)
    this.#rest = this.#rest.subarray(bytes.length)
    this.position += bytes.length
    return bytes
  }
}

/** @returns the error of a record that points past the end of its blob */
export function outOfRange(digest: string, end: number): ToolError {
  return new ToolError(
    'CONTENT_OUT_OF_RANGE',
    `a file should end at byte ${end} of ${digest}, which has fewer once it is decompressed`,
  )
}
