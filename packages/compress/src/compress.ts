/**
 * Compresses a layer.
 *
 * @module
 */
import { bundledVersions } from '@pipelayer/sys'
import { type Compression, type CompressionFormat, checkLevel, defaultLevel } from './format.js'
import { gzip } from './gzip.js'
import { zstd, zstdEngine } from './zstd.js'

export interface CompressOptions {
  readonly format: CompressionFormat
  /** {@link defaultLevel} unless given. */
  readonly level?: Compression['level']
  /** Blocks of gzip that are compressed at a time; 4 unless given, as libuv has 4 threads. Never changes the bytes. */
  readonly workers?: number
}

const WORKERS = 4

/**
 * The bytes of `source` compressed: the same for the same format, level and {@link engineOf}, however they are cut and
 * whatever the number of workers.
 *
 * Gives chunks of some 200 KB, and of a few bytes. Many small chunks of input cost time: join them to 64 KiB or more;
 * those of 1 MiB are not even copied, and must not be written to again. Reads ahead at most one block of 1 MiB for each
 * worker; its consumer sets the pace.
 *
 * @throws ToolError COMPRESSION_UNKNOWN for a level that is not, COMPRESSION_UNSUPPORTED where there is no zstd
 */
export function compress(source: AsyncIterable<Buffer>, options: CompressOptions): AsyncIterable<Buffer> {
  const { format, level = defaultLevel(format), workers = WORKERS } = options
  checkLevel(format, level)
  if (format === 'gzip') return gzip(source, { level, workers: Math.max(1, workers) })
  if (format === 'zstd') return zstd(source, level)
  return source
}

/**
 * Name and version of what compresses: `zlib/1.3.1`, `node-zstd/1.5.7`, `libzstd/1.5.4`, `none`.
 *
 * @throws ToolError COMPRESSION_UNSUPPORTED where there is no zstd
 */
export function engineOf(format: CompressionFormat): string {
  if (format === 'gzip') return `zlib/${bundledVersions().zlib}`
  return format === 'zstd' ? zstdEngine() : 'none'
}
