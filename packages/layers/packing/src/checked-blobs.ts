/**
 * Checks whether this zlib compresses to the same bytes as others.
 *
 * @module
 */

import { verifyEngine } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import type { BlobSink, PackOptions } from './types.js'

export interface CheckedBlobsOptions extends Pick<PackOptions, 'compress' | 'sourceDateEpoch'> {
  /** Makes a blob that is not seen before it is committed. */
  readonly open: () => BlobSink
  readonly onWarning?: ((message: string, code: string) => void) | undefined
}

/** Checks once, while the first layer is packed. It takes some 10 ms, half of them in another thread. */
export class CheckedBlobs {
  readonly #options: CheckedBlobsOptions
  #checked: Promise<void> | undefined

  constructor(options: CheckedBlobsOptions) {
    this.#options = options
  }

  /**
   * Makes a new blob, which is not visible before the engine was checked. If the check fails and
   * SOURCE_DATE_EPOCH is set, its commit throws ToolError `ENGINE_UNKNOWN`; otherwise there is only a warning.
   */
  newBlob(): BlobSink {
    const checked = (this.#checked ??= this.#check())
    // If packing fails first, nobody awaits the check, and its failure must not count as an unhandled rejection.
    checked.catch(() => undefined)
    const blob = this.#options.open()
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
    if ((compress?.format ?? 'gzip') !== 'gzip' || compress?.engine !== undefined) return
    const { isKnown, engine } = await verifyEngine()
    if (isKnown) return
    const message = `${engine} does not give the bytes that Node's own zlib gives: blobs differ from those made elsewhere`
    if (sourceDateEpoch !== undefined) throw new ToolError('ENGINE_UNKNOWN', message)
    onWarning?.(message, 'ENGINE_UNKNOWN')
  }
}
