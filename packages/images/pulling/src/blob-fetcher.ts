import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { fetchBlob, type Limit, limitTo, type PlaceOptions, type PlaceReader } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'

/** How many transfers run at a time: enough to fill a line, few enough for a registry that limits connections. */
const PARALLEL = 6

/** A transfer, and the images that wait for it. */
interface Transfer {
  readonly path: Promise<string>
  readonly abort: AbortController
  readonly users: Set<ImageFetcher>
}

/**
 * Brings blobs into the store, several at a time. A blob that several images want is fetched once. A blob that is in
 * the store already is not fetched again, unless it is damaged: see {@link fetchBlob}.
 *
 * Memory: a few hundred KiB for each transfer, 16 MiB for the one big blob that is fetched in parts. The store checks
 * size and digest before it gives a blob its name.
 */
export class BlobFetcher {
  readonly #store: Store
  readonly #limit: Limit = limitTo(PARALLEL)
  readonly #transfers = new Map<string, Transfer>()
  readonly #options: Pick<PlaceOptions, 'verify' | 'warn'>

  constructor(store: Store, options: Pick<PlaceOptions, 'verify' | 'warn'> = {}) {
    this.#store = store
    this.#options = options
  }

  /** The transfers of one image. */
  forImage(): ImageFetcher {
    return new ImageFetcher(this)
  }

  /** @internal Starts a transfer, or joins the one that runs; says which. */
  join(
    user: ImageFetcher,
    descriptor: Descriptor,
    place: PlaceReader,
  ): { readonly transfer: Transfer; readonly isOwn: boolean } {
    const known = this.#transfers.get(descriptor.digest)
    known?.users.add(user)
    if (known !== undefined) return { transfer: known, isOwn: false }
    const abort = new AbortController()
    const { verify, warn } = this.#options
    const options = { store: this.#store, reader: place, signal: abort.signal, verify, warn }
    const path = this.#limit(() => fetchBlob(descriptor, options))
    const transfer = { path, abort, users: new Set([user]) }
    this.#transfers.set(descriptor.digest, transfer)
    // The image that waits for the transfer gets the error; another image may try again.
    path.catch(() => this.#forget(descriptor.digest, transfer))
    return { transfer, isOwn: true }
  }

  /**
   * @internal Is called when one image does not want a blob any more. If no other image wants it, the transfer is given
   * up.
   */
  async leave(user: ImageFetcher, digest: string, transfer: Transfer): Promise<void> {
    transfer.users.delete(user)
    if (transfer.users.size > 0) return
    this.#forget(digest, transfer)
    transfer.abort.abort(stopped())
    await transfer.path.catch(() => undefined)
  }

  #forget(digest: string, transfer: Transfer): void {
    if (this.#transfers.get(digest) === transfer) this.#transfers.delete(digest)
  }
}

/** The blobs that one image has fetched. */
export class ImageFetcher {
  readonly #fetcher: BlobFetcher
  readonly #joined = new Map<string, Transfer>()
  #isStopped = false

  constructor(fetcher: BlobFetcher) {
    this.#fetcher = fetcher
  }

  /**
   * Fetches a blob, or waits for a transfer of it that another image has started. If that one fails, this image's own
   * place is asked.
   *
   * @returns where the blob lies, once it is whole
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `STOPPED`; whatever the place throws
   */
  async fetch(descriptor: Descriptor, place: PlaceReader): Promise<string> {
    if (this.#isStopped) throw stopped()
    const { digest } = descriptor
    const joined = this.#joined.get(digest)
    if (joined !== undefined) return joined.path
    const { transfer, isOwn } = this.#fetcher.join(this, descriptor, place)
    this.#joined.set(digest, transfer)
    if (isOwn) return transfer.path
    try {
      return await transfer.path
    } catch {
      this.#joined.delete(digest)
      return this.fetch(descriptor, place)
    }
  }

  /** Gives up the transfers that only this image wants, and waits until nothing is written for it any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    const joined = [...this.#joined]
    this.#joined.clear()
    await Promise.all(joined.map(([digest, transfer]) => this.#fetcher.leave(this, digest, transfer)))
  }
}

function stopped(): ToolError {
  return new ToolError('STOPPED', 'the transfer was given up')
}
