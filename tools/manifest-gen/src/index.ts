import { ToolError } from '@pipelayer/errors'
import {
  type FinishedImage,
  type FinishOptions,
  familyTypes,
  finishImage,
  type ImageParts,
  indexDocument,
  indexEntry,
  relisted,
} from '@pipelayer/image-documents'
import type { Layout } from '@pipelayer/layout'
import type { Descriptor } from '@pipelayer/oci'
import type { AnyRecord, ConfigRecord, FailedRecord, LayerRecord, ManifestRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { withBuildName } from './cluster-name.js'
import { OpenImages } from './parts.js'

export interface ManifestGenOptions extends FinishOptions {
  /** The store that the documents are written to; it need not hold the layers. */
  readonly store: Layout
  /** The reference of the image or, with `index`, of the index. */
  readonly tag?: string
  /** Join all images of the stream into one index. */
  readonly index: boolean
}

/**
 * Describes images: adds a config and a manifest to the layers of each, and writes them to the store.
 *
 * Layers pass as they come; `empty` ones are dropped. An image is closed by its root record, or by the end of the
 * stream. The root that gets the tag comes last, because only the end of the stream shows that there is no other image;
 * with several images, the name is given to none. The bytes of a config and of a manifest are kept if they agree with
 * the records. A config whose document was edited is written anew, and so are its manifest and the index that listed
 * it.
 *
 * @throws {ToolError} `LAYERS_MISSING`, `CONFIG_MISSING`, `CONFIG_INVALID`, `DIFFID_MISSING`, `TAG_AMBIGUOUS`,
 *   `IMAGE_MISSING` (a tag and nothing to name), `MEDIA_TYPE_UNSUPPORTED`
 */
export async function* manifestGen(
  records: AsyncIterable<AnyRecord>,
  options: ManifestGenOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const describer = new Describer(options)
  for await (const record of records) yield* describer.take(record)
  yield* describer.end()
}

type Records = Generator<AnyRecord, void, void>

/** The key `image` of the index that `--index` makes; no other program uses this key. */
const JOINED = 'manifest-gen:index'

class Describer {
  readonly #options: ManifestGenOptions
  readonly #open = new OpenImages()
  readonly #reference: string | undefined
  /** Manifests that changed, by the image of their index, then by their former digest. */
  readonly #changed = new Map<string, Map<string, Descriptor>>()
  /** With `--index`: the images that the index lists. */
  readonly #listed: FinishedImage[] = []
  #roots = 0
  /** The root record of the image that gets the tag. It is yielded at the end, when it is known to be the only one. */
  #named: AnyRecord | undefined
  /** The key of an image that failed. */
  #failed: string | undefined

  constructor(options: ManifestGenOptions) {
    this.#options = options
    this.#reference =
      options.tag === undefined ? undefined : formatReference(withDefaultTag(parseNormalized(options.tag)))
  }

  *take(record: AnyRecord): Records {
    switch (record.type) {
      case 'layer':
        return yield* this.#layer(record as LayerRecord)
      case 'config':
        this.#partsOf(record as ConfigRecord).config = withBuildName(
          record as ConfigRecord,
          this.#options.tag,
        )
        return
      case 'manifest':
        return yield* this.#manifest(record as ManifestRecord)
      case 'index':
        return yield* this.#index(record as ManifestRecord)
      case 'failed':
        // If an image has failed, its records are dropped, so that nothing is made of them.
        if (typeof record.image === 'string') {
          this.#failed = record.image
          this.#open.take((record as FailedRecord).image as string)
        }
        return yield record
      default:
        return yield record
    }
  }

  *end(): Records {
    for (const parts of this.#open.rest()) yield* this.#finish(parts)
    if (this.#options.index) yield this.#joined()
    else if (this.#reference !== undefined && this.#roots === 0)
      throw new ToolError('IMAGE_MISSING', `nothing to name "${this.#reference}": no image came`)
    else if (this.#named !== undefined) yield this.#onlyOne(this.#named)
  }

  // If one of several images has failed, the name must not go to the one that is left.
  #onlyOne(named: AnyRecord): AnyRecord {
    if (this.#failed === undefined) return named
    const message = `cannot give "${this.#reference}" to image ${named.image}: image ${this.#failed} of this stream failed`
    throw new ToolError('TAG_AMBIGUOUS', `${message}, and the name may have been meant for it`)
  }

  *#rootRecord(record: AnyRecord): Records {
    if (this.#reference === undefined || record.root !== true) yield record
    else this.#named = record
  }

  *#layer(layer: LayerRecord): Records {
    this.#partsOf(layer).layers.push(layer)
    if (layer.empty !== true) yield layer
  }

  *#manifest(record: ManifestRecord): Records {
    const parts = this.#open.take(record.image) ?? { image: record.image, layers: [] }
    parts.manifest = record
    if (record.partOf !== undefined) parts.partOf = record.partOf
    yield* this.#finish(parts)
  }

  *#finish(parts: ImageParts): Records {
    const image = finishImage(parts, { ...this.#options, unknownStep: 'layer-pack' }, this.#options.store)
    yield { ...image.config, ...this.#membership(parts) }
    if (parts.partOf !== undefined && parts.manifest !== undefined && image.isNew)
      this.#remember(parts, image)
    this.#listed.push(image)
    const platform = image.platform === undefined ? {} : { platform: image.platform }
    const isRoot = !this.#options.index && parts.partOf === undefined
    yield* this.#rootRecord({
      ...image.manifest,
      ...(isRoot ? this.#root(image.manifest) : this.#membership(parts)),
      ...platform,
    })
  }

  #remember(parts: ImageParts, { manifest }: FinishedImage): void {
    const { partOf = '', manifest: old } = parts
    const table = this.#changed.get(partOf) ?? new Map<string, Descriptor>()
    this.#changed.set(partOf, table.set(old?.digest ?? '', manifest))
  }

  /** An index that came in stays as it is, unless one of its manifests has changed. */
  *#index(record: ManifestRecord): Records {
    // When images are joined into a new index, the old index is not needed.
    if (this.#options.index) return
    const fields = record.partOf === undefined ? this.#root(record) : {}
    const changed = this.#changed.get(record.image)
    if (changed === undefined) return yield* this.#rootRecord({ ...record, ...fields })
    yield* this.#rootRecord({ ...relisted(record, changed, this.#options.store), ...fields })
  }

  #joined(): AnyRecord {
    const { store, annotations, mediaTypes } = this.#options
    const [first] = this.#listed
    if (first === undefined) throw new ToolError('IMAGE_MISSING', 'cannot make an index: no image came')
    const family = mediaTypes ?? (this.#listed.every(image => image.family === 'docker') ? 'docker' : 'oci')
    const entries = this.#listed.map(image => indexEntry(image.manifest, image.platform))
    const blob = store.putBytes(Buffer.from(JSON.stringify(indexDocument(entries, family, annotations))))
    const record: ManifestRecord = {
      type: 'index',
      image: JOINED,
      mediaType: familyTypes(family).index,
      ...blob,
    }
    return { ...record, ...this.#root(record) }
  }

  #root(record: ManifestRecord): Pick<ManifestRecord, 'root' | 'reference'> {
    const reference = this.#reference ?? record.reference
    if (this.#reference !== undefined && ++this.#roots > 1)
      throw new ToolError(
        'TAG_AMBIGUOUS',
        `cannot give "${this.#reference}" to image ${record.image}: another image of this stream has it (--index joins them)`,
      )
    return { root: true, ...(reference === undefined ? {} : { reference }) }
  }

  #membership({ partOf }: ImageParts): { partOf?: string; root?: undefined; reference?: undefined } {
    if (this.#options.index) return { partOf: JOINED, root: undefined, reference: undefined }
    return partOf === undefined ? {} : { partOf }
  }

  #partsOf(record: LayerRecord | ConfigRecord): ImageParts {
    return this.#open.of(record.image, record.partOf)
  }
}
