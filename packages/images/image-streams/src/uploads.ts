/**
 * Knows where the blobs of this run were put, and which ones are on their way. Memory: some 200 bytes for each blob.
 */
export class Uploads {
  readonly #places = new Map<string, string>()
  readonly #running = new Map<string, Promise<void>>()

  /** A place to which this run has put the blob. */
  placeOf(digest: string): string | undefined {
    return this.#places.get(digest)
  }

  /** Remembers that a place has these blobs. */
  add(digests: Iterable<string>, place: string): void {
    for (const digest of digests) this.#places.set(digest, place)
  }

  /**
   * Puts a blob. If the same blob is being put right now, this waits for it: afterwards the blob can be mounted from
   * there, or, if the place is the same, need not be put at all.
   *
   * @param place - where to; undefined if the place does not share blobs between images
   * @param work - puts the blob; its argument is a place to which this run has put it before
   */
  async put(
    digest: string,
    place: string | undefined,
    work: (from: string | undefined) => Promise<void>,
  ): Promise<void> {
    for (let other = this.#running.get(digest); other !== undefined; other = this.#running.get(digest)) {
      // A failure of the other upload is reported for its own image.
      await other.catch(() => undefined)
    }
    const from = this.#places.get(digest)
    if (from !== undefined && from === place) return
    const run = work(from)
    this.#running.set(digest, run)
    try {
      await run
      if (place !== undefined) this.#places.set(digest, place)
    } finally {
      this.#running.delete(digest)
    }
  }
}
