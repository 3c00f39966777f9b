import { chainIDs, type Digest } from '@pipelayer/digest'
import {
  type Descriptor,
  formatPlatform,
  type ImageConfig,
  type Manifest,
  type Platform,
} from '@pipelayer/oci'
import type { Place, PlacedManifest, PlaceOptions } from '@pipelayer/places'
import { readConfig } from './image-config.js'
import { nothingKept } from './keeper.js'
import { choose } from './selection.js'

/** The documents of one image for one platform; its layers are not read. */
export interface ReadImage {
  /** The indexes that led to the manifest, beginning with the one that the place named. */
  readonly above: readonly PlacedManifest[]
  readonly descriptor: Descriptor
  readonly manifest: Manifest
  readonly config: ImageConfig
  readonly layers: readonly ReadLayer[]
}

/** A layer as the manifest and the config describe it, base first. */
export interface ReadLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  /** What the layer and all below it are called together. Spec: image-spec v1.1, config.md, Layer ChainID. */
  readonly chainID: Digest
}

export interface ReadImageOptions {
  readonly platform: Platform
  readonly warn?: PlaceOptions['warn']
}

/**
 * Reads manifest and config of the image in a place; of an index, those for a platform.
 *
 * @throws ToolError `PLATFORM_NOT_FOUND`; `CONFIG_INVALID`, also for an artifact, and where the config does not have one
 *   diffID for each layer; those of the place
 */
export async function readImage(place: Place, { platform, warn }: ReadImageOptions): Promise<ReadImage> {
  const { found, above } = await choose(place, { platforms: [platform], all: false, warn })
  const { document, descriptor } = found
  if (document.kind === 'index') throw new Error(`no manifest for ${formatPlatform(platform)} was chosen`)
  const config = await readConfig(document, { place, keeper: nothingKept })
  const diffIDs = config.rootfs.diff_ids
  const chain = chainIDs(diffIDs)
  const layers = document.layers.map((layer, index) => ({
    descriptor: layer,
    diffID: diffIDs[index] ?? '',
    chainID: chain[index] ?? '',
  }))
  return { above, descriptor, manifest: document, config, layers }
}
