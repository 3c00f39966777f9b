import type { Link } from '@pipelayer/collection'
import { ToolError } from '@pipelayer/errors'
import { openTar } from '@pipelayer/layer-blob'
import { isConfigType, type Manifest, parseConfig, parseLayerType } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import type { Fault } from './blob-check.js'

/** A fault, and the blob that has it. */
export interface FoundFault extends Fault {
  readonly link: Link
}

/** Computes the diffIDs of layers, each of them once however many images have it. */
export class DiffIDs {
  readonly #store: Store
  readonly #known = new Map<string, Promise<string | ToolError>>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * What is wrong between the config of an image and its layers, whose blobs are whole. An artifact has no diffIDs, and
   * so no such faults.
   */
  async *faultsOf({ config, layers }: Manifest): AsyncGenerator<FoundFault, void, undefined> {
    if (!isConfigType(config.mediaType) || !layers.every(({ mediaType }) => parseLayerType(mediaType))) return
    let listed: readonly string[]
    try {
      listed = parseConfig(this.#store.readBlob(config.digest)).rootfs?.diff_ids ?? []
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      yield { code: error.code, message: error.message, isBroken: false, link: config }
      return
    }
    if (listed.length !== layers.length) {
      const message = `config ${config.digest} has ${listed.length} diffIDs for ${layers.length} layers`
      yield { code: 'DIFF_IDS_INVALID', message, isBroken: false, link: config }
      return
    }
    for (const [at, layer] of layers.entries()) {
      const found = await this.#of(layer)
      const expected = listed[at]
      if (found === expected) continue
      const [code, message] =
        found instanceof ToolError
          ? [found.code, found.message]
          : [
              'DIFF_ID_MISMATCH',
              `the tar of layer ${layer.digest} does not match: expected ${expected}, got ${found}`,
            ]
      yield { code, message, isBroken: false, link: layer }
    }
  }

  #of({ digest }: Link): Promise<string | ToolError> {
    const known = this.#known.get(digest) ?? this.#compute(digest)
    this.#known.set(digest, known)
    return known
  }

  async #compute(digest: string): Promise<string | ToolError> {
    const file = this.#store.blobPath(digest)
    try {
      const { tar, finish } = openTar({
        file,
        expected: { digest },
        diffID: undefined,
        limits: {},
        reuse: true,
      })
      for await (const _chunk of tar);
      return finish()
    } catch (error) {
      // The blob is what its digest says, and yet it cannot be decompressed.
      if (error instanceof ToolError) return error
      throw error
    }
  }
}
