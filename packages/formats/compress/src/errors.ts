/**
 * The errors of this package.
 *
 * - `COMPRESSION_INVALID`: the bytes are not what their magic says, are damaged, or end early. Fetch them again.
 * - `COMPRESSION_UNSUPPORTED`: a known compression that a layer cannot have or that this machine cannot do.
 * - `COMPRESSION_UNKNOWN`: a command line names no compression or level of ours. Write gzip[:0-9], zstd[:1-22] or none.
 * - `DECOMPRESSION_LIMIT`: more comes out than was allowed. Raise the limit if the source is trusted.
 *
 * @module
 */
import { messageOf, ToolError } from '@pipelayer/errors'

export function damaged(format: string, why: unknown): ToolError {
  return new ToolError('COMPRESSION_INVALID', `cannot decompress ${format}: ${messageOf(why)}`, {
    cause: why,
  })
}

export function unsupported(why: string): ToolError {
  return new ToolError('COMPRESSION_UNSUPPORTED', why)
}

/** A command line asks for what does not exist. */
export function unknown(message: string): ToolError {
  return new ToolError('COMPRESSION_UNKNOWN', message, { status: 2 })
}

export function overLimit(why: string): ToolError {
  return new ToolError('DECOMPRESSION_LIMIT', `cannot decompress: ${why}`)
}
