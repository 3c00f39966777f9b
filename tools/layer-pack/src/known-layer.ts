/**
 * Handles layers that kf-run took from its cache, in place of snapshots.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { layerBlob } from '@pipelayer/layer-blob'
import { encodingOf, isSameTar, packTar } from '@pipelayer/packing'
import type { LayerRecord } from '@pipelayer/records'
import { howOf, type LayerPackOptions } from './how.js'

/**
 * Returns the layer in the encoding that is asked for: as it is, or as the store has it already, or packed anew from
 * the same tar.
 *
 * @throws ToolError `STEP_PACKED` if other changes are asked for than those that were packed: run kf-run with
 *   --snapshots; those of packTar and layerBlob
 */
export async function knownLayer(record: LayerRecord, options: LayerPackOptions): Promise<LayerRecord> {
  const { encoding = '', ...rest } = record
  const layer: LayerRecord = { ...rest, type: 'layer', image: record.image }
  const { cacheKey } = layer
  const wanted = encodingOf(options)
  if (options.filtered) throw packed(layer, 'no filter has seen its changes')
  if (encoding === wanted || layer.empty) return layer
  const known = cacheKey === undefined ? undefined : options.store.getPacked(cacheKey, wanted)
  if (known !== undefined) return { ...known, ...originOf(layer) } as LayerRecord
  if (!isSameTar(encoding, wanted)) throw packed(layer, `it was packed as ${encoding}, not as ${wanted}`)
  const made = { ...layer, ...(await repacked(layer, options)) }
  if (cacheKey !== undefined) options.store.putPacked(cacheKey, wanted, made)
  return made
}

async function repacked(layer: LayerRecord, options: LayerPackOptions): Promise<Partial<LayerRecord>> {
  const { store } = options
  const { tar } = layerBlob(layer, digest => store.openBlob(digest))
  const { entries: _, ...fields } = await packTar(tar(), () => store.blobWriter(), howOf(options))
  return fields
}

function originOf({ image, createdBy, created }: Partial<LayerRecord>): Partial<LayerRecord> {
  return {
    image,
    ...(createdBy === undefined ? {} : { createdBy }),
    ...(created === undefined ? {} : { created }),
  } as Partial<LayerRecord>
}

function packed({ createdBy }: Partial<LayerRecord>, why: string): ToolError {
  const step = createdBy === undefined ? 'a step' : JSON.stringify(createdBy)
  return new ToolError(
    'STEP_PACKED',
    `cannot take the layer of ${step} from the cache: ${why}; run kf-run with --snapshots`,
  )
}
