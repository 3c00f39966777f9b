/**
 * The edits of one image: its config document, and the list of its layers.
 *
 * @module
 */
import { withEdits } from '@pipelayer/image-documents'
import type { JsonObject } from '@pipelayer/oci'
import type { LayerRecord } from '@pipelayer/records'
import { hasLayer, historyOf, type ImageState } from './image-state.js'
import type { AppendedLayer, ImageEdits } from './options.js'

/**
 * Makes all edits but the change of the base. `key` has the fields `image` and `partOf` of layers that are added.
 *
 * @throws ToolError `USAGE`, see `withEdits`
 */
export function edited(
  state: ImageState,
  edits: ImageEdits,
  key: Pick<LayerRecord, 'image' | 'partOf'>,
): ImageState {
  const { author, created } = edits
  const document = {
    ...withEdits(state.document, edits.config),
    ...(author === undefined ? {} : { author }),
    ...(created === undefined ? {} : { created }),
  }
  const appended = withLayers({ ...state, document }, edits.append, key)
  return edits.stripHistory ? stripped(appended) : appended
}

function withLayers(
  state: ImageState,
  append: readonly AppendedLayer[],
  key: Pick<LayerRecord, 'image' | 'partOf'>,
): ImageState {
  if (append.length === 0) return state
  const packed = append.filter(({ record }) => record.empty !== true)
  const layers = [
    ...state.layers,
    ...packed.map(({ record }): LayerRecord => ({ type: 'layer', ...key, ...record })),
  ]
  const history = historyOf(state.document)
  if (history === undefined) return { ...state, layers }
  const added = append.map(layer => entryOf(layer, state.document))
  return { ...state, layers, document: { ...state.document, history: [...padded(history, state), ...added] } }
}

// A layer without a time gets that of the image, not that of the clock: the same input gives the same digest.
function entryOf({ record, history }: AppendedLayer, { created: imageTime }: JsonObject): JsonObject {
  const created = record.created ?? imageTime
  return {
    ...(created === undefined ? {} : { created }),
    ...(record.createdBy === undefined ? {} : { created_by: record.createdBy }),
    ...history,
  }
}

// A history may be shorter than the list of layers. Without entries for all layers, the new entry would be taken for
// that of an older layer.
function padded(history: readonly JsonObject[], { layers, isWhole }: ImageState): readonly JsonObject[] {
  const missing = isWhole ? Math.max(0, layers.length - history.filter(hasLayer).length) : 0
  return [...history, ...Array.from({ length: missing }, () => ({}))]
}

// `container_config` is an old field of Docker's that repeats the command of the last step.
function stripped({ document, layers, ...state }: ImageState): ImageState {
  const { container_config: _, history: _steps, ...rest } = document
  const steps = historyOf(document)?.filter(hasLayer)
  const history = steps?.map(({ created }) => (created === undefined ? {} : { created }))
  return {
    ...state,
    document: { ...rest, ...(history === undefined ? {} : { history }) },
    layers: layers.map(({ createdBy: _text, ...layer }) => layer as LayerRecord),
  }
}
