/**
 * The images of a stream, each edited when its last record has come.
 *
 * @module
 */
import { isDeepStrictEqual } from 'node:util'
import { ToolError } from '@pipelayer/errors'
import {
  annotated,
  finishImage,
  layerDescriptor,
  readDocument,
  relisted,
  replacing,
} from '@pipelayer/image-documents'
import { checkDiffIDs } from '@pipelayer/layer-blob'
import {
  checkConfig,
  type Descriptor,
  familyOf,
  isConfigType,
  parseManifest,
  platformOf,
} from '@pipelayer/oci'
import type { AnyRecord, ConfigRecord, LayerRecord, ManifestRecord } from '@pipelayer/records'
import { formatReference, parseNormalized } from '@pipelayer/reference'
import { edited } from './edit-config.js'
import type { ImageState } from './image-state.js'
import { type OpenImage, OpenImages } from './open-images.js'
import type { EditContext, ImageEdits } from './options.js'
import { Rebase } from './rebase.js'

export class EditedStream {
  readonly #edits: ImageEdits
  readonly #context: EditContext
  readonly #rebase: Rebase | undefined
  readonly #open = new OpenImages()
  /** Manifests that changed, by the image of their index, then by their former digest. */
  readonly #changed = new Map<string, Map<string, Descriptor>>()
  /** Former digests of what changed, and digests of what was dropped. */
  readonly #gone = new Set<string>()
  /** Records that wait for the next root record: only that tells whether their image refers to a changed one. */
  #pending: AnyRecord[] = []
  #roots = 0

  constructor(edits: ImageEdits, context: EditContext) {
    this.#edits = edits
    this.#context = context
    this.#rebase = edits.rebase === undefined ? undefined : new Rebase(edits.rebase, context)
  }

  /** Takes a record, and returns those that can be passed on. */
  async take(record: AnyRecord): Promise<readonly AnyRecord[]> {
    this.#open.note(record)
    this.#pending.push(...(await this.#taken(record)))
    if (isManifest(record) && record.root === true) {
      if (this.#refersToChanged(record)) this.#drop(record)
      this.#roots++
      return this.#flushed()
    }
    // The first image of a stream refers to no image before it, so its layers need not wait.
    return this.#roots === 0 ? this.#flushed() : []
  }

  /** @throws ToolError `CONFIG_MISSING` for layers without a config */
  end(): readonly AnyRecord[] {
    for (const open of this.#open.rest()) this.#pending.push(...this.#unfinished(open))
    return this.#flushed()
  }

  #flushed(): readonly AnyRecord[] {
    const records = this.#pending
    this.#pending = []
    return records
  }

  #taken(record: AnyRecord): AnyRecord[] | Promise<AnyRecord[]> {
    if (typeof record.image !== 'string') return [record]
    switch (record.type) {
      case 'layer':
        return this.#layer(record as LayerRecord)
      case 'blob':
        this.#hold(record).hasBlobs = true
        return []
      case 'config':
        return this.#config(record as ConfigRecord)
      case 'manifest':
        return this.#manifest(record as ManifestRecord)
      case 'index':
        return [this.#index(record as ManifestRecord)]
      case 'failed':
        this.#open.take(record.image)
        return [record]
      default:
        return [record]
    }
  }

  #hold(record: AnyRecord): OpenImage {
    const open = this.#open.of(record as LayerRecord)
    open.held.push(record)
    return open
  }

  // A layer goes on at once, unless the edits change the list from below or what is said of a layer.
  #layer(layer: LayerRecord): AnyRecord[] {
    const open = this.#open.of(layer)
    open.layers.push(layer)
    if (this.#rebase === undefined && !this.#edits.stripHistory) return [layer]
    open.held.push(layer)
    return []
  }

