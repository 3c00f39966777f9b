import { ToolError } from '@pipelayer/errors'
import {
  bare,
  type Descriptor,
  type HistoryEntry,
  type ImageConfig,
  isConfigType,
  isIndexType,
  isManifestType,
  type Manifest,
  type Platform,
  parseLayerType,
  platformOf,
} from '@pipelayer/oci'
import type { Place, PlacedManifest, PlaceOptions } from '@pipelayer/places'
import type { AnyRecord } from '@pipelayer/records'
import { readConfig } from './image-config.js'
import type { Keeper } from './keeper.js'
import { originOf } from './origin.js'
import { resolveEntry } from './resolve-entry.js'

/** One image that is being pulled: its place, its destination, and what its records carry. */
export interface ImagePull {
  readonly place: Place
  readonly keeper: Keeper
  /** The image's key in the stream. */
  readonly image: string
  readonly partOf?: string
  /** How many indexes it is nested in. */
  readonly depth?: number
  readonly warn?: PlaceOptions['warn']
}

/** How deep indexes may be nested; a deeper nesting is an attack. */
const MAX_DEPTH = 4

/**
 * Brings a manifest or an index with all that it names into the store, and yields their records: children before their
 * index; for an image the layers, base first, then the config, then the manifest. Each record comes as soon as its blob
 * is whole. The last record is that of the manifest itself, without `root`.
 */
export async function* pullImage(
  pull: ImagePull,
  found: PlacedManifest,
  platform?: Platform,
): AsyncGenerator<AnyRecord, void, undefined> {
  const { keeper, image, partOf } = pull
  let known = platform
  if (found.document.kind === 'index') {
    for (const [number, entry] of found.document.manifests.entries()) {
      const depth = (pull.depth ?? 0) + 1
      yield* pullEntry({ ...pull, image: `${image}.${number + 1}`, partOf: image, depth }, entry)
    }
  } else {
    // The config is fetched first, because it has the diffIDs of the layers. The config of an artifact is a blob like
    // others.
    const isImage = isConfigType(found.document.config.mediaType)
    const config = isImage ? await readConfig(found.document, pull) : undefined
    known ??= config && platformOf(config)
    yield* pullBlobs(pull, found.document, config)
  }
  yield {
    type: found.document.kind,
    image,
    ...(partOf !== undefined && { partOf }),
    ...bare(found.descriptor),
    ...keeper.manifest(found),
    ...originOf(pull, found.descriptor.digest),
    ...(known !== undefined && { platform: known }),
  }
}

async function* pullEntry(pull: ImagePull, entry: Descriptor): AsyncGenerator<AnyRecord, void, undefined> {
  if ((pull.depth ?? 0) > MAX_DEPTH) {
    throw new ToolError(
      'MANIFEST_INVALID',
      `index ${entry.digest} lies too deep: more than ${MAX_DEPTH} levels`,
    )
  }
  if (isManifestType(entry.mediaType) || isIndexType(entry.mediaType)) {
    yield* pullImage(pull, await resolveEntry(pull.place, entry, pull.warn), entry.platform)
  } else {
    yield await blobRecord(pull, entry)
  }
}

async function* pullBlobs(
  pull: ImagePull,
  manifest: Manifest,
  config: ImageConfig | undefined,
): AsyncGenerator<AnyRecord, void, undefined> {
  const { layers } = manifest
  const transfers = layers.map(layer => pull.keeper.blob(layer, pull.place.read))
  // A failure is thrown when it is that transfer's turn. Until then it must not count as an unhandled rejection.
  for (const transfer of transfers) transfer.catch(() => undefined)
  const steps = historyOf(config, layers.length)
  for (const [index, layer] of layers.entries()) {
    const record = await blobRecord(pull, layer)
    const diffID = config?.rootfs.diff_ids[index]
    yield { ...record, ...(diffID !== undefined && record.type === 'layer' && { diffID, ...steps[index] }) }
  }
  const record = await blobRecord(pull, manifest.config)
  yield config === undefined ? record : { ...record, type: 'config', config }
}

async function blobRecord(pull: ImagePull, descriptor: Descriptor): Promise<AnyRecord> {
  const kept = await pull.keeper.blob(descriptor, pull.place.read)
  const { urls, annotations, artifactType } = descriptor
  return {
    type: parseLayerType(descriptor.mediaType) === undefined ? 'blob' : 'layer',
    image: pull.image,
    ...(pull.partOf !== undefined && { partOf: pull.partOf }),
    ...bare(descriptor),
    ...(urls && { urls }),
    ...(annotations && { annotations }),
    ...(artifactType && { artifactType }),
    ...kept,
    ...originOf(pull, descriptor.digest),
  }
}

interface Step {
  readonly createdBy?: string
  readonly created?: string
}

// The step that made each layer; nothing if the history does not have one entry for each layer.
function historyOf(config: ImageConfig | undefined, layers: number): readonly Step[] {
  const steps = (config?.history ?? []).filter((entry: HistoryEntry) => entry.empty_layer !== true)
  if (steps.length !== layers) return []
  return steps.map(({ created_by: createdBy, created }) => ({
    ...(typeof createdBy === 'string' && { createdBy }),
    ...(typeof created === 'string' && { created }),
  }))
}
