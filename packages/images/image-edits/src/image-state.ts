import type { JsonObject } from '@pipelayer/oci'
import { isObject } from '@pipelayer/oci'
import type { LayerRecord } from '@pipelayer/records'

/** An image while it is edited. */
export interface ImageState {
  readonly document: JsonObject
  /** Base first. */
  readonly layers: readonly LayerRecord[]
  /** All layers are known. Those of a build may still be on their way as snapshots. */
  readonly isWhole: boolean
}

/** The entries of a history, oldest first; undefined if the config has none, which the specification allows. */
export function historyOf(document: JsonObject): JsonObject[] | undefined {
  return Array.isArray(document.history) ? document.history.filter(isObject) : undefined
}

/** Whether a step of a history made a layer. */
export function hasLayer(entry: JsonObject): boolean {
  return entry.empty_layer !== true
}
