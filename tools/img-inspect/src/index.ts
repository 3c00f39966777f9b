/**
 * img-inspect: shows all that the documents of an image say, as `docker inspect` does.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { Platform } from '@pipelayer/oci'
import { openPlace, type RemoteOptions } from '@pipelayer/places'
import { imagePlace, readImage } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'
import { documentOf } from './document.js'

export interface ImgInspectOptions extends RemoteOptions {
  /** The store's folder. */
  readonly store: string
  /** Names, digests or ids of the store's images, or places. */
  readonly images: readonly string[]
  /** Which manifest of an index is shown. */
  readonly platform: Platform
}

const TOOL = 'img-inspect'

/**
 * Yields an `image` record for each image, in order: see `document.ts`. An image that cannot be read gives a `failed`
 * record, and the others are shown.
 *
 * @throws ToolError `LAYOUT_MISSING` and its like for a store that is none
 */
export async function* imgInspect(options: ImgInspectOptions): AsyncGenerator<AnyRecord, void, undefined> {
  for (const image of options.images) {
    try {
      yield await inspect(image, options)
    } catch (error) {
      if (!(error instanceof ToolError) || options.signal?.aborted) throw error
      const { code, message } = error
      yield { type: 'failed', tool: TOOL, code, message, item: { reference: image } }
    }
  }
}

async function inspect(image: string, options: ImgInspectOptions): Promise<AnyRecord> {
  const { text, names } = imagePlace(image, options.store)
  const place = openPlace(text, options)
  try {
    const read = await readImage(place, options)
    const { reference } = place
    return documentOf(read, names.length === 0 && reference !== undefined ? [reference] : names)
  } finally {
    await place.close()
  }
}
