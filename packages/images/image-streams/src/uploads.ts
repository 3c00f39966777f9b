/** Where the blobs of a run were put, and which are on their way. Memory: some 200 bytes for each blob. */
export class Uploads {
  readonly #places = new Map<string, string>()
  readonly #running = new Map<string, Promise<void>>()

  /** A place that has the blob by this run's doing. */
  placeOf(digest: string): string | undefined {
    return this.#places.get(digest)
  }

  /** A place has these blobs. */
  add(digests: Iterable<string>, place: string): void {
    for (const digest of digests) this.#places.set(digest, place)
  }

  /**
   * Puts a blob, after whoever puts the same one now: it may be mounted then, and need not be put to the same place.
   *
   * @param place - where to; undefined where each image brings its own blobs
   * @param work - puts it, given a place of this run that has it
   */
  async put(
    digest: string,
    place: string | undefined,
    work: (from: string | undefined) => Promise<void>,
  ): Promise<void> {
    for (let other = this.#running.get(digest); other !== undefined; other = this.#running.get(digest)) {
      // Its failure costs its own image.
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
