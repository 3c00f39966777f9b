/**
 * The name by which a packed step is found again.
 *
 * @module
 */

import { defaultLevel, engineOf } from '@pipelayer/compress'
import type { CompressOptions, PackOptions } from './types.js'

/**
 * A part of the cache's name for a layer. It is raised whenever the same changes would give other bytes than before.
 */
const FORMAT_VERSION = 2

/** The options of packing that affect the blob. */
export interface EncodingOptions extends Pick<PackOptions, 'family' | 'mtimeNs' | 'sourceDateEpoch'> {
  readonly compress: CompressOptions
}

/**
 * A name for all options that affect the blob of the same changes. It is in lower case and can be a file name.
 *
 * @throws ToolError COMPRESSION_UNKNOWN, COMPRESSION_UNSUPPORTED as `compress`
 */
export function encodingOf({ compress, mtimeNs, family = 'oci', sourceDateEpoch }: EncodingOptions): string {
  const { format, level = defaultLevel(format, compress.engine) } = compress
  const engine = engineOf(format, compress.engine).replace('/', '-')
  const times = `${mtimeNs ? 'ns' : 's'}${sourceDateEpoch ?? ''}`
  return `v${FORMAT_VERSION}.${format}-${level}.${engine}.${family}.${times}`.toLowerCase()
}

/** Whether blobs of two encodings hold the same tar, so that one can be made from the other without the files. */
export function isSameTar(encoding: string, other: string): boolean {
  return tarOf(encoding) === tarOf(other)
}

// The parts for version and times. The parts between them are about the compression and the media type.
function tarOf(encoding: string): string {
  return `${encoding.slice(0, encoding.indexOf('.'))} ${encoding.slice(encoding.lastIndexOf('.') + 1)}`
}
