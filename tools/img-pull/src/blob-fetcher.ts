import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { fetchBlob, type Limit, limitTo, type PlaceOptions, type PlaceReader } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'

/** Transfers at a time: enough to fill a line, few enough for a registry that counts connections. */
const PARALLEL = 5

/**
 * Brings blobs into the store, several at a time and each once. What is there already is not fetched again.
 *
 * Memory: a few hundred KiB for each transfer, 32 MiB for the one big blob that is fetched in parts. The store checks
 * size and digest before a blob has its name.
 */
export class BlobFetcher {
  readonly #store: Store
  readonly #limit: Limit = limitTo(PARALLEL)
  readonly #running = new Map<string, Promise<string>>()
  readonly #warn: PlaceOptions['warn']
  #stop = new AbortController()

  constructor(store: Store, warn?: PlaceOptions['warn']) {
    this.#store = store
    this.#warn = warn
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
    const options = { store: this.#store, reader: place, signal: this.#stop.signal, warn: this.#warn }
    const transfer = this.#limit(() => fetchBlob(descriptor, options))
    this.#running.set(digest, transfer)
    // Whoever waits for it sees the failure; a later image may try again.
    transfer.catch(() => this.#running.delete(digest))
    return transfer
  }

  /** Gives up what runs, and waits until nothing is written any more. */
  async stop(): Promise<void> {
    this.#stop.abort(new ToolError('STOPPED', 'the transfer was given up'))
    await Promise.allSettled(this.#running.values())
    this.#running.clear()
    this.#stop = new AbortController()
  }
}
