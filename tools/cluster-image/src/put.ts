import { configOf, type ImageDocument } from '@pipelayer/cluster'
import { type CreationTime, creationTime, type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import { type FoundCluster, findCluster, fullName } from './found.js'
import type { ClusterImageOptions } from './options.js'

/** The documents of an image whose layers are in the store. */
interface ImageToPut {
  readonly config: object
  readonly layers: readonly Descriptor[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly name: string
}

/** Writes config and manifest of an image of the classic dialect, and gives it a name. */
export function putCluster(
  store: Store,
  { document, layers, name }: { document: ImageDocument; layers: readonly Descriptor[]; name: string },
  options: ClusterImageOptions,
): FoundCluster {
  return putImage(store, { config: configOf(document, timeOf(options).created), layers, name })
}

/** Writes config and manifest of an image, and gives it a name. */
export function putImage(
  store: Store,
  { config: content, layers, annotations, name }: ImageToPut,
): FoundCluster {
  const config = store.putBytes(Buffer.from(JSON.stringify(content)))
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.size },
    layers,
    ...(annotations !== undefined && Object.keys(annotations).length > 0 && { annotations }),
  }
  const { digest, size } = store.putBytes(Buffer.from(JSON.stringify(manifest)))
  store.tag({ mediaType: manifest.mediaType, digest, size }, fullName(name))
  return findCluster(store, name)
}

/** The time of an image that is made here. */
export function timeOf({ created, env, now }: ClusterImageOptions): CreationTime {
  return creationTime({ sourceDateEpoch: env.SOURCE_DATE_EPOCH, created, now: now() })
}
