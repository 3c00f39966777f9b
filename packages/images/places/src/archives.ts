import type { ImageArchive } from '@pipelayer/archives'

/**
 * The archives that a run writes. All of its images that go into the same file go into the same archive, which is
 * published as the last step.
 */
export class Archives {
  readonly #open = new Map<string, ImageArchive>()

  /** @internal */
  get(key: string, make: () => ImageArchive): ImageArchive {
    const archive = this.#open.get(key) ?? make()
    this.#open.set(key, archive)
    return archive
  }

  /** Gives up what is not published, and leaves no temporary file. */
  async close(): Promise<void> {
    for (const archive of this.#open.values()) await archive.abort()
    this.#open.clear()
  }
}
