/**
 * Collects one image whose layers are squashed.
 *
 * @module
 */

import { ImageTree, listLayer } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import { checkDiffIDs, layerBlob } from '@pipelayer/layer-blob'
import type { ConfigRecord, LayerBeginRecord, LayerRecord } from '@pipelayer/records'
import type { LayerSquashOptions } from './options.js'

const CREATED_BY = 'layer-squash'

/** The layers of the image so far, applied in memory. Memory: about half a kilobyte for each entry. */
export class ImageSquash {
  readonly #image: string
  readonly #options: LayerSquashOptions
  readonly #tree = new ImageTree()
  readonly #diffIDs: (string | undefined)[] = []
  /** For each layer record, empty ones included: whether it is merged. */
  readonly #isMerged: boolean[] = []
  #base: ImageTree | undefined
  #isAbove: boolean
  #merged = 0
  #created: string | undefined

  constructor(image: string, options: LayerSquashOptions) {
    this.#image = image
    this.#options = options
    this.#isAbove = 'from' in options.cut && options.cut.from === 1
  }

  /** Applies a layer. Returns true if the layer is below the cut, so that its record passes. */
  async take(record: LayerRecord): Promise<boolean> {
    const isMerged = this.#isAbove
    this.#isMerged.push(isMerged)
    if (isMerged) this.#note(record)
    if (record.empty === true) return !isMerged
    if (isMerged) {
      this.#base ??= this.#tree.snapshot()
      this.#merged++
    }
    await this.#apply(record)
    this.#diffIDs.push(record.diffID)
    this.#isAbove ||= this.#isLastKept(record)
    return !isMerged
  }

  /** The tree of the base, and that of the whole image. @throws ToolError `LAYER_NOT_FOUND`, `NOTHING_TO_SQUASH` */
  sides(): { readonly base: ImageTree; readonly tree: ImageTree } {
    const { cut } = this.#options
    if ('onto' in cut && !this.#isAbove)
      throw new ToolError('LAYER_NOT_FOUND', `image "${this.#image}" has no layer ${cut.onto}`)
    if (this.#base === undefined)
      throw new ToolError(
        'NOTHING_TO_SQUASH',
        `image "${this.#image}" has ${this.#diffIDs.length} layers, none of them above the cut`,
      )
    return { base: this.#base, tree: this.#tree }
  }

  /**
   * Checks that all layers came, because no later program could find out. @throws ToolError `LAYERS_MISSING`,
   * `DIFF_ID_MISMATCH`
   */
  check(record: ConfigRecord): void {
    checkDiffIDs(record, this.#diffIDs)
  }

  begin(): LayerBeginRecord {
    return { type: 'layer-begin', image: this.#image, createdBy: CREATED_BY, ...this.#time() }
  }

  /**
   * Returns the config of the squashed image. The steps of the merged layers stay in the history as steps without a
   * layer, and an entry for the merged layer follows them. The diffIDs are removed: manifest-gen adds those of the new
   * layers.
   */
  configOf(record: ConfigRecord): ConfigRecord {
    const { rootfs: _, history, ...rest } = record.config
    if (!Array.isArray(history)) return { ...record, config: rest }
    let layer = 0
    const steps = history.map((step: unknown) => {
      const isEmpty = typeof step !== 'object' || step === null || Reflect.get(step, 'empty_layer') === true
      return !isEmpty && this.#isMerged[layer++] === true ? { ...step, empty_layer: true } : step
    })
    const own = { ...this.#time(), created_by: CREATED_BY, comment: `${this.#merged} layers merged` }
    return { ...record, config: { ...rest, history: [...steps, own] } }
  }

  async #apply(record: LayerRecord): Promise<void> {
    const { open, onWarning, signal } = this.#options
    const { digest, path, tar } = layerBlob(record, open)
    this.#tree.nextLayer()
    try {
      for await (const one of listLayer(tar(), { blob: { digest, path }, onWarning, signal }))
        this.#tree.apply(one)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const { code, status, message } = error
      throw new ToolError(code, `cannot read layer ${digest}: ${message}`, { cause: error, status })
    }
  }

  #isLastKept({ digest, diffID }: LayerRecord): boolean {
    const { cut } = this.#options
    if ('from' in cut) return this.#diffIDs.length === cut.from - 1
    return cut.onto === digest || cut.onto === diffID
  }

  #note({ created }: LayerRecord): void {
    if (created === undefined) return
    if (this.#created === undefined || Date.parse(created) > Date.parse(this.#created))
      this.#created = created
  }

  #time(): { readonly created?: string } {
    return this.#created === undefined ? {} : { created: this.#created }
  }
}
