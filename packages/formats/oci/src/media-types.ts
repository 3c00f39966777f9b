/**
 * The media types of images, in the two families that registries speak, and how a layer's type names its
 * compression.
 *
 * | | OCI | Docker |
 * |---|---|---|
 * | manifest | `vnd.oci.image.manifest.v1+json` | `vnd.docker.distribution.manifest.v2+json` |
 * | index | `vnd.oci.image.index.v1+json` | `vnd.docker.distribution.manifest.list.v2+json` |
 * | config | `vnd.oci.image.config.v1+json` | `vnd.docker.container.image.v1+json` |
 * | layer | `vnd.oci.image.layer.v1.tar[+gzip,+zstd]` | `vnd.docker.image.rootfs.diff.tar[.gzip,.zstd]` |
 *
 * Spec: image-spec v1.1, media-types.md.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { MAX_DOCUMENT } from './json.js'

export type Family = 'oci' | 'docker'
export type Compression = 'none' | 'gzip' | 'zstd'

/** The names, so that none is spelled twice. */
export const MEDIA_TYPES = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociForeignLayer: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  ociDescriptor: 'application/vnd.oci.descriptor.v1+json',
  ociLayout: 'application/vnd.oci.layout.header.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
  dockerLayer: 'application/vnd.docker.image.rootfs.diff.tar',
  dockerForeignLayer: 'application/vnd.docker.image.rootfs.foreign.diff.tar',
  dockerSchema1: 'application/vnd.docker.distribution.manifest.v1+json',
  dockerSchema1Signed: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
} as const

/** The media types that a client accepts for a manifest: both documents of both families. */
export const MANIFEST_TYPES: readonly string[] = [
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.dockerManifest,
  MEDIA_TYPES.dockerIndex,
]

/** The parts of a layer's media type. */
export interface LayerType {
  readonly family: Family
  /** The type without its compression. */
  readonly base: string
  /** Undefined for a suffix that we do not know. */
  readonly compression: Compression | undefined
}

const FAMILIES: readonly { family: Family; separator: string; bases: readonly string[] }[] = [
  { family: 'oci', separator: '+', bases: [MEDIA_TYPES.ociLayer, MEDIA_TYPES.ociForeignLayer] },
  { family: 'docker', separator: '.', bases: [MEDIA_TYPES.dockerLayer, MEDIA_TYPES.dockerForeignLayer] },
]

/** Reads the media type of a layer; undefined where it names something else. */
export function parseLayerType(mediaType: string): LayerType | undefined {
  for (const { family, separator, bases } of FAMILIES) {
    const base = bases.find(name => mediaType === name || mediaType.startsWith(name + separator))
    if (base !== undefined) {
      return { family, base, compression: compressionNamed(mediaType.slice(base.length + 1)) }
    }
  }
  return undefined
}

/**
 * True for a blob that is read into memory, as manifests and configs are, and not as a layer: it is small enough to be
 * checked each time it is used.
 */
export function isDocument({
  mediaType,
  size,
}: {
  readonly mediaType: string
  readonly size: number
}): boolean {
  return size <= MAX_DOCUMENT && parseLayerType(mediaType) === undefined
}

/** The media type of a layer. Docker has no name for zstd: a Docker manifest cannot hold such a layer. */
export function layerMediaType(family: Family, compression: Compression): string {
  return withCompression(family === 'oci' ? MEDIA_TYPES.ociLayer : MEDIA_TYPES.dockerLayer, compression)
}

/**
 * The same layer type with another compression.
 *
 * @throws ToolError `MEDIA_TYPE_UNSUPPORTED` when `mediaType` does not name a layer, when its compression is unknown,
 * or for zstd in the Docker family
 */
export function withCompression(mediaType: string, compression: Compression): string {
  const layer = parseLayerType(mediaType)
  if (layer?.compression === undefined) {
    throw new ToolError('MEDIA_TYPE_UNSUPPORTED', `not the media type of a layer we know: ${mediaType}`)
  }
  if (layer.family === 'docker' && compression === 'zstd') {
    throw new ToolError(
      'MEDIA_TYPE_UNSUPPORTED',
      'a Docker manifest cannot name a zstd layer: use OCI media types',
    )
  }
  const separator = layer.family === 'oci' ? '+' : '.'
  return compression === 'none' ? layer.base : `${layer.base}${separator}${compression}`
}

/** The family of any media type of an image; undefined for other content. */
export function familyOf(mediaType: string): Family | undefined {
  if (mediaType.startsWith('application/vnd.oci.')) return 'oci'
  return mediaType.startsWith('application/vnd.docker.') ? 'docker' : undefined
}

export function isManifestType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociManifest || mediaType === MEDIA_TYPES.dockerManifest
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociIndex || mediaType === MEDIA_TYPES.dockerIndex
}

/** True for the config of an image that can run; false for an artifact's. */
export function isConfigType(mediaType: string): boolean {
  return mediaType === MEDIA_TYPES.ociConfig || mediaType === MEDIA_TYPES.dockerConfig
}

function compressionNamed(suffix: string): Compression | undefined {
  if (suffix === '') return 'none'
  return suffix === 'gzip' || suffix === 'zstd' ? suffix : undefined
}
