/**
 * The tar in the blob of a layer, checked while it is read.
 *
 * @module
 */

import fs from 'node:fs'
import { type Digest, parseDigest, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { LayerRecord } from '@pipelayer/records'
import { fileBytes, type OpenTar, provenTar } from './blob-file.js'

/** Opens a blob that has no path or is not at its path. A store can do that. */
export type OpenBlob = (digest: Digest) => AsyncIterable<Buffer>

/** A layer that has a blob. */
export interface LayerBlob {
  readonly digest: Digest
  /** Its path, if it has one. */
  readonly path?: string
  /** The decompressed tar. It throws at its end where the blob or the tar does not match its digest. */
  tar(): AsyncGenerator<Buffer, void, void>
}

/**
 * @throws ToolError `LAYER_INVALID` for a record without a digest, `DIGEST_INVALID`; reading its tar throws
 *   `DIFF_ID_MISMATCH` where the record states another diffID: the image is broken, or the record was edited
 */
export function layerBlob(record: LayerRecord, open: OpenBlob): LayerBlob {
  const { digest: text, size, diffID, path } = record
  if (text === undefined)
    throw new ToolError('LAYER_INVALID', 'a layer record that is not empty has no digest')
  const digest = parseDigest(text)
  const expected = { digest, ...(size === undefined ? {} : { size }) }
  const tar = (): AsyncGenerator<Buffer, void, void> =>
    whole(
      provenTar(verified(blobBytes(digest, path, open), expected), `the tar of layer ${digest}`, {
        diffID,
        limits: {},
      }),
    )
  return { digest, ...(path === undefined ? {} : { path }), tar }
}

/** The bytes of a blob as they are stored. The path is a hint: where no file is there, `open` gives the blob. */
export function blobBytes(digest: Digest, path: string | undefined, open: OpenBlob): AsyncIterable<Buffer> {
  return path !== undefined && fs.existsSync(path) ? fileBytes(path) : open(digest)
}

async function* whole({ tar, finish }: OpenTar): AsyncGenerator<Buffer, void, void> {
  yield* tar
  finish()
}
