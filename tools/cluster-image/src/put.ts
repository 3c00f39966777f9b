import { configOf, type ImageDocument } from '@pipelayer/cluster'
import { creationTime, type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import { type FoundCluster, findCluster, fullName } from './found.js'
import type { ClusterImageOptions } from './options.js'

/** Writes config and manifest of an image whose layers are in the store, and gives it a name. */
export function putCluster(
  store: Store,
  { document, layers, name }: { document: ImageDocument; layers: readonly Descriptor[]; name: string },
  { created, env, now }: ClusterImageOptions,
): FoundCluster {
  const time = creationTime({ sourceDateEpoch: env.SOURCE_DATE_EPOCH, created, now: now() })
  const config = store.putBytes(Buffer.from(JSON.stringify(configOf(document, time.created))))
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: config.digest, size: config.size },
    layers,
  }
  const { digest, size } = store.putBytes(Buffer.from(JSON.stringify(manifest)))
  store.tag({ mediaType: manifest.mediaType, digest, size }, fullName(name))
  return findCluster(store, name)
}
