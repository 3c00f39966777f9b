import { digestOf } from '@pipelayer/digest'
import { type JsonObject, MEDIA_TYPES } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'

export interface LayerTypes {
  readonly config: string
  readonly manifest: string
  readonly layer: string
}

export const OCI: LayerTypes = {
  config: MEDIA_TYPES.ociConfig,
  manifest: MEDIA_TYPES.ociManifest,
  layer: `${MEDIA_TYPES.ociLayer}+gzip`,
}
export const DOCKER: LayerTypes = {
  config: MEDIA_TYPES.dockerConfig,
  manifest: MEDIA_TYPES.dockerManifest,
  layer: `${MEDIA_TYPES.dockerLayer}.gzip`,
}

export interface Made {
  readonly key?: string
  readonly partOf?: string
  readonly types?: LayerTypes
  readonly config?: JsonObject
  /** Fields of the manifest, beside those that every manifest has. */
  readonly manifest?: JsonObject
  /** Fields of the record of the manifest. */
  readonly root?: JsonObject
}

const json = (value: object): Buffer => Buffer.from(JSON.stringify(value, null, 2))

export const diffID = (name: string): string => digestOf(`tar ${name}`)

/** The records of an image, as img-pull writes them. Its layers are names, since nothing reads their bytes. */
export function imageOf(store: Store, layers: readonly string[], made: Made = {}): AnyRecord[] {
  const { key = '1', partOf, types = OCI } = made
  const ids = { image: key, ...(partOf === undefined ? {} : { partOf }) }
  const blobs = layers.map(name => ({ mediaType: types.layer, digest: digestOf(name), size: name.length }))
  const document = {
    created: '2024-01-01T00:00:00Z',
    os: 'linux',
    architecture: 'amd64',
    config: { Env: ['A=1'], Cmd: ['old'], Labels: { l: '1' } },
    history: layers.map(name => ({ created: '2024-01-01T00:00:00Z', created_by: name })),
    rootfs: { type: 'layers', diff_ids: layers.map(diffID) },
    ...made.config,
  }
  const config = { mediaType: types.config, ...store.putBytes(json(document)) }
  const { path: _, ...bare } = config
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: bare,
    layers: blobs,
    ...made.manifest,
  }
  const root = partOf === undefined ? { root: true } : {}
  return [
    ...blobs.map((blob, i) => ({ type: 'layer', ...ids, ...blob, diffID: diffID(layers[i] ?? '') })),
    { type: 'config', ...ids, ...config, config: document },
    {
      type: 'manifest',
      ...ids,
      mediaType: types.manifest,
      ...store.putBytes(json(manifest)),
      ...root,
      ...made.root,
    },
  ]
}

/** The record of an index of manifests. */
export function indexOf(store: Store, manifests: readonly AnyRecord[], more: JsonObject = {}): AnyRecord {
  const entries = manifests.map(({ mediaType, digest, size, platform }, i) => ({
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform }),
    annotations: { n: String(i) },
  }))
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: entries,
    annotations: { of: 'index' },
  }
  return {
    type: 'index',
    image: 'i',
    mediaType: MEDIA_TYPES.ociIndex,
    ...store.putBytes(json(document)),
    root: true,
    ...more,
  }
}
