import type { Layout } from '@pipelayer/layout'
import {
  type Descriptor,
  type Family,
  familyOf,
  type Manifest,
  type Platform,
  parseManifest,
  platformOf,
} from '@pipelayer/oci'
import type { ConfigRecord, ManifestRecord } from '@pipelayer/records'
import { type ConfigOptions, type FinishedConfig, finishConfig } from './config.js'
import { familyTypes, layerDescriptor, manifestDocument, readDocument } from './documents.js'
import type { ImageParts } from './image-parts.js'

export interface FinishOptions extends ConfigOptions {
  readonly mediaTypes: Family | undefined
  readonly annotations: Readonly<Record<string, string>>
}

/** The records that end an image, without `root` and `reference`. */
export interface FinishedImage {
  readonly config: ConfigRecord
  readonly manifest: ManifestRecord
  readonly platform: Platform | undefined
  readonly family: Family
  /** False if the manifest is the one that came in. */
  readonly isNew: boolean
}

/**
 * Writes the missing documents of an image into the store: a changed config, and a manifest that names it. What the
 * documents say already is kept byte for byte; annotations, the subject and the artifact type of an old manifest stay.
 *
 * @throws {ToolError} `LAYERS_MISSING`, `CONFIG_MISSING`, `CONFIG_INVALID`, `DIFFID_MISSING`, `MEDIA_TYPE_UNSUPPORTED`,
 *   `BLOB_UNKNOWN`, `MANIFEST_INVALID`
 */
export function finishImage(parts: ImageParts, options: FinishOptions, store: Layout): FinishedImage {
  const finished = finishConfig(parts, options, store)
  const old = oldManifest(parts.manifest, store)
  const family = options.mediaTypes ?? familyFrom(parts, finished)
  const config = configRecord({ parts, finished, family }, store)
  const wanted = manifestDocument({
    family,
    config: bareDescriptor(config),
    layers: finished.layers.map(layer => layerDescriptor(layer, family)),
    annotations: { ...old?.annotations, ...parts.config?.manifestAnnotations, ...options.annotations },
    old,
  })
  const platform = platformOf(finished.document)
  const isNew = parts.manifest === undefined || !says(old, wanted)
  const manifest = isNew
    ? manifestRecord(parts.image, { document: wanted, family }, store)
    : (parts.manifest as ManifestRecord)
  return { config, manifest, platform, family, isNew }
}

function configRecord(
  { parts, finished, family }: { parts: ImageParts; finished: FinishedConfig; family: Family },
  store: Layout,
): ConfigRecord {
  const rest: Partial<ConfigRecord> = parts.config ?? {}
  const isArtifact = finished.kept !== undefined && familyOf(parts.config?.mediaType ?? '') === undefined
  const mediaType = isArtifact ? (parts.config?.mediaType ?? '') : familyTypes(family).config
  const blob = store.putBytes(finished.kept ?? Buffer.from(JSON.stringify(finished.document)))
  const { digest, size, path } = blob
  // The places have the config that came in, and so has the record. One that was written anew is nowhere else yet.
  const { from: _places, data: _bytes, ...described } = rest
  const known = digest === rest.digest ? rest : described
  const { image } = parts
  return { ...known, type: 'config', image, mediaType, digest, size, path, config: finished.document }
}

function manifestRecord(
  image: string,
  { document, family }: { readonly document: object; readonly family: Family },
  store: Layout,
): ManifestRecord {
  const mediaType = familyTypes(family).manifest
  return {
    type: 'manifest',
    image,
    mediaType,
    ...store.putBytes(Buffer.from(JSON.stringify(document))),
  }
}

function oldManifest(record: ManifestRecord | undefined, store: Layout): Manifest | undefined {
  if (record === undefined) return undefined
  const document = parseManifest(readDocument(record, store), { mediaType: record.mediaType })
  return document.kind === 'manifest' ? document : undefined
}

/** Whether the manifest that came in is equal to a new one: then its bytes are kept. */
function says(old: Manifest | undefined, wanted: object): boolean {
  if (old === undefined) return false
  const { mediaType, config, layers, annotations } = old
  const key = (value: object): string => JSON.stringify(value)
  const bare = (list: readonly Descriptor[]): string => key(list.map(bareDescriptor))
  const next = wanted as Pick<Manifest, 'mediaType' | 'config' | 'layers' | 'annotations'>
  return (
    mediaType === next.mediaType &&
    key(bareDescriptor(config)) === key(next.config) &&
    bare(layers) === bare(next.layers) &&
    key(annotations ?? {}) === key(next.annotations ?? {})
  )
}

/** The image gets Docker's media types only if none of its parts has one of OCI's. */
function familyFrom(parts: ImageParts, { layers }: FinishedConfig): Family {
  const types = [...layers.map(layer => layer.mediaType), parts.manifest?.mediaType, parts.config?.mediaType]
  const known = types.flatMap(type => (type === undefined ? [] : [familyOf(type)]))
  return known.length > 0 && known.every(family => family === 'docker') ? 'docker' : 'oci'
}

function bareDescriptor({ mediaType, digest, size }: Partial<Descriptor>): Descriptor {
  return { mediaType: mediaType ?? '', digest: digest ?? '', size: size ?? 0 }
}
