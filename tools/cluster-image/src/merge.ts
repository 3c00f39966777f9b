import { mergeDocuments, mergeImages } from '@pipelayer/cluster'
import { ToolError } from '@pipelayer/errors'
import { bare, type Descriptor } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import type { FoundCluster } from './found.js'
import type { ClusterImageOptions } from './options.js'
import { putCluster, putImage, timeOf } from './put.js'

/**
 * Makes one image of several of one kind.
 *
 * @throws ToolError `KIND_MISMATCH` for images of several kinds, `PLATFORM_MISMATCH`, `LAYERS_MISSING`
 */
export function mergeClusters(
  store: Store,
  { images, name }: { readonly images: readonly FoundCluster[]; readonly name: string },
  options: ClusterImageOptions,
): FoundCluster {
  const [first] = images
  const other = images.find(({ kind }) => kind !== first?.kind)
  if (first === undefined || other !== undefined) {
    const pair = `${nameOf(first)} is of ${first?.kind}, ${nameOf(other)} of ${other?.kind}`
    throw new ToolError('KIND_MISMATCH', `cannot merge images of several kinds: ${pair}`)
  }
  const { kind } = first
  if (kind === 'kubefile-classic') return mergeClassic(store, { images, name }, options)
  const merged = mergeImages(
    images.map(image => ({
      name: nameOf(image),
      config: image.config,
      annotations: image.manifest.annotations,
      layers: image.manifest.layers.map(bare),
    })),
    { kind, created: timeOf(options).created },
  )
  return putImage(store, { ...merged, name })
}

function mergeClassic(
  store: Store,
  { images, name }: { readonly images: readonly FoundCluster[]; readonly name: string },
  options: ClusterImageOptions,
): FoundCluster {
  const document = mergeDocuments(
    name,
    images.map(found => found.document),
  )
  const blobs = new Map(images.flatMap(layersByID))
  const layers = (document.spec.layers ?? []).flatMap(({ id }) => blobs.get(id ?? '') ?? [])
  return putCluster(store, { document, layers, name }, options)
}

function layersByID({ document, manifest }: FoundCluster): readonly (readonly [string, Descriptor])[] {
  const ids = (document.spec.layers ?? []).flatMap(({ id }) => id ?? [])
  if (ids.length !== manifest.layers.length)
    throw new ToolError(
      'LAYERS_MISSING',
      `${document.metadata.name}: its document and its manifest have other layers`,
    )
  return ids.flatMap((id, index) => {
    const layer = manifest.layers[index]
    return layer === undefined ? [] : [[id, bare(layer)] as const]
  })
}

function nameOf(found: FoundCluster | undefined): string {
  return found?.reference ?? found?.document.metadata.name ?? 'nothing'
}
