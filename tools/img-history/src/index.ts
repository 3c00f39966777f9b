/**
 * img-history: shows how the layers of an image came about, as `docker history` does.
 *
 * @module
 */
import type { HistoryEntry, Platform } from '@pipelayer/oci'
import { openPlace, type RemoteOptions } from '@pipelayer/places'
import { imagePlace, type ReadLayer, readImage } from '@pipelayer/pulling'
import type { AnyRecord, HistoryRecord } from '@pipelayer/records'

export interface ImgHistoryOptions extends RemoteOptions {
  /** The store's folder. */
  readonly store: string
  /** A name, a digest or an id of the store, or a place. */
  readonly image: string
  /** Which manifest of an index is shown. */
  readonly platform: Platform
}

/**
 * Yields a `history` record for each step of an image, the newest first.
 *
 * If the history does not have one entry for each layer, nobody knows which of them belongs to which layer: then the
 * layers come first, as steps without a command, and after them the entries without a layer.
 *
 * @throws ToolError those of finding and reading an image
 */
export async function* imgHistory(options: ImgHistoryOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const place = openPlace(imagePlace(options.image, options.store).text, options)
  try {
    const { config, layers } = await readImage(place, options)
    yield* stepsOf(config.history ?? [], layers).reverse()
  } finally {
    await place.close()
  }
}

function stepsOf(history: readonly HistoryEntry[], layers: readonly ReadLayer[]): HistoryRecord[] {
  const made = history.filter(entry => entry.empty_layer !== true)
  if (made.length !== layers.length)
    return [...history.map(entry => stepOf(entry)), ...layers.map(layer => stepOf({}, layer))]
  const rest = [...layers]
  return history.map(entry => stepOf(entry, entry.empty_layer === true ? undefined : rest.shift()))
}

function stepOf(entry: HistoryEntry, layer?: ReadLayer): HistoryRecord {
  const text = (name: string, value: unknown): object =>
    typeof value === 'string' && value !== '' ? { [name]: value } : {}
  return {
    type: 'history',
    ...text('created', entry.created),
    ...text('createdBy', entry.created_by),
    ...text('comment', entry.comment),
    ...text('author', entry.author),
    ...(entry.empty_layer === true && { emptyLayer: true }),
    ...(layer && {
      mediaType: layer.descriptor.mediaType,
      digest: layer.descriptor.digest,
      size: layer.descriptor.size,
      diffID: layer.diffID,
      chainID: layer.chainID,
    }),
  }
}
