/**
 * Compresses a layer.
 *
 * @module
 */
import { bundledVersions, isalDeflate, isalVersion } from '@pipelayer/sys'
import { unsupported } from './errors.js'
import {
  type Compression,
  type CompressionFormat,
  checkEngine,
  checkLevel,
  defaultLevel,
  type Engine,
} from './format.js'
import { gzip } from './gzip.js'
import { zstd, zstdEngine } from './zstd.js'

export interface CompressOptions {
  readonly format: CompressionFormat
  /** {@link defaultLevel} unless given. */
  readonly level?: Compression['level'] | undefined
  /** Node's zlib for gzip, and for zstd Node's or else the system's, unless given. */
  readonly engine?: Engine | undefined
  /** Blocks that are compressed at a time; 4 unless given, as libuv has 4 threads. Never changes the bytes. */
  readonly workers?: number
}

const WORKERS = 4
/**
 * The bytes of `source` compressed: the same for the same format, level and {@link engineOf}, however they are cut and
 * whatever the number of workers. (libisal chooses its code by the processor, and two kinds may differ.)
 *
 * Gives chunks of some 200 KB, and of a few bytes. Many small chunks of input cost time: join them to 64 KiB or more;
 * those of 1 MiB are not even copied, and must not be written to again. Reads ahead at most one block for each worker,
 * of 1 MiB for gzip and of 2 MiB for zstd; its consumer sets the pace.
 *
 * @throws ToolError COMPRESSION_UNKNOWN for a level that is not, or an engine that has not this format;
 *   COMPRESSION_UNSUPPORTED where the engine is not installed
 */
export function compress(source: AsyncIterable<Buffer>, options: CompressOptions): AsyncIterable<Buffer> {
  const { format, engine, level = defaultLevel(format, engine) } = options
  const workers = Math.max(1, options.workers ?? WORKERS)
  checkLevel(format, level, engine)
  requireEngine(format, engine)
  if (format === 'zstd') return zstd(source, { level, workers, ...(engine === 'libzstd' ? { engine } : {}) })
  if (format === 'none') return source
  return gzip(source, { level, workers, ...(engine === 'libisal' ? { deflate: isalDeflate } : {}) })
}

/**
 * Name and version of what compresses: `zlib/1.3.1`, `node-zstd/1.5.7`, `libzstd/1.5.4`, `libisal/2.0.30`, `none`.
 *
 * @throws ToolError COMPRESSION_UNKNOWN, COMPRESSION_UNSUPPORTED as {@link compress}
 */
export function engineOf(format: CompressionFormat, engine?: Engine): string {
  requireEngine(format, engine)
  if (format === 'zstd') return zstdEngine(engine === 'libzstd' ? engine : undefined)
  if (format === 'none') return 'none'
  return engine === 'libisal' ? `libisal/${isalVersion()}` : `zlib/${bundledVersions().zlib}`
}

function requireEngine(format: CompressionFormat, engine: Engine | undefined): void {
  checkEngine(format, engine)
  if (engine === 'libisal' && isalVersion() === undefined)
    throw unsupported(
      'libisal.so.2 does not load or fails its test: install libisal2, or leave the engine out',
    )
}
