/**
 * Gives the bytes of layers, and checks their digests.
 *
 * @module
 */

import { type BlobFile, checkTar, layerFile, type TarLimits } from '@pipelayer/layer-blob'
import type { LayerRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'
import type { HandedTar } from '@pipelayer/unpacking'

/** Gives the tar in a blob, which may be read in this thread or in another. */
export type Reader = (blob: BlobFile) => HandedTar

/** A layer that can be read more than once. */
export interface LayerSource {
  /** For messages: a digest, or a file. */
  readonly name: string
  readonly blob: BlobFile
}

export interface SourceOptions {
  readonly store: () => Store
  readonly limits: TarLimits
}

/** @throws ToolError `LAYER_INVALID` for a record without a digest, `BLOB_UNKNOWN` */
export function layerOf(record: LayerRecord, { store, limits }: SourceOptions): LayerSource {
  const { digest, blob } = layerFile(record, store, limits)
  return { name: digest, blob }
}

/** A tar, plain or compressed, whose digest is not known beforehand. */
export function tarFile(file: string, limits: TarLimits): LayerSource {
  return { name: JSON.stringify(file), blob: { file, expected: undefined, diffID: undefined, limits } }
}

/** Reads a layer to its end and drops it. @throws ToolError if it is damaged or no layer */
export async function verifyLayer(layer: LayerSource, open: Reader): Promise<void> {
  const { tar, finish } = open(layer.blob)
  await checkTar(tar)
  finish()
}
