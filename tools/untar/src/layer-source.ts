/**
 * The bytes of layers, and the proof that they are what they should be.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { Hasher, parseDigest, verified } from '@pipelayer/digest'
import { systemError, ToolError } from '@pipelayer/errors'
import { checkTar } from '@pipelayer/layer'
import type { LayerRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'

/** Read ahead from disk at a time. */
const READ_BYTES = 1 << 20

/** One layer that can be read, more than once. */
export interface LayerSource {
  /** For messages: a digest, or a file. */
  readonly name: string
  readonly digest: string | undefined
  /** What the tar must be; undefined where nobody said. */
  readonly diffID: string | undefined
  /** The blob, checked against digest and size while it is read. */
  open(): AsyncIterable<Buffer>
}

/** @throws ToolError `LAYER_INVALID` for a record without a digest, `BLOB_UNKNOWN` */
export function layerOf(record: LayerRecord, store: () => Store): LayerSource {
  const { digest, size, diffID, path } = record
  if (digest === undefined)
    throw new ToolError('LAYER_INVALID', 'a layer record that is not empty has no digest')
  const expected = { digest: parseDigest(digest), ...(size === undefined ? {} : { size }) }
  // The path is a hint: where it leads nowhere, the store has the blob or nobody.
  const isThere = path !== undefined && fs.existsSync(path)
  const open = (): AsyncIterable<Buffer> => (isThere ? readFile(path) : store().openBlob(expected.digest))
  return { name: digest, digest, diffID, open: () => verified(open(), expected) }
}

/** A tar, plain or compressed, that nobody vouches for. */
export function tarFile(file: string): LayerSource {
  return { name: JSON.stringify(file), digest: undefined, diffID: undefined, open: () => readFile(file) }
}

/** The tar in a layer; `finish` gives its digest once it was read, and throws where it is not the expected one. */
export function openTar(layer: LayerSource): { tar: AsyncIterable<Buffer>; finish: () => string } {
  const hasher = new Hasher()
  async function* hashed(): AsyncGenerator<Buffer, void, void> {
    for await (const chunk of decompress(layer.open())) {
      hasher.update(chunk)
      yield chunk
    }
  }
  const finish = (): string => {
    const diffID = hasher.digest()
    if (layer.diffID === undefined || layer.diffID === diffID) return diffID
    throw new ToolError('DIFF_ID_MISMATCH', `its tar does not match: expected ${layer.diffID}, got ${diffID}`)
  }
  return { tar: hashed(), finish }
}

/** Reads a layer to its end and keeps nothing. @throws ToolError where it is damaged or no layer */
export async function verifyLayer(layer: LayerSource): Promise<void> {
  const { tar, finish } = openTar(layer)
  await checkTar(tar)
  finish()
}

async function* readFile(file: string): AsyncGenerator<Buffer, void, void> {
  try {
    yield* fs.createReadStream(file, { highWaterMark: READ_BYTES })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}
