/**
 * The layers of the image in a stream of records.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { chainIDs } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { checkDiffIDs, layerFile } from '@pipelayer/layer-blob'
import { checkCount } from '@pipelayer/overlays'
import type { AnyRecord, ConfigRecord, LayerRecord, ManifestRecord } from '@pipelayer/records'
import type { LayerToUnpack } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'

const OF_IMAGES = new Set(['layer', 'config', 'manifest', 'index', 'blob'])

/** An image whose layers can be unpacked. */
export interface LayeredImage {
  /** Its key in the stream. */
  readonly image: string
  readonly reference?: string
  /** Base first. */
  readonly layers: readonly LayerToUnpack[]
}

/** Collects the one image of a stream. Memory: its records. */
export class ImageCollector {
  readonly #layers: LayerRecord[] = []
  #image: string | undefined
  #config: ConfigRecord | undefined
  #manifest: ManifestRecord | undefined

  /** @throws ToolError `MANY_IMAGES`; `STEP_UNPACKED` for what a filter has to pack first */
  see(record: AnyRecord): void {
    if (record.type === 'snapshot' || record.type === 'layer-begin')
      throw new ToolError(
        'STEP_UNPACKED',
        'the stream has a step that is not packed as a layer: put ovl-diff and layer-pack between',
      )
    if (!OF_IMAGES.has(record.type)) return
    const image = String(record.image)
    this.#image ??= image
    if (record.type === 'index' || image !== this.#image)
      throw new ToolError(
        'MANY_IMAGES',
        'the stream has several images: choose one of them, by platform or reference',
      )
    if (record.type === 'layer' && record.empty !== true) this.#layers.push(record as LayerRecord)
    else if (record.type === 'config') this.#config = record as ConfigRecord
    else if (record.type === 'manifest') this.#manifest = record as ManifestRecord
  }

  /**
   * To be called when the stream is complete.
   *
   * @param form - of the trees into which the layers are unpacked
   * @throws ToolError `NO_LAYERS`, `CONFIG_MISSING`, `LAYERS_MISSING`, `DIFF_ID_MISMATCH`, `DIFF_ID_MISSING`,
   *   `TOO_MANY_LAYERS`, those of `layerFile`
   */
  finish(store: Store, form: string): LayeredImage {
    const records = this.#layers
    if (records.length === 0)
      throw new ToolError('NO_LAYERS', 'the stream has no layer: there is nothing to mount')
    checkCount(records.length, '; layer-squash merges layers')
    const files = records.map(record => layerFile(record, () => store))
    const diffIDs = this.#diffIDs()
    const chain = chainIDs(diffIDs)
    // Garbage collection finds what is mounted by real paths.
    const root = fs.realpathSync(store.root)
    const layers = files.map(({ digest, blob }, at): LayerToUnpack => {
      const size = records[at]?.size ?? fs.statSync(blob.file).size
      const dir = path.join(root, path.relative(store.root, store.layerPath(form, chain[at] ?? '')))
      return { blob: blob.file, digest, size, diffID: diffIDs[at] ?? '', dir }
    })
    const reference = this.#manifest?.reference
    return { image: this.#image ?? '1', layers, ...(reference === undefined ? {} : { reference }) }
  }

  #diffIDs(): string[] {
    const config = this.#config
    if (config === undefined && this.#manifest !== undefined)
      throw new ToolError('CONFIG_MISSING', 'the config of the image is not in the stream')
    if (config !== undefined)
      checkDiffIDs(
        config,
        this.#layers.map(({ diffID }) => diffID),
      )
    const rootfs: unknown = config?.config.rootfs
    const known: unknown =
      typeof rootfs === 'object' && rootfs !== null ? Reflect.get(rootfs, 'diff_ids') : undefined
    return this.#layers.map(({ diffID, digest }, at) => {
      const found: unknown = diffID ?? (Array.isArray(known) ? known[at] : undefined)
      if (typeof found === 'string') return found
      throw new ToolError(
        'DIFF_ID_MISSING',
        `nothing tells the diffID of layer ${digest}, by which its directory is named: manifest-gen adds it`,
      )
    })
  }
}
