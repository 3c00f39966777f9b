import { algorithmOf, digestOf } from '@pipelayer/digest'
import type { Layout } from '@pipelayer/layout'
import {
  type Descriptor,
  type Family,
  isIndexType,
  layerMediaType,
  MAX_DOCUMENT,
  type Manifest,
  MEDIA_TYPES,
  type Platform,
  parseLayerType,
} from '@pipelayer/oci'
import { readRegular } from '@pipelayer/sys'

/** A record that names a document. */
interface Named {
  readonly digest: string
  readonly path?: string
  readonly data?: string
}

/**
 * Reads the bytes of a manifest or config that a record names: from its path or from the record itself if those bytes
 * have the digest, otherwise from the store.
 *
 * @throws {ToolError} `BLOB_UNKNOWN`
 */
export function readDocument({ digest, path, data }: Named, store: Layout): Buffer {
  const file = path === undefined ? undefined : matching(path, digest)
  return file ?? inline(data, digest) ?? store.readBlob(digest)
}

function inline(data: string | undefined, digest: string): Buffer | undefined {
  if (data === undefined) return undefined
  const bytes = Buffer.from(data, 'base64')
  return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined
}

/**
 * Returns the file's bytes if they have the digest. The path is only a hint, so every error just leads to the store.
 */
function matching(path: string, digest: string): Buffer | undefined {
  try {
    const bytes = readRegular(path, MAX_DOCUMENT)
    return digestOf(bytes, algorithmOf(digest)) === digest ? bytes : undefined
  } catch {
    return undefined
  }
}

/** The media types of a family's documents. */
export function familyTypes(family: Family): {
  readonly manifest: string
  readonly index: string
  readonly config: string
} {
  return family === 'oci'
    ? { manifest: MEDIA_TYPES.ociManifest, index: MEDIA_TYPES.ociIndex, config: MEDIA_TYPES.ociConfig }
    : {
        manifest: MEDIA_TYPES.dockerManifest,
        index: MEDIA_TYPES.dockerIndex,
        config: MEDIA_TYPES.dockerConfig,
      }
}

/**
 * Changes the media type of a layer to that of a family (OCI or Docker), because a manifest has media types of one
 * family. Other media types stay.
 *
 * @throws {ToolError} `MEDIA_TYPE_UNSUPPORTED` for a zstd layer in the Docker family
 */
export function layerDescriptor(layer: Descriptor, family: Family): Descriptor {
  const type = parseLayerType(layer.mediaType)
  const same = type === undefined || type.family === family || type.compression === undefined
  return descriptorOf(layer, same ? layer.mediaType : layerMediaType(family, type.compression))
}

/** A manifest document, its fields in the order of the specification's examples. */
export function manifestDocument(parts: {
  readonly family: Family
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  readonly annotations: Readonly<Record<string, string>>
  /** The manifest that this one replaces. */
  readonly old?: Manifest | undefined
}): object {
  const { artifactType, subject } = parts.old ?? {}
  return {
    schemaVersion: 2,
    mediaType: familyTypes(parts.family).manifest,
    ...(artifactType === undefined ? {} : { artifactType }),
    config: parts.config,
    layers: parts.layers,
    ...(subject === undefined ? {} : { subject }),
    ...(Object.keys(parts.annotations).length === 0 ? {} : { annotations: parts.annotations }),
  }
}

/** An index of manifests in the given order: readers take the first that fits. */
export function indexDocument(
  manifests: readonly Descriptor[],
  family: Family,
  annotations: Readonly<Record<string, string>>,
): object {
  return {
    schemaVersion: 2,
    mediaType: familyTypes(family).index,
    manifests,
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  }
}

/** The entry of an index for a manifest. Its field `platform` is that of the config. */
export function indexEntry(manifest: Descriptor, platform: Platform | undefined): Descriptor {
  const { mediaType, digest, size } = manifest
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined || isIndexType(mediaType) ? {} : { platform }),
  }
}

function descriptorOf(record: Descriptor, mediaType: string): Descriptor {
  const { digest, size, urls, annotations } = record
  return { mediaType, digest, size, ...(urls && { urls }), ...(annotations && { annotations }) }
}
