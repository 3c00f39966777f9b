/**
 * The tar in the blob of a layer, proven while it is read.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { type Digest, Hasher, parseDigest, verified } from '@pipelayer/digest'
import { systemError, ToolError } from '@pipelayer/errors'
import type { LayerRecord } from '@pipelayer/records'

/** Read ahead from disk at a time. */
const READ_BYTES = 1 << 20

/** Opens a blob that is not where its record says, or that has no path: a store does. */
export type OpenBlob = (digest: Digest) => AsyncIterable<Buffer>

/** A layer that has a blob. */
export interface LayerBlob {
  readonly digest: Digest
  /** Where it lies, if it does. */
  readonly path?: string
  /** The tar, decompressed; throws at its end where blob or tar are not what they should be. */
  tar(): AsyncGenerator<Buffer, void, void>
}

/**
 * @throws ToolError `LAYER_INVALID` for a record without a digest, `DIGEST_INVALID`; its tar `DIFF_ID_MISMATCH` where
 *   it is not the one that the record says: the image is broken, or the record was edited
 */
export function layerBlob(record: LayerRecord, open: OpenBlob): LayerBlob {
  const { digest: text, size, diffID, path } = record
  if (text === undefined)
    throw new ToolError('LAYER_INVALID', 'a layer record that is not empty has no digest')
  const digest = parseDigest(text)
  const expected = { digest, ...(size === undefined ? {} : { size }) }
  const tar = (): AsyncGenerator<Buffer, void, void> =>
    proven(decompress(verified(blobBytes(digest, path, open), expected)), digest, diffID)
  return { digest, ...(path === undefined ? {} : { path }), tar }
}

/** The bytes of a blob as they are stored. The path is a hint: where it leads nowhere, `open` has the blob. */
export function blobBytes(digest: Digest, path: string | undefined, open: OpenBlob): AsyncIterable<Buffer> {
  return path !== undefined && fs.existsSync(path) ? fileBytes(path) : open(digest)
}

/** The bytes of a file. @throws ToolError that names it */
export async function* fileBytes(file: string): AsyncGenerator<Buffer, void, void> {
  try {
    yield* fs.createReadStream(file, { highWaterMark: READ_BYTES })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}

async function* proven(
  tar: AsyncIterable<Buffer>,
  digest: Digest,
  diffID: string | undefined,
): AsyncGenerator<Buffer, void, void> {
  const hasher = new Hasher()
  for await (const chunk of tar) {
    hasher.update(chunk)
    yield chunk
  }
  const got = hasher.digest()
  if (diffID === undefined || diffID === got) return
  throw new ToolError(
    'DIFF_ID_MISMATCH',
    `the tar of layer ${digest} does not match: expected ${diffID}, got ${got}`,
  )
}
