/**
 * Decompresses what comes, by what it is and not by what it is called.
 *
 * @module
 */
import { overLimit, unsupported } from './errors.js'
import { type DetectedCompression, detectCompression, MAGIC_SIZE } from './format.js'
import { gunzip } from './gunzip.js'
import { unzstd } from './zstd.js'

export interface DecompressOptions {
  /** Bytes that may come out; no limit unless given. */
  readonly maxBytes?: number
  /**
   * Bytes that may come out for each byte that went in, looked at after `ratioFromBytes`; no limit unless given. gzip
   * reaches 1032 and zstd 32768 with a file of zeros, which a layer may well hold: a ratio fits small documents, for
   * layers it is `maxBytes` and the disk.
   */
  readonly maxRatio?: number
  /** Bytes out from which on `maxRatio` holds: 1 MiB unless given. */
  readonly ratioFromBytes?: number
  /** Nothing is kept of a chunk when the next one is asked for: then they may lie in the same memory. */
  readonly reuse?: boolean
  /** Told once what the bytes are, before the first of them comes out. */
  readonly onDetected?: (format: DetectedCompression) => void
}

type Stream = AsyncGenerator<Buffer, void, void>

const RATIO_FROM_BYTES = 1 << 20

/**
 * The bytes of `source` decompressed: gzip of many members, zstd of many frames, else as they are.
 *
 * Chunks have at most 256 KiB where they come from a decompressor. Reads one chunk ahead at most; leaving the loop
 * early frees the decompressor and closes the source.
 *
 * @throws ToolError COMPRESSION_INVALID, DECOMPRESSION_LIMIT, and COMPRESSION_UNSUPPORTED for bzip2 and xz, which a
 *   layer cannot be
 */
export async function* decompress(source: AsyncIterable<Buffer>, options: DecompressOptions = {}): Stream {
  const input = new Counted(source)
  try {
    const format = detectCompression(await input.peek(MAGIC_SIZE))
    options.onDetected?.(format)
    yield* limited(decoded(format, input.rest(), options), input, options)
  } finally {
    await input.close()
  }
}

function decoded(
  format: DetectedCompression,
  source: AsyncIterable<Buffer>,
  options: DecompressOptions,
): AsyncIterable<Buffer> {
  if (format === 'gzip') return gunzip(source)
  if (format === 'zstd') return unzstd(source, options)
  if (format === 'none') return source
  throw unsupported(`cannot decompress ${format}: layers are plain, gzip or zstd`)
}

async function* limited(source: AsyncIterable<Buffer>, input: Counted, options: DecompressOptions): Stream {
  const { maxBytes = Number.POSITIVE_INFINITY, maxRatio = Number.POSITIVE_INFINITY } = options
  const { ratioFromBytes = RATIO_FROM_BYTES } = options
  let size = 0
  for await (const bytes of source) {
    size += bytes.length
    if (size > maxBytes) throw overLimit(`more than ${maxBytes} bytes come out`)
    if (size > ratioFromBytes && size > maxRatio * input.size) {
      throw overLimit(`${size} bytes come out of ${input.size}, over ${maxRatio} times as many`)
    }
    yield bytes
  }
}

/** A source whose start can be looked at, and whose bytes are counted as they are used. */
class Counted {
  readonly #iterator: AsyncIterator<Buffer>
  #head: Buffer = Buffer.alloc(0)
  /** Bytes given out by {@link Counted.rest}. */
  size = 0

  constructor(source: AsyncIterable<Buffer>) {
    this.#iterator = source[Symbol.asyncIterator]()
  }

  /** The first `length` bytes, fewer where there are no more. */
  async peek(length: number): Promise<Buffer> {
    while (this.#head.length < length) {
      const next = await this.#iterator.next()
      if (next.done) break
      this.#head = this.#head.length === 0 ? next.value : Buffer.concat([this.#head, next.value])
    }
    return this.#head
  }

  /** Everything, from the start. Its end does not close the source. */
  async *rest(): Stream {
    const head = this.#head
    this.#head = Buffer.alloc(0)
    this.size += head.length
    if (head.length > 0) yield head
    for (let next = await this.#iterator.next(); !next.done; next = await this.#iterator.next()) {
      this.size += next.value.length
      yield next.value
    }
  }

  /** Closes the source. Idempotent. */
  async close(): Promise<void> {
    await this.#iterator.return?.()
  }
}
