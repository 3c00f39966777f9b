import { ToolError } from '@pipelayer/errors'
import type { HistoryEntry } from '@pipelayer/oci'
import type { LayerRecord } from '@pipelayer/records'

/** A layer that has a blob. */
export type PackedLayer = LayerRecord & Required<Pick<LayerRecord, 'mediaType' | 'digest' | 'size'>>

export interface Aligned {
  readonly history: readonly HistoryEntry[]
  /** Base first. */
  readonly layers: readonly PackedLayer[]
}

/**
 * Pairs a history with the layers of its image, base first.
 *
 * Every entry that is not `empty_layer` takes the next layer record; if that record says `empty` (the step changed
 * nothing), the entry becomes an `empty_layer`. Further layers were added later, and get entries of their own.
 *
 * @throws {ToolError} `LAYERS_MISSING` if there are fewer layers than the history needs: records were lost
 */
export function pairHistory(history: readonly HistoryEntry[], records: readonly LayerRecord[]): Aligned {
  const rest = [...records]
  const needed = history.filter(entry => entry.empty_layer !== true).length
  if (rest.length < needed)
    throw new ToolError(
      'LAYERS_MISSING',
      `cannot make a manifest: the history has ${needed} steps with a layer, got ${rest.length} layers; a record was lost on the way, or ovl-diff and layer-pack are missing in the pipe`,
    )
  const layers: PackedLayer[] = []
  const entries = history.map(entry => {
    if (entry.empty_layer === true) return entry
    const layer = rest.shift()
    if (layer === undefined || !isPacked(layer)) return { ...entry, empty_layer: true }
    layers.push(layer)
    return entry
  })
  for (const layer of rest) {
    if (isPacked(layer)) layers.push(layer)
    entries.push(entryOf(layer))
  }
  return { history: entries, layers }
}

/** Whether a layer record has a blob, unlike that of a step without changes. */
export function isPacked(layer: LayerRecord): layer is PackedLayer {
  return layer.empty !== true
}

function entryOf(layer: LayerRecord): HistoryEntry {
  return {
    ...(layer.created === undefined ? {} : { created: layer.created }),
    ...(layer.createdBy === undefined ? {} : { created_by: layer.createdBy }),
    ...(layer.empty === true ? { empty_layer: true } : {}),
  }
}
