/**
 * blob-get: writes the bytes of one blob.
 *
 * @module
 */
import { parseDigest, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { fillBlob, openPlace, type PlaceOptions, type PlaceReader } from '@pipelayer/places'
import { resumeFile } from '@pipelayer/store'

export interface BlobGetOptions extends PlaceOptions {
  /** A place and a digest, or both in one: `NAME@DIGEST`. */
  readonly words: readonly string[]
  /** The file to write to, in place of the output. */
  readonly file?: string | undefined
}

/**
 * Yields the blob's bytes as they come: they are known to be right only when the iteration has ended well. With `file`
 * nothing is yielded; the file appears when it is complete, and a transfer that broke goes on at the next call.
 *
 * @throws ToolError `BLOB_UNKNOWN`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`; `DIGEST_INVALID` and `USAGE` of status 2;
 * `PLACE_UNSUPPORTED` for a place that does not hold blobs by digest; those of the place
 */
export async function* blobGet(options: BlobGetOptions): AsyncGenerator<Buffer, void, undefined> {
  const { signal, warn, file } = options
  const { text, digest } = wanted(options.words)
  const place = openPlace(text, options)
  const reader = place.read
  try {
    const descriptor = await described(reader, digest, text)
    if (file === undefined) yield* verified(reader.blob(descriptor), descriptor)
    else await fillBlob(descriptor, { reader, signal, warn }, () => resumeFile(file, descriptor, signal))
  } finally {
    await place.close()
  }
}

function wanted([place = '', second]: readonly string[]): { readonly text: string; readonly digest: string } {
  const at = place.lastIndexOf('@')
  if (second === undefined && at < 0) {
    throw new ToolError('USAGE', `which blob of ${place}? Give a digest`, { status: 2 })
  }
  try {
    const digest = parseDigest(second ?? place.slice(at + 1))
    return { text: second === undefined ? place.slice(0, at) : place, digest }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

async function described(reader: PlaceReader, digest: string, text: string): Promise<Descriptor> {
  if (reader.blobSize === undefined) {
    throw new ToolError('PLACE_UNSUPPORTED', `cannot get single blobs from ${text}`)
  }
  const size = await reader.blobSize(digest)
  if (size !== undefined) return { mediaType: 'application/octet-stream', digest, size }
  throw new ToolError('BLOB_UNKNOWN', `no blob ${digest} in ${text}, or its size is not told`)
}
