/**
 * layer-pack: packs changes, a tree or a tar into a layer of the store.
 *
 * @module
 */

import path from 'node:path'
import { diffTrees } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import { CheckedBlobs, encodingOf, type PackedLayer, packChanges, packTar } from '@pipelayer/packing'
import type { AnyRecord, LayerBeginRecord, LayerRecord } from '@pipelayer/records'
import { blobContents } from './blob-contents.js'
import { howOf, type LayerPackOptions } from './how.js'
import { knownLayer } from './known-layer.js'
import { LayerReader } from './layer-reader.js'

export type { LayerPackOptions } from './how.js'

/** The properties of a layer that does not come from a stream. */
export interface Origin {
  readonly createdBy?: string
  readonly created?: string
}

/**
 * Turns the records from `layer-begin` to `layer-end` into one `layer` record, whose blob is in the store; other
 * records pass.
 *
 * If a step was packed in the same way before, which its cacheKey shows, no file is read. A layer that kf-run took from
 * its cache is packed in the form that is asked for: see {@link knownLayer}.
 *
 * @throws ToolError `LAYER_INCOMPLETE`, `RECORD_MISPLACED`, `CHANGES_MISMATCH` if a filter altered the changes;
 *   those of packChanges; `ENGINE_UNKNOWN`; `STEP_PACKED`
 */
export async function* layerPack(
  records: AsyncIterable<AnyRecord>,
  options: LayerPackOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const iterator = records[Symbol.asyncIterator]()
  const blobs = blobsOf(options)
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
      const { value: record } = next
      if (record.type === 'layer-begin')
        yield await packLayer(record as LayerBeginRecord, iterator, { options, blobs })
      else if (record.type === 'change' || record.type === 'layer-end')
        throw new ToolError('RECORD_MISPLACED', `cannot take a "${record.type}" record outside of a layer`)
      else
        yield record.type === 'layer' && record.encoding !== undefined
          ? await knownLayer(record as LayerRecord, options)
          : record
    }
  } finally {
    await iterator.return?.()
  }
}

/** Packs a whole tree. Throws as {@link layerPack} does. */
export async function* packDir(
  dir: string,
  options: LayerPackOptions & Origin,
): AsyncGenerator<LayerRecord, void, void> {
  const blobs = blobsOf(options)
  const warn = (message: string): void => options.onWarning?.(message, 'LEFT_OUT')
  const packed = await packChanges(
    diffTrees(undefined, path.resolve(dir), { onWarning: warn }),
    () => blobs.newBlob(),
    howOf(options),
  )
  yield layerRecord({ image: '1', ...options }, packed)
}

/** Packs a tar, its bytes kept. Throws as packTar does. */
export async function* packArchive(
  source: AsyncIterable<Buffer>,
  options: LayerPackOptions & Origin,
): AsyncGenerator<LayerRecord, void, void> {
  const blobs = blobsOf(options)
  const packed = await packTar(source, () => blobs.newBlob(), howOf(options))
  yield layerRecord({ image: '1', ...options }, packed)
}

function blobsOf(options: LayerPackOptions): CheckedBlobs {
  return new CheckedBlobs({ ...options, open: () => options.store.blobWriter() })
}

interface Context {
  readonly options: LayerPackOptions
  readonly blobs: CheckedBlobs
}

async function packLayer(
  begin: LayerBeginRecord,
  iterator: AsyncIterator<AnyRecord>,
  { options, blobs }: Context,
): Promise<AnyRecord> {
  const { store, filtered = false } = options
  const reader = new LayerReader(begin, iterator, { isFiltered: filtered })
  const key = filtered ? undefined : begin.cacheKey
  const known = key === undefined ? undefined : store.getPacked(key, encodingOf(options))
  if (known !== undefined) {
    await reader.skip()
    return { ...known, ...originOf(begin) } as LayerRecord
  }
  const record = layerRecord(begin, await packReferred(begin, reader, { options, blobs }))
  if (key !== undefined) store.putPacked(key, encodingOf(options), record)
  return record
}

/** Packs changes whose files may lie in blobs. */
async function packReferred(
  { order }: LayerBeginRecord,
  reader: LayerReader,
  { options, blobs }: Context,
): Promise<PackedLayer | undefined> {
  const { store, signal } = options
  const contents = blobContents(store, signal)
  const how = { ...howOf(options), contents, ...(order === undefined ? {} : { order }) }
  try {
    return await packChanges(reader.changes(), () => blobs.newBlob(), how)
  } finally {
    await contents.close()
  }
}

function layerRecord(begin: Partial<LayerBeginRecord>, packed: PackedLayer | undefined): LayerRecord {
  const origin = originOf(begin)
  if (packed === undefined) return { type: 'layer', ...origin, empty: true }
  const { mediaType, digest, size, diffID, engine } = packed
  const place = packed.path === undefined ? {} : { path: packed.path }
  return { type: 'layer', ...origin, mediaType, digest, size, diffID, ...place, engine }
}

function originOf({
  image = '1',
  createdBy,
  created,
  cacheKey,
}: Partial<LayerBeginRecord>): Pick<LayerRecord, 'image'> {
  return {
    image,
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(created === undefined ? {} : { created }),
    ...(cacheKey === undefined ? {} : { cacheKey }),
  }
}
