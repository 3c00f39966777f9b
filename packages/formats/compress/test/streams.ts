// Sources of bytes for tests.
import { createHash } from 'node:crypto'

export async function* cut(
  bytes: Buffer,
  step: number = bytes.length || 1,
): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, at + step)
}

export async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const bytes of source) parts.push(Buffer.from(bytes))
  return Buffer.concat(parts)
}

/** Bytes that shrink by a third, the same each time. */
export function sample(size: number): Buffer {
  const parts: string[] = []
  for (let i = 0; i * 24 < size; i++) parts.push(createHash('md5').update(String(i)).digest('base64'))
  return Buffer.from(parts.join(''), 'latin1').subarray(0, size)
}

/** An endless source that counts how much was read from it and notes whether it was closed. */
export class Watched {
  asked = 0
  isClosed = false
  readonly #chunk: Buffer

  constructor(chunk: Buffer) {
    this.#chunk = chunk
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, void, void> {
    try {
      for (;;) {
        this.asked++
        yield this.#chunk
      }
    } finally {
      this.isClosed = true
    }
  }
}

export async function* failing(first: Buffer): AsyncGenerator<Buffer, void, void> {
  yield first
  throw new RangeError('the source broke')
}
