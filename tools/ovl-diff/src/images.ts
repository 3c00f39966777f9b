/**
 * Compares two images by their layers, without unpacking them.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { diffImages, ImageTree, listLayer } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import { checkDiffIDs, layerBlob, type OpenBlob } from '@pipelayer/layer-blob'
import { type AnyRecord, type ConfigRecord, changesDigest, type LayerRecord } from '@pipelayer/records'

export interface DiffImagesOptions {
  /** Opens blobs whose record has no path that leads to them. */
  readonly open: OpenBlob
  readonly createdBy?: string | undefined
  readonly onWarning?: (message: string) => void
  readonly signal?: AbortSignal
}

const OF_IMAGES = new Set(['layer', 'config', 'manifest', 'index', 'blob'])
const PAUSE_EVERY = 1024

/**
 * Yields the layer that turns the first image into the second, under the key of the second. The records of both images
 * are dropped, other records pass. Memory: about half a kilobyte for each entry of both.
 *
 * @throws ToolError `IMAGES_COUNT`, `LAYERS_MISSING`, `DIFF_ID_MISMATCH`; those of layerBlob, listLayer and ImageTree
 */
export async function* diffTwoImages(
  records: AsyncIterable<AnyRecord>,
  options: DiffImagesOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const images = new Map<string, Image>()
  for await (const record of records) {
    if (!OF_IMAGES.has(record.type)) yield record
    else if (record.type !== 'index') await imageOf(images, String(record.image), options).take(record)
  }
  const [before, after] = images.values()
  if (before === undefined || after === undefined)
    throw new ToolError('IMAGES_COUNT', `two images are compared, but ${images.size} came`)
  const { createdBy, signal } = options
  const digest = changesDigest()
  yield { type: 'layer-begin', image: after.key, ...(createdBy === undefined ? {} : { createdBy }) }
  for (const change of diffImages(before.tree, after.tree)) {
    digest.update(change)
    yield change
    if (digest.count % PAUSE_EVERY !== 0) continue
    await setImmediate()
    signal?.throwIfAborted()
  }
  yield { type: 'layer-end', changes: digest.count, digest: digest.digest() }
}

function imageOf(images: Map<string, Image>, key: string, options: DiffImagesOptions): Image {
  const known = images.get(key)
  if (known !== undefined) return known
  if (images.size === 2)
    throw new ToolError(
      'IMAGES_COUNT',
      'two images are compared, but more came: choose two, and one platform',
    )
  const image = new Image(key, options)
  images.set(key, image)
  return image
}

class Image {
  readonly key: string
  readonly tree = new ImageTree()
  readonly #options: DiffImagesOptions
  readonly #diffIDs: (string | undefined)[] = []

  constructor(key: string, options: DiffImagesOptions) {
    this.key = key
    this.#options = options
  }

  async take(record: AnyRecord): Promise<void> {
    if (record.type === 'config') checkDiffIDs(record as ConfigRecord, this.#diffIDs)
    else if (record.type === 'layer' && record.empty !== true) await this.#apply(record as LayerRecord)
  }

  /** The contents of files are hashed, because equal files may lie in different blobs. */
  async #apply(record: LayerRecord): Promise<void> {
    const { open, onWarning, signal } = this.#options
    const { digest, path, tar } = layerBlob(record, open)
    this.tree.nextLayer()
    this.#diffIDs.push(record.diffID)
    try {
      for await (const one of listLayer(tar(), { blob: { digest, path }, sums: true, onWarning, signal }))
        this.tree.apply(one)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const { code, status, message } = error
      throw new ToolError(code, `cannot read layer ${digest}: ${message}`, { cause: error, status })
    }
  }
}
