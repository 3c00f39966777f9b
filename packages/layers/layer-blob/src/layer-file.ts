import fs from 'node:fs'
import { type Digest, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { LayerRecord } from '@pipelayer/records'
import type { BlobFile, TarLimits } from './blob-file.js'

/** Where blobs lie as files. A store is one. */
export interface BlobFolder {
  hasBlob(digest: Digest): boolean
  blobPath(digest: Digest): string
}

/** The blob of a layer, as a file that can be read more than once. */
export interface LayerFile {
  readonly digest: Digest
  readonly blob: BlobFile
}

/**
 * The file of a layer: that at the path of its record, which is only a hint, else that of the folder, which is asked
 * for when it is needed.
 *
 * @throws ToolError `LAYER_INVALID` for a record without a digest, `DIGEST_INVALID`, `BLOB_UNKNOWN`
 */
export function layerFile(record: LayerRecord, folder: () => BlobFolder, limits: TarLimits = {}): LayerFile {
  const { digest: text, size, diffID, path } = record
  if (text === undefined)
    throw new ToolError('LAYER_INVALID', 'a layer record that is not empty has no digest')
  const digest = parseDigest(text)
  const expected = { digest, ...(size === undefined ? {} : { size }) }
  const file = path !== undefined && fs.existsSync(path) ? path : fileIn(folder(), digest)
  return { digest, blob: { file, expected, diffID, limits } }
}

function fileIn(folder: BlobFolder, digest: Digest): string {
  if (!folder.hasBlob(digest)) throw new ToolError('BLOB_UNKNOWN', `blob ${digest} is not in the store`)
  return folder.blobPath(digest)
}
