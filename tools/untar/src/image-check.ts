/**
 * Checks whether the records of a stream are one complete image.
 *
 * @module
 */
import fs from 'node:fs'
import { digestOf, parseDigest } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT, parseManifest } from '@pipelayer/oci'
import type { AnyRecord, ConfigRecord, ManifestRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'
import { readRegular } from '@pipelayer/sys'
import type { LayerSource } from './layer-source.js'

const OF_IMAGES = new Set(['layer', 'config', 'manifest', 'index', 'blob'])

/** Watches the records of a stream, and reports at the end what a filter dropped. */
export class ImageCheck {
  readonly #store: () => Store
  readonly #digests: string[] = []
  readonly #diffIDs: string[] = []
  #image: string | undefined
  #hasLayers = false
  #config: ConfigRecord | undefined
  #manifest: ManifestRecord | undefined

  constructor(store: () => Store) {
    this.#store = store
  }

  /** @throws ToolError `MANY_IMAGES`: only one image fits into a directory */
  see(record: AnyRecord): void {
    if (!OF_IMAGES.has(record.type)) return
    const image = String(record.image)
    this.#image ??= image
    if (record.type === 'index' || image !== this.#image)
      throw new ToolError(
        'MANY_IMAGES',
        'the stream has several images: choose one of them, by platform or reference',
      )
    if (record.type === 'layer') this.#hasLayers = true
    else if (record.type === 'config') this.#config = record as ConfigRecord
    else if (record.type === 'manifest') this.#manifest = record as ManifestRecord
  }

  unpacked(layer: LayerSource, diffID: string): void {
    this.#digests.push(layer.blob.expected?.digest ?? '')
    this.#diffIDs.push(diffID)
  }

  /** @throws ToolError `NO_LAYERS`, `LAYER_MISMATCH`, `DIFF_ID_MISMATCH`, `CONFIG_MISSING`, `BLOB_UNKNOWN` */
  finish(): void {
    if (!this.#hasLayers)
      throw new ToolError('NO_LAYERS', 'the stream has no layer: there is nothing to unpack')
    if (this.#manifest !== undefined) this.#compareManifest(this.#manifest)
    const wanted = diffIDsOf(this.#config)
    if (wanted !== undefined) compare({ code: 'DIFF_ID_MISMATCH', by: 'its config' }, wanted, this.#diffIDs)
  }

  #compareManifest(record: ManifestRecord): void {
    const manifest = parseManifest(this.#read(record), { mediaType: record.mediaType })
    if (manifest.kind === 'index')
      throw new ToolError('MANY_IMAGES', 'the manifest is an index of several images')
    const wanted = manifest.layers.map(({ digest }) => digest)
    compare({ code: 'LAYER_MISMATCH', by: 'its manifest' }, wanted, this.#digests)
    const { digest } = manifest.config
    if (this.#config === undefined || (this.#config.digest ?? digest) !== digest)
      throw new ToolError(
        'CONFIG_MISSING',
        `the manifest names the config ${digest}, which is not in the stream`,
      )
  }

  #read({ path, digest }: ManifestRecord): Buffer {
    if (path === undefined || !fs.existsSync(path)) return this.#store().readBlob(parseDigest(digest))
    const bytes = attempt(`read "${path}"`, () => readRegular(path, MAX_DOCUMENT))
    const actual = digestOf(bytes)
    if (actual !== digest)
      throw new ToolError('DIGEST_MISMATCH', `cannot use "${path}": expected ${digest}, got ${actual}`)
    return bytes
  }
}

/** Undefined if the config comes from a build and has no diffIDs yet. */
function diffIDsOf(config: ConfigRecord | undefined): readonly string[] | undefined {
  const rootfs: unknown = config?.config.rootfs
  const ids: unknown =
    typeof rootfs === 'object' && rootfs !== null ? Reflect.get(rootfs, 'diff_ids') : undefined
  return Array.isArray(ids) && ids.every(id => typeof id === 'string') ? ids : undefined
}

function compare(
  { code, by }: { readonly code: string; readonly by: string },
  wanted: readonly string[],
  got: readonly string[],
): void {
  if (wanted.length !== got.length)
    throw new ToolError(code, `the image has ${wanted.length} layers by ${by}, but ${got.length} came`)
  const index = wanted.findIndex((digest, at) => digest !== got[at])
  if (index >= 0)
    throw new ToolError(
      code,
      `layer ${index + 1} should be ${wanted[index]} by ${by}, but ${got[index]} came`,
    )
}
