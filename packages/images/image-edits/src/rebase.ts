/**
 * The change of an image's base: its lowest layers, which are those of another image, give way to the layers of a third
 * one.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { bare, formatPlatform, type JsonObject, type Platform } from '@pipelayer/oci'
import { openPlace, type PlaceOptions } from '@pipelayer/places'
import { type FetchedImage, fetchDocuments, fetchImage } from '@pipelayer/pulling'
import type { LayerRecord } from '@pipelayer/records'
import { hasLayer, historyOf, type ImageState } from './image-state.js'
import type { BaseChange, EditContext } from './options.js'

/** The key of the image that is rebased, for messages and for the records of its new layers. */
type Key = Pick<LayerRecord, 'image' | 'partOf'>

interface Bases {
  readonly old: FetchedImage
  readonly new: FetchedImage
  /** The reference of the new base, if it has one. */
  readonly reference: string | undefined
}

/** An image on its new base. */
export interface Rebased extends ImageState {
  /** Annotations that name the new base. Spec: image-spec v1.1, annotations.md. */
  readonly annotations: Readonly<Record<string, string>>
}

export class Rebase {
  readonly #change: BaseChange
  readonly #context: EditContext
  readonly #bases = new Map<string, Promise<Bases>>()

  constructor(change: BaseChange, context: EditContext) {
    this.#change = change
    this.#context = context
  }

  /**
   * Rebases one image. The new base is brought into the store; of the old one, only the documents are read. The config
   * stays, with the variables that the old base had set.
   *
   * @throws ToolError `BASE_MISMATCH` if the image does not begin with the layers of the old base; those of
   *   `fetchImage`
   */
  async apply(state: ImageState, platform: Platform, key: Key): Promise<Rebased> {
    const bases = await this.#basesFor(platform)
    const count = this.#checked(state, bases.old, key)
    const base = layersOf(bases.new, key, digest => this.#context.store.blobPath(digest))
    const history = historyFor(state, bases)
    return {
      ...state,
      document: { ...state.document, ...(history === undefined ? {} : { history }) },
      layers: [...base, ...state.layers.slice(count)],
      annotations: {
        ...(bases.reference === undefined ? {} : { 'org.opencontainers.image.base.name': bases.reference }),
        'org.opencontainers.image.base.digest': bases.new.digest,
      },
    }
  }

  #basesFor(platform: Platform): Promise<Bases> {
    const name = formatPlatform(platform)
    const known = this.#bases.get(name) ?? this.#fetch(platform)
    this.#bases.set(name, known)
    return known
  }

  async #fetch(platform: Platform): Promise<Bases> {
    const { store, signal, places } = this.#context
    const how = { store, signal, platform, warn: places.warn }
    const old = await withPlace(this.#change.old, places, place => fetchDocuments(place, how))
    return await withPlace(this.#change.new, places, async place => ({
      old,
      new: await fetchImage(place, how),
      reference: place.reference,
    }))
  }

  // The diffIDs are compared: the same layer may be compressed in another way.
  #checked({ layers }: ImageState, old: FetchedImage, { image }: Key): number {
    const wanted = old.config.rootfs.diff_ids
    const at = wanted.findIndex((diffID, i) => layers[i]?.diffID !== diffID)
    if (at < 0) return wanted.length
    const got = layers[at]?.diffID ?? 'none'
    throw new ToolError(
      'BASE_MISMATCH',
      `cannot rebase image "${image}": ${this.#change.old} is not its base: layer ${at + 1} of that is ${wanted[at]}, of the image ${got}`,
    )
  }
}

async function withPlace<T>(
  text: string,
  options: PlaceOptions,
  work: (place: ReturnType<typeof openPlace>) => Promise<T>,
): Promise<T> {
  const place = openPlace(text, options)
  try {
    return await work(place)
  } finally {
    await place.close()
  }
}

function layersOf(
  { manifest, config, from }: FetchedImage,
  key: Key,
  pathOf: (digest: FetchedImage['manifest']['config']['digest']) => string,
): LayerRecord[] {
  const steps = stepsOf(config, manifest.layers.length)
  return manifest.layers.map((layer, i) => {
    const { created, created_by: createdBy } = steps[i] ?? {}
    const diffID = config.rootfs.diff_ids[i]
    return {
      type: 'layer',
      ...key,
      ...bare(layer),
      ...(layer.urls && { urls: layer.urls }),
      ...(layer.annotations && { annotations: layer.annotations }),
      ...(diffID !== undefined && { diffID }),
      ...(typeof createdBy === 'string' && { createdBy }),
      ...(typeof created === 'string' && { created }),
      path: pathOf(layer.digest),
      ...(from && { from }),
    }
  })
}

/** The steps that made layers; empty entries if the history does not have one for each layer. */
function stepsOf(config: JsonObject, layers: number): readonly JsonObject[] {
  const steps = (historyOf(config) ?? []).filter(hasLayer)
  return steps.length === layers ? steps : Array.from({ length: layers }, () => ({}))
}

// The steps of the new base, whole if its history fits its layers, then those that the image has above the old base.
function historyFor({ document }: ImageState, { old, new: base }: Bases): JsonObject[] | undefined {
  const history = historyOf(document)
  if (history === undefined) return undefined
  const steps = historyOf(base.config) ?? []
  const { length } = base.manifest.layers
  const lower = steps.filter(hasLayer).length === length ? steps : stepsOf(base.config, length)
  return [...lower, ...history.slice(stepsBelow(history, old))]
}

// As many steps as the old base has, if these made its layers; else those up to the one that made its last layer.
function stepsBelow(history: readonly JsonObject[], { config, manifest }: FetchedImage): number {
  const { length } = historyOf(config) ?? []
  const count = manifest.layers.length
  if (history.slice(0, length).filter(hasLayer).length === count) return length
  let made = 0
  const end = history.findIndex(entry => hasLayer(entry) && ++made === count)
  return end < 0 ? 0 : end + 1
}