  // The config of a build has no blob yet, and no manifest will come: another program writes both.
  #config(record: ConfigRecord): AnyRecord[] {
    this.#hold(record).config = record
    const open = record.digest === undefined ? this.#open.take(record.image) : undefined
    return open === undefined ? [] : this.#unfinished(open)
  }

  #unfinished({ key, layers, held, config }: OpenImage): AnyRecord[] {
    if (config === undefined)
      throw new ToolError(
        'CONFIG_MISSING',
        `cannot edit image "${key.image}": no config came for its layers: put manifest-gen before the edit`,
      )
    if (this.#rebase !== undefined)
      throw new ToolError(
        'MANIFEST_MISSING',
        `cannot rebase image "${key.image}": no manifest came for it: put manifest-gen before the edit`,
      )
    const after = edited({ document: config.config, layers, isWhole: false }, this.#edits, key)
    const { annotations } = this.#edits
    const more =
      Object.keys(annotations).length === 0
        ? {}
        : { manifestAnnotations: { ...config.manifestAnnotations, ...annotations } }
    const shown = held.some(({ type }) => type === 'layer') ? after.layers : after.layers.slice(layers.length)
    return [
      ...held.filter(({ type }) => type === 'blob'),
      ...shown,
      { ...config, config: after.document, ...more },
    ]
  }

  async #manifest(record: ManifestRecord): Promise<AnyRecord[]> {
    const taken = this.#open.take(record.image) ?? { key: record, layers: [], held: [], hasBlobs: false }
    // A step without changes has a record in some streams, and no layer in the image.
    const open: OpenImage = { ...taken, layers: taken.layers.filter(({ empty }) => empty !== true) }
    const { config } = open
    if (config === undefined || open.hasBlobs || config.config.os === 'unknown') {
      this.#checkArtifact(record, open)
      return [...open.held, record]
    }
    checkDiffIDs(
      config,
      open.layers.map(({ diffID }) => diffID),
    )
    const key = { image: record.image, ...(record.partOf === undefined ? {} : { partOf: record.partOf }) }
    const before: ImageState = { document: config.config, layers: open.layers, isWhole: true }
    const { state, annotations } = await this.#based(before, record, key)
    const after = edited(state, this.#edits, key)
    const isSame = isDeepStrictEqual(after.document, before.document) && isSameLayers(after, before)
    if (isSame) return [...open.held, this.#annotated(record, annotations)]
    return this.#finished({ open, record, after, annotations })
  }

  /** An attestation or a referrer is passed on as it is, but an artifact in place of an image is an error. */
  #checkArtifact(record: ManifestRecord, open: OpenImage): void {
    const document = parseManifest(readDocument(record, this.#context.store), { mediaType: record.mediaType })
    const what = `cannot edit image "${record.image}"`
    if (open.config === undefined && document.kind === 'manifest' && isConfigType(document.config.mediaType))
      throw new ToolError('CONFIG_MISSING', `${what}: its config did not come; a record was lost on the way`)
    if (record.partOf === undefined && record.subject === undefined)
      throw new ToolError('CONFIG_MISSING', `${what}: it is an artifact, which has no config of an image`)
  }

  async #based(
    state: ImageState,
    record: ManifestRecord,
    key: Pick<LayerRecord, 'image' | 'partOf'>,
  ): Promise<{ readonly state: ImageState; readonly annotations: Readonly<Record<string, string>> }> {
    const { annotations } = this.#edits
    if (this.#rebase === undefined) return { state, annotations }
    const platform = platformOf(checkConfig(state.document))
    if (platform === undefined)
      throw new ToolError(
        'CONFIG_INVALID',
        `cannot rebase image "${key.image}": its config names no platform`,
      )
    const rebased = await this.#rebase.apply(state, platform, key)
    // Docker's manifests have no annotations.
    const names = familyOf(record.mediaType) === 'docker' ? {} : rebased.annotations
    return { state: rebased, annotations: { ...names, ...annotations } }
  }

  #annotated(record: ManifestRecord, annotations: Readonly<Record<string, string>>): ManifestRecord {
    const after = annotated(record, annotations, this.#context.store)
    return after.digest === record.digest ? record : this.#changedTo(record, after)
  }

  #finished({ open, record, after, annotations }: Finished): AnyRecord[] {
    const family = familyOf(record.mediaType) ?? 'oci'
    const layers = after.layers.map(layer => ({ ...layer, ...layerDescriptor(layer as Descriptor, family) }))
    const {
      digest: _digest,
      size: _size,
      path: _path,
      from: _from,
      data: _data,
      annotations: _old,
      ...config
    } = open.config as ConfigRecord
    const { store } = this.#context
    const image = finishImage(
      {
        image: record.image,
        layers,
        config: { ...config, config: after.document } as ConfigRecord,
        manifest: record,
      },
      {
        edits: {},
        platform: undefined,
        defaultPlatform: { os: 'linux', architecture: 'amd64' },
        created: '',
        author: undefined,
        newConfig: false,
        mediaTypes: family,
        annotations,
      },
      store,
    )
    const isShown = !open.held.some(({ type }) => type === 'layer')
    const manifest = this.#changedTo(record, replacing(record, image.manifest))
    return [...(isShown ? layers.slice(open.layers.length) : layers), image.config, manifest]
  }

  #index(record: ManifestRecord): ManifestRecord {
    const changed = this.#changed.get(record.image)
    return changed === undefined
      ? record
      : this.#changedTo(record, relisted(record, changed, this.#context.store))
  }

  // A name that pins the former digest cannot be the name of what came out of it.
  #changedTo(record: ManifestRecord, after: ManifestRecord): ManifestRecord {
    this.#gone.add(record.digest)
    if (record.partOf !== undefined) {
      const table = this.#changed.get(record.partOf) ?? new Map<string, Descriptor>()
      this.#changed.set(record.partOf, table.set(record.digest, after as Descriptor))
    }
    const { reference, ...rest } = after
    const name = reference === undefined ? undefined : unpinned(reference)
    return name === undefined ? rest : { ...rest, reference: name }
  }

  #refersToChanged({ subject }: ManifestRecord): boolean {
    return typeof subject === 'string' && this.#gone.has(subject)
  }

  #drop(root: ManifestRecord): void {
    this.#gone.add(root.digest)
    this.#pending = this.#pending.filter(record => !this.#open.belongs(record, root.image))
    const what = root.reference ?? root.digest
    this.#context.onWarning?.(
      `${what} is left out: it refers to an image that was changed`,
      'REFERRER_DROPPED',
    )
  }
}

interface Finished {
  readonly open: OpenImage
  readonly record: ManifestRecord
  readonly after: ImageState
  readonly annotations: Readonly<Record<string, string>>
}

function isManifest(record: AnyRecord): record is ManifestRecord {
  return record.type === 'manifest' || record.type === 'index'
}

function isSameLayers(a: ImageState, b: ImageState): boolean {
  return isDeepStrictEqual(
    a.layers.map(({ digest }) => digest),
    b.layers.map(({ digest }) => digest),
  )
}

function unpinned(reference: string): string | undefined {
  const { digest, ...name } = parseNormalized(reference)
  if (digest === undefined) return reference
  return name.tag === undefined ? undefined : formatReference(name)
}
