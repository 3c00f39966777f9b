/**
 * Whether this zlib gives the bytes that others give.
 *
 * @module
 */

import { verifyEngine } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import type { BlobSink } from '@pipelayer/packing'
import type { LayerPackOptions } from './how.js'

/** Looks once, while the first layer is packed: some 10 ms, half of them of another thread. */
export class Engine {
  readonly #options: LayerPackOptions
  #checked: Promise<void> | undefined

  constructor(options: LayerPackOptions) {
    this.#options = options
  }

  /**
   * A new blob of the store, which nobody sees before the engine has passed: its commit throws ToolError
   * `ENGINE_UNKNOWN` under SOURCE_DATE_EPOCH; without it the user is told.
   */
  newBlob(): BlobSink {
    const checked = (this.#checked ??= this.#check())
    // Not to be taken for one that nobody awaits where packing fails first.
    checked.catch(() => undefined)
    const blob = this.#options.store.blobWriter()
    return {
      write: chunk => blob.write(chunk),
      commit: async () => {
        await checked
        return blob.commit()
      },
      abort: () => blob.abort(),
    }
  }

  async #check(): Promise<void> {
    const { compress, sourceDateEpoch, onWarning } = this.#options
    if (compress.format !== 'gzip' || compress.engine !== undefined) return
    const { isKnown, engine } = await verifyEngine()
    if (isKnown) return
    const message = `${engine} does not give the bytes that Node's own zlib gives: blobs differ from those made elsewhere`
    if (sourceDateEpoch !== undefined) throw new ToolError('ENGINE_UNKNOWN', message)
    onWarning?.(message, 'ENGINE_UNKNOWN')
  }
}
