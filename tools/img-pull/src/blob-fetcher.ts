import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { type Limit, limitTo, type PlaceReader } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'

/** Transfers at a time: enough to fill a line, few enough for a registry that counts connections. */
const PARALLEL = 5

/**
 * Brings blobs into the store, several at a time and each once. What is there already is not fetched again.
 *
 * Memory: a few hundred KiB for each transfer. The store checks size and digest before a blob has its name.
 */
export class BlobFetcher {
  readonly #store: Store
  readonly #limit: Limit = limitTo(PARALLEL)
  readonly #running = new Map<string, Promise<string>>()
  #stopped = false

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Starts a transfer, or joins the one that runs.
   *
   * @returns where the blob lies, once it is whole
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`; whatever the place throws
   */
  fetch(descriptor: Descriptor, place: PlaceReader): Promise<string> {
    const { digest } = descriptor
    const known = this.#running.get(digest)
    if (known !== undefined) return known
    const transfer = this.#limit(() => this.#bring(descriptor, place))
    this.#running.set(digest, transfer)
    // Whoever waits for it sees the failure; a later image may try again.
    transfer.catch(() => this.#running.delete(digest))
    return transfer
  }

  /** Gives up what runs, and waits until nothing is written any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.allSettled(this.#running.values())
    this.#running.clear()
    this.#stopped = false
  }

  async #bring(descriptor: Descriptor, place: PlaceReader): Promise<string> {
    const { digest, size } = descriptor
    const path = this.#store.blobPath(digest)
    if (this.#store.hasBlob(digest, size)) this.#store.touch(path)
    else await this.#store.putBlob(this.#whileWanted(descriptor, place), descriptor)
    return path
  }

  async *#whileWanted(descriptor: Descriptor, place: PlaceReader): AsyncGenerator<Buffer, void, undefined> {
    if (this.#stopped) throw new ToolError('STOPPED', `transfer of ${descriptor.digest} given up`)
    for await (const chunk of place.blob(descriptor)) {
      yield chunk
      if (this.#stopped) throw new ToolError('STOPPED', `transfer of ${descriptor.digest} given up`)
    }
  }
}
