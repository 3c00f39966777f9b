import type { ImageParts } from '@pipelayer/image-documents'

/** The images of a stream that are not closed yet, by key, in order of appearance. */
export class OpenImages {
  readonly #images = new Map<string, ImageParts>()

  /** The parts of `image`; begins a new image if the key is new. */
  of(image: string, partOf?: string): ImageParts {
    let parts = this.#images.get(image)
    if (parts === undefined) {
      parts = { image, layers: [] }
      this.#images.set(image, parts)
    }
    if (partOf !== undefined) parts.partOf = partOf
    return parts
  }

  /** Ends an image, and returns its parts, if any came. */
  take(image: string): ImageParts | undefined {
    const parts = this.#images.get(image)
    this.#images.delete(image)
    return parts
  }

  /** Ends all images that are left. */
  *rest(): Generator<ImageParts, void, void> {
    for (const image of [...this.#images.keys()]) {
      const parts = this.take(image)
      if (parts !== undefined) yield parts
    }
  }
}
