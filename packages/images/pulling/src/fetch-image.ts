import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  formatPlatform,
  type ImageConfig,
  type Manifest,
  matches,
  type Platform,
  platformOf,
  preferences,
} from '@pipelayer/oci'
import type { Place, PlaceOptions } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'
import { BlobFetcher } from './blob-fetcher.js'
import { readConfig } from './image-config.js'
import { type Keeper, nothingKept, storeKeeper } from './keeper.js'
import { originOf } from './origin.js'
import { mayBeNamed } from './pinned-name.js'
import { type Chosen, choose } from './selection.js'

/** Where layers are stored, what stops their transfer, and who hears of problems. */
export interface FetchLayersOptions {
  readonly store: Store
  readonly signal: AbortSignal
  readonly warn?: PlaceOptions['warn'] | undefined
}

export interface FetchImageOptions extends FetchLayersOptions {
  /** The platform to choose from an index; an image without an index must be for this platform. */
  readonly platform: Platform
}

/** An image that is complete in the store. */
export interface FetchedImage {
  readonly config: ImageConfig
  /** It has as many layers as the config has diffIDs. */
  readonly manifest: Manifest
  /** The digest of the manifest. */
  readonly digest: string
  /** The places that had its blobs, for the field `from` of their records; absent if the image was in the store. */
  readonly from?: readonly string[]
}

/**
 * Brings one image into the store, for one platform: its manifest, its config, its layers; then it gets a name in the
 * store, if the place has a reference for it. Blobs that are in the store are not fetched again, and a transfer that
 * broke, even by the death of the process, goes on where it broke: see `fetchBlob` of places.
 *
 * ```ts
 * const place = openPlace('docker://docker.io/library/debian:12', { store: store.root })
 * const { config, manifest } = await fetchImage(place, { store, signal, platform: { os: 'linux', architecture: 'amd64' } })
 * ```
 *
 * Memory: that of {@link BlobFetcher}.
 *
 * @throws ToolError `PLATFORM_NOT_FOUND`, naming the place and what it has; `MANIFEST_INVALID` if indexes are nested
 * too deep; `SIZE_MISMATCH`, `MEDIA_TYPE_MISMATCH` if an index and a document that it names disagree; `CONFIG_INVALID`;
 * those of the place and of the store; the signal's reason
 */
export async function fetchImage(place: Place, options: FetchImageOptions): Promise<FetchedImage> {
  const { store, platform, warn } = options
  const { found, above, manifest } = await chooseManifest(place, options)
  return await withKeeper(options, async keeper => {
    const config = await configFor(place, manifest, { keeper, platform })
    await Promise.all(manifest.layers.map(layer => keeper.blob(layer, place.read)))
    keeper.manifest(found)
    const { reference } = place
    if (reference !== undefined && !isStore(place))
      if (mayBeNamed({ found, above, reference }, { store, keeper, warn }))
        store.tag({ ...found.descriptor, platform }, reference)
    const { digest } = found.descriptor
    return { config, manifest, digest, ...originOf({ place, keeper }, digest) }
  })
}

/**
 * Reads the manifest and the config of an image for one platform. No layer is fetched, and the store gets no name.
 *
 * @throws ToolError as {@link fetchImage}
 */
export async function fetchDocuments(place: Place, options: FetchImageOptions): Promise<FetchedImage> {
  const { found, manifest } = await chooseManifest(place, options)
  return await withKeeper(options, async keeper => {
    const config = await configFor(place, manifest, { keeper, platform: options.platform })
    return { config, manifest, digest: found.descriptor.digest }
  })
}

async function chooseManifest(
  place: Place,
  options: FetchImageOptions,
): Promise<Chosen & { readonly manifest: Manifest }> {
  const chosen = await chooseOne(place, options)
  const { document } = chosen.found
  if (document.kind === 'manifest') return { ...chosen, manifest: document }
  throw new ToolError(
    'MANIFEST_INVALID',
    `${place.text} gave an index where the manifest of one platform was wanted`,
  )
}

async function configFor(
  place: Place,
  manifest: Manifest,
  { keeper, platform }: { readonly keeper: Keeper; readonly platform: Platform },
): Promise<ImageConfig> {
  // Documents of the store itself are read without the fetcher: there is no other place to fetch them from anew.
  const document = isStore(place) ? nothingKept.document : keeper.document
  const config = await readConfig(manifest, { place, keeper: { document } })
  checkPlatform(place, config, platform)
  return config
}

/** Brings blobs into the store, as {@link fetchImage} does. @throws ToolError those of the place and of the store */
export async function fetchLayers(
  place: Place,
  layers: readonly Descriptor[],
  options: FetchLayersOptions,
): Promise<void> {
  await withKeeper(options, async keeper => {
    await Promise.all(layers.map(layer => keeper.blob(layer, place.read)))
  })
}

/** When this has ended, also with an error, nothing is written any more. */
async function withKeeper<T>(
  { store, signal, warn }: FetchLayersOptions,
  work: (keeper: Keeper) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted()
  const keeper = storeKeeper(store, new BlobFetcher(store, warn === undefined ? {} : { warn }).forImage())
  const stop = (): void => void keeper.stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await work(keeper)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    await keeper.stop()
  }
}

async function chooseOne(place: Place, { platform, warn }: FetchImageOptions): Promise<Chosen> {
  try {
    return await choose(place, { platforms: [platform], all: false, warn })
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'PLATFORM_NOT_FOUND') throw error
    throw new ToolError('PLATFORM_NOT_FOUND', `${shown(place)} has ${error.message}`, { cause: error })
  }
}

// A name may stand for a single manifest of another platform, whose programs would not run on the wanted one.
function checkPlatform(place: Place, config: ImageConfig, wanted: Platform): void {
  const has = platformOf(config)
  if (has === undefined) return
  // Older configs have no variant: only the index that names them has it.
  const runs = ({ variant, ...rest }: Platform): boolean =>
    matches(has.variant === undefined || variant === undefined ? rest : { ...rest, variant }, has)
  if (preferences(wanted).some(runs)) return
  throw new ToolError(
    'PLATFORM_NOT_FOUND',
    `${shown(place)} has this image for ${formatPlatform(has)}, not for ${formatPlatform(wanted)}`,
  )
}

function isStore({ traits }: Place): boolean {
  return traits.isStore
}

function shown(place: Place): string {
  return isStore(place) ? 'the store' : place.text
}
