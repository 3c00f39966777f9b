import type { AnyRecord, ConfigRecord, LayerRecord } from '@pipelayer/records'

/** The records of an image whose manifest has not come yet. */
export interface OpenImage {
  /** Its key in the stream, as `image` and `partOf` of its records. */
  readonly key: Pick<LayerRecord, 'image' | 'partOf'>
  /** Base first. */
  readonly layers: LayerRecord[]
  config?: ConfigRecord
  /** Records that were not passed on yet, in their order. */
  readonly held: AnyRecord[]
  /** It has blobs that are no layers, so it is no image that could run. */
  hasBlobs: boolean
}

/** The open images of a stream, by key, in the order in which they came. */
export class OpenImages {
  readonly #images = new Map<string, OpenImage>()
  /** The index that each image belongs to. */
  readonly #above = new Map<string, string>()

  of({ image, partOf }: Pick<LayerRecord, 'image' | 'partOf'>): OpenImage {
    const known = this.#images.get(image)
    if (known !== undefined) return known
    const key = { image, ...(partOf === undefined ? {} : { partOf }) }
    const open = { key, layers: [], held: [], hasBlobs: false }
    this.#images.set(image, open)
    return open
  }

  /** Notes the index that an image belongs to. Its key stays known when the image is closed. */
  note({ image, partOf }: AnyRecord): void {
    if (typeof image === 'string' && typeof partOf === 'string') this.#above.set(image, partOf)
  }

  take(image: string): OpenImage | undefined {
    const open = this.#images.get(image)
    this.#images.delete(image)
    return open
  }

  rest(): OpenImage[] {
    const images = [...this.#images.values()]
    this.#images.clear()
    return images
  }

  /** Whether a record belongs to the image `root`, itself or through indexes. */
  belongs({ image }: AnyRecord, root: string): boolean {
    let current: unknown = image
    // The bound also ends a chain that is a circle.
    for (let depth = 0; typeof current === 'string' && depth < 16; depth++) {
      if (current === root) return true
      current = this.#above.get(current)
    }
    return false
  }
}
