import { limitTo, type Place } from '@pipelayer/places'
import type { AnyRecord } from '@pipelayer/records'
import { type Part, partIn } from './parts.js'
import { origins } from './put.js'
import type { BlobSource } from './source.js'
import type { Uploads } from './uploads.js'

/** How many transfers run at a time. The programs before this one still make layers meanwhile. */
const PARALLEL = 2

export interface PutAheadOptions {
  /** Where the image of the stream goes. */
  readonly place: Place
  readonly source: Pick<BlobSource, 'opener'>
  /** The uploads of this run: a blob that the run has put is not put again. */
  readonly uploads: Uploads
}

/**
 * Puts the layers of an image while the rest of it is still being made. No manifest names them yet, so nothing is
 * published. A failure is not reported here: the layer is put again together with its image, and a second failure is
 * reported then.
 */
export class PutAhead {
  readonly place: Place
  readonly #options: PutAheadOptions
  readonly #limit = limitTo(PARALLEL)
  readonly #abort = new AbortController()
  readonly #running = new Map<string, Promise<void>>()
  #isOver = false

  constructor(options: PutAheadOptions) {
    this.place = options.place
    this.#options = options
  }

  /** Starts to put a layer whose bytes are on this machine. Other layers wait for their manifest. */
  add(record: AnyRecord): void {
    const { type, digest, path } = record
    if (type !== 'layer' || typeof digest !== 'string' || typeof path !== 'string') return
    if (this.#running.has(digest)) return
    const run = this.#limit(() => this.#put(partIn(record, digest)))
    this.#running.set(
      digest,
      run.catch(() => undefined),
    )
  }

  /** Starts no further transfer, because the image itself is put now. */
  stop(): void {
    this.#isOver = true
  }

  /** Aborts the transfers that run, and waits for them. */
  async close(): Promise<void> {
    this.#isOver = true
    this.#abort.abort()
    await Promise.all(this.#running.values())
  }

  async #put(part: Part): Promise<void> {
    const { source, uploads } = this.#options
    const { signal } = this.#abort
    const writer = this.place.write
    if (this.#isOver || (await writer.hasBlob(part))) return
    const open = source.opener(part, { signal, leaves: !this.place.traits.isLocal })
    await uploads.put(part.digest, this.place.text, from => writer.putBlob(part, open, origins(part, from)))
  }
}
