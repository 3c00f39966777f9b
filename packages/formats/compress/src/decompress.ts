/**
 * Decompresses a stream by the format that its first bytes show, not by its name.
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
   * Bytes that may come out for each byte that went in, checked after `ratioFromBytes`; no limit unless given. A file
   * of zeros, which a layer may well hold, reaches 1032 with gzip and 32768 with zstd. So a ratio suits small
   * documents; layers are limited by `maxBytes` and by the disk.
   */
  readonly maxRatio?: number
  /** The number of bytes that have come out before `maxRatio` is checked: 1 MiB unless given. */
  readonly ratioFromBytes?: number
  /**
   * The caller keeps nothing of a chunk when it asks for the next one, so that all chunks may lie in the same memory.
   */
  readonly reuse?: boolean
  /** Called once with the format of the bytes, before the first of them comes out. */
  readonly onDetected?: (format: DetectedCompression) => void
}

type Stream = AsyncGenerator<Buffer, void, void>

const RATIO_FROM_BYTES = 1 << 20

/**
 * Decompresses gzip of any number of members and zstd of any number of frames; other bytes pass unchanged.
 *
 * Chunks have at most 256 KiB where they come from a decompressor. Reads one chunk ahead at most; leaving the loop
 * early frees the decompressor and closes the source.
 *
 * ```ts
 * for await (const chunk of decompress(fs.createReadStream('layer.tar.gz'), { maxBytes: 1 << 30 })) hash.update(chunk)
 * ```
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
