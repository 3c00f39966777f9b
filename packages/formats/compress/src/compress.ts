/**
 * Compresses a layer.
 *
 * @module
 */
import { bundledVersions, gzipMember, isalDeflate, isalVersion, libdeflateVersion } from '@pipelayer/sys'
import { unsupported } from './errors.js'
import {
  type Compression,
  type CompressionFormat,
  checkEngine,
  checkLevel,
  defaultLevel,
  type Engine,
} from './format.js'
import { GZIP_BLOCK_SIZE, gzip, gzipMembers } from './gzip.js'
import { ZSTD_FRAME_SIZE, zstd, zstdEngine } from './zstd.js'

export interface CompressOptions {
  readonly format: CompressionFormat
  /** {@link defaultLevel} unless given. */
  readonly level?: Compression['level'] | undefined
  /** Node's zlib for gzip, and for zstd Node's or else the system's, unless given. */
  readonly engine?: Engine | undefined
  /** Blocks that are compressed at a time; 4 unless given, as libuv has 4 threads. Never changes the bytes. */
  readonly workers?: number
  /** Called with each chunk of the source when its memory may be written to again. Never called for `none`. */
  readonly free?: ((chunk: Buffer) => void) | undefined
  /**
   * For gzip: gives the CRC-32 of the whole source, where another thread computes it. Called once, after the end of the
   * source.
   */
  readonly checksum?: (() => Promise<number>) | undefined
}

const WORKERS = 4

/** The size in bytes of a chunk that is compressed without being copied. */
export function blockSizeOf(format: CompressionFormat): number {
  return format === 'zstd' ? ZSTD_FRAME_SIZE : GZIP_BLOCK_SIZE
}

/**
 * Compresses the bytes of `source`. The result is the same for the same format, level and {@link engineOf}, however the
 * source is cut into chunks and whatever the number of workers. (libisal chooses its code by the processor, so two
 * kinds of processor may give different bytes.)
 *
 * Gives chunks of some 200 KB, and of a few bytes. Each must be used before the next one is asked for, since its memory
 * is used again. Many small chunks of input cost time: join them to 64 KiB or more. Chunks of exactly
 * {@link blockSizeOf} bytes are not copied, and must not be written to before `free` is called with them. At most one
 * block for each worker is read ahead of the consumer.
 *
 * ```ts
 * await pipeline(compress(tar, { format: 'gzip', level: 9 }), fs.createWriteStream('layer.tar.gz'))
 * ```
 *
 * @throws ToolError COMPRESSION_UNKNOWN for a level that does not exist, or an engine that does not have this format;
 *   COMPRESSION_UNSUPPORTED where the engine is not installed
 */
export function compress(source: AsyncIterable<Buffer>, options: CompressOptions): AsyncIterable<Buffer> {
  const { format, engine, level = defaultLevel(format, engine), free, checksum } = options
  const workers = Math.max(1, options.workers ?? WORKERS)
  checkLevel(format, level, engine)
  requireEngine(format, engine)
  if (format === 'zstd')
    return zstd(source, { level, workers, free, ...(engine === 'libzstd' ? { engine } : {}) })
  if (format === 'none') return source
  if (engine === 'libdeflate') return gzipMembers(source, { level, workers, free }, gzipMember)
  const deflate = engine === 'libisal' ? isalDeflate : undefined
  return gzip(source, { level, workers, free, checksum, deflate })
}

/**
 * Name and version of what compresses: `zlib/1.3.1`, `node-zstd/1.5.7`, `libzstd/1.5.4`, `libisal/2.0.30`,
 * `libdeflate/0-97c734d1` (a checksum of a compressed sample, since the library tells no version), `none`.
 *
 * @throws ToolError COMPRESSION_UNKNOWN, COMPRESSION_UNSUPPORTED as {@link compress}
 */
export function engineOf(format: CompressionFormat, engine?: Engine): string {
  requireEngine(format, engine)
  if (format === 'zstd') return zstdEngine(engine === 'libzstd' ? engine : undefined)
  if (format === 'none') return 'none'
  if (engine === 'libdeflate') return `libdeflate/${libdeflateVersion()}`
  return engine === 'libisal' ? `libisal/${isalVersion()}` : `zlib/${bundledVersions().zlib}`
}

function requireEngine(format: CompressionFormat, engine: Engine | undefined): void {
  checkEngine(format, engine)
  if (engine === 'libisal' && isalVersion() === undefined)
    throw unsupported(
      'libisal.so.2 does not load or fails its test: install libisal2, or leave the engine out',
    )
  if (engine === 'libdeflate' && libdeflateVersion() === undefined)
    throw unsupported(
      'libdeflate.so.0 does not load or fails its test: install libdeflate0, or leave the engine out',
    )
}
