/**
 * layer-squash: merges the upper layers of an image into one, and keeps the base as it is.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { diffImages } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import { type AnyRecord, type ConfigRecord, changesDigest, type LayerRecord } from '@pipelayer/records'
import { ImageSquash } from './image-squash.js'
import type { Cut, LayerSquashOptions } from './options.js'

export type { LayerSquashOptions } from './options.js'

/** After this many changes, signals are handled. */
const PAUSE_EVERY = 1024

/**
 * In each image, the layers below the cut pass as they are. Those above it become `layer-begin`, one `change` for each
 * path that they change in the base, and `layer-end`; the config gets a history that fits them. Other records pass.
 *
 * @throws ToolError `NOTHING_TO_SQUASH`, `LAYER_NOT_FOUND`, `LAYERS_MISSING`, `DIFF_ID_MISMATCH`; those of layerBlob,
 *   listLayer and ImageTree
 */
export async function* layerSquash(
  records: AsyncIterable<AnyRecord>,
  options: LayerSquashOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const images = new Map<string, ImageSquash>()
  for await (const record of records) {
    const key = String(record.image)
    if (record.type === 'layer') {
      const image = images.get(key) ?? new ImageSquash(key, options)
      images.set(key, image)
      if (await image.take(record as LayerRecord)) yield record
      continue
    }
    const image = endsLayers(record) ? images.get(key) : undefined
    if (image === undefined) {
      yield record
      continue
    }
    images.delete(key)
    if (record.type === 'config') image.check(record as ConfigRecord)
    yield* merged(image, options)
    yield record.type === 'config' ? image.configOf(record as ConfigRecord) : record
  }
  for (const image of images.values()) yield* merged(image, options)
}

function endsLayers({ type }: AnyRecord): boolean {
  return type === 'config' || type === 'manifest'
}

async function* merged(
  image: ImageSquash,
  { signal }: LayerSquashOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const { base, tree } = image.sides()
  const digest = changesDigest()
  yield image.begin()
  for (const change of diffImages(base, tree, { exact: true })) {
    digest.update(change)
    yield change
    if (digest.count % PAUSE_EVERY !== 0) continue
    await setImmediate()
    signal?.throwIfAborted()
  }
  yield { type: 'layer-end', changes: digest.count, digest: digest.digest() }
}

/** Reads the position of the cut from exactly one of two options. @throws ToolError `USAGE`, status 2 */
export function cutOf(from: number | undefined, onto: string | undefined): Cut {
  if (from !== undefined && onto === undefined && from > 0) return { from }
  if (onto !== undefined && from === undefined) return { onto }
  const why = from === 0 ? '--from counts from 1' : 'one of --from and --onto is needed'
  throw new ToolError('USAGE', why, { status: 2 })
}
