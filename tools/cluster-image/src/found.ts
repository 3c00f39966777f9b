/**
 * Cluster images of the store, by name and by id.
 *
 * @module
 */

import { commandsOf, documentOf, type ImageDocument, kindOf, typeOf } from '@pipelayer/cluster'
import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Dialect } from '@pipelayer/kubefile'
import { REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { type Descriptor, type JsonObject, type Manifest, parseManifest, parseObject } from '@pipelayer/oci'
import type { ClusterImageRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import type { Store } from '@pipelayer/store'

/** A cluster image that the store's index lists. */
export interface FoundCluster {
  readonly entry: StoredDescriptor
  /** Its name in the index. */
  readonly reference: string | undefined
  readonly manifest: Manifest
  readonly config: JsonObject
  readonly document: ImageDocument
  readonly id: string
  /** The dialect of the Kubefiles that such images are made of. */
  readonly kind: Dialect
}

/** The full name: a short name belongs to docker.io/library, and a missing tag is `latest`. */
export function fullName(name: string): string {
  return formatReference(withDefaultTag(parseNormalized(name)))
}

/** Every cluster image of the index, in its order; other images are skipped. */
export function* clusters(store: Store): Generator<FoundCluster, void, void> {
  for (const entry of store.index().manifests) {
    const found = readEntry(store, entry)
    if (found !== undefined) yield found
  }
}

/**
 * Finds an image by its name, or by the beginning of its id.
 *
 * @throws ToolError `IMAGE_MISSING`, `ID_AMBIGUOUS`, `CLUSTER_IMAGE_INVALID` for an image that is no cluster image
 */
export function findCluster(store: Store, name: string): FoundCluster {
  const [named] = nameOf(name) === undefined ? [] : store.resolve(String(nameOf(name)))
  if (named !== undefined) {
    const found = readEntry(store, named)
    if (found !== undefined) return found
    throw new ToolError('CLUSTER_IMAGE_INVALID', `${name} is no cluster image`)
  }
  const [first, ...others] = byID(store, name)
  if (first === undefined)
    throw new ToolError('IMAGE_MISSING', `no cluster image ${JSON.stringify(name)} in the store`)
  if (others.some(({ id }) => id !== first.id))
    throw new ToolError('ID_AMBIGUOUS', `the ids of several images begin with ${name}`)
  return first
}

/** All entries whose id begins with `prefix`. */
export function byID(store: Store, prefix: string): readonly FoundCluster[] {
  return /^[0-9a-f]{4,64}$/.test(prefix) ? [...clusters(store)].filter(({ id }) => id.startsWith(prefix)) : []
}

function nameOf(name: string): string | undefined {
  try {
    return fullName(name)
  } catch (error) {
    // A text of 64 hexadecimal digits is no name, but an id.
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function readEntry(store: Store, entry: StoredDescriptor): FoundCluster | undefined {
  const manifest = readManifest(store, entry)
  if (manifest === undefined || !store.hasBlob(manifest.config.digest)) return undefined
  const config = readConfig(store, manifest)
  const { annotations } = manifest
  const kind = config === undefined ? undefined : kindOf({ config, annotations })
  if (config === undefined || kind === undefined) return undefined
  const reference = entry.annotations?.[REF_NAME]
  const document = documentOf({ config, annotations, name: reference ?? entry.digest })
  return { entry, reference, manifest, config, document, id: document.spec.id ?? '', kind }
}

// An artifact that is no image at all must not stop a list of images.
function readConfig(store: Store, { config }: Manifest): JsonObject | undefined {
  try {
    return parseObject(store.readBlob(config.digest), ['CLUSTER_IMAGE_INVALID', 'config'])
  } catch (error) {
    if (error instanceof ToolError && /^(?:CLUSTER_IMAGE_INVALID|SIZE_INVALID)$/.test(error.code))
      return undefined
    throw error
  }
}

/** Reads a manifest, or the first manifest of an index, because a cluster image is for one platform. */
function readManifest(
  store: Store,
  entry: Pick<Descriptor, 'digest' | 'mediaType'> | StoredDescriptor,
): Manifest | undefined {
  const digest = parseDigest(entry.digest)
  if (!store.hasBlob(digest)) return undefined
  // A manifest with Docker's name of a type in place of OCI's is the same image; img-pull warns about it.
  const warn = (): void => undefined
  const document = parseManifest(store.readBlob(digest), { mediaType: entry.mediaType, warn })
  if (document.kind === 'manifest') return document
  const [first] = document.manifests
  return first === undefined ? undefined : readManifest(store, first)
}

export function recordOf(found: FoundCluster): ClusterImageRecord {
  const { entry, reference, manifest, config, id, kind } = found
  const { annotations } = manifest
  const cmd = commandsOf({ config })
  const size = manifest.layers.reduce((sum, layer) => sum + layer.size, 0)
  return {
    type: 'cluster-image',
    ...(reference !== undefined && { reference }),
    id,
    digest: entry.digest,
    size,
    dialect: kind,
    imageType: typeOf(kind, { config, annotations }),
    ...(cmd.length > 0 && { cmd }),
    ...(typeof config.created === 'string' && { created: config.created }),
  }
}
