/**
 * The name by which a packed step is found again.
 *
 * @module
 */

import { defaultLevel, engineOf } from '@pipelayer/compress'
import type { CompressOptions, PackOptions } from './types.js'

/** Raised whenever the same changes would give other bytes than before: part of what the cache knows a layer by. */
const FORMAT_VERSION = 2

/** What of the options of packing alters the blob. */
export interface EncodingOptions extends Pick<PackOptions, 'family' | 'mtimeNs' | 'sourceDateEpoch'> {
  readonly compress: CompressOptions
}

/**
 * Everything that alters the blob which the same changes give, as one name in lower case, which is fit for a file.
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

// Version and times; what stands between them is about the compression and the media type.
function tarOf(encoding: string): string {
  return `${encoding.slice(0, encoding.indexOf('.'))} ${encoding.slice(encoding.lastIndexOf('.') + 1)}`
}
