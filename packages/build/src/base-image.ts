import { chainIDs, type Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  formatPlatform,
  type ImageConfig,
  type Manifest,
  matches,
  type Platform,
  parseConfig,
  platformOf,
  preferences,
  selectPlatform,
} from '@pipelayer/oci'
import {
  openPlace,
  type Place,
  type PlacedManifest,
  parsePlace,
  type RemoteOptions,
  readDocument,
} from '@pipelayer/places'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { pinOf, type Store } from '@pipelayer/store'

/** An image to build on, its blobs in the store. */
export interface BaseImage {
  readonly config: ImageConfig
  /** Lowest first. */
  readonly layers: readonly BaseLayer[]
  /** Of its manifest. */
  readonly annotations: Readonly<Record<string, string>>
  /**
   * For a layer that could not be unpacked: reads all of them, and fetches anew what is damaged.
   *
   * @returns false where nothing was wrong
   * @throws {ToolError} `BLOB_DAMAGED` where nobody else is known to have it; those of the registry
   */
  mend(): Promise<boolean>
}

export interface BaseLayer {
  readonly descriptor: Descriptor
  readonly diffID: Digest
  readonly chainID: Digest
  /** Of the blob in the store. */
  readonly path: string
  readonly from?: readonly string[]
}

export interface BaseOptions extends RemoteOptions {
  readonly store: Store
  /** Ask the registry although the store has the image. */
  readonly pull: boolean
  readonly platform: Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  readonly plainHttp: boolean
}

/** Blobs fetched at the same time. */
const PARALLEL = 3

/**
 * Finds an image, by reference or place, and brings its blobs into the store, where it keeps its name.
 *
 * @throws {ToolError} `MANIFEST_UNKNOWN` and the like when it is nowhere; `PLATFORM_NOT_FOUND`
 */
export async function resolveBase(text: string, options: BaseOptions): Promise<BaseImage> {
  for (const place of candidates(text, options)) {
    const opened = openPlace(place, { ...options, store: options.store.root })
    try {
      const image = await fetchImage(opened, options)
      return { ...image, mend: () => mendLayers(text, image.layers, options) }
    } catch (error) {
      if (!place.startsWith('store:') || text.startsWith('store:')) throw error
      if (!isAbsent(error) && !isDamaged(error)) throw error
      if (isDamaged(error)) options.warn?.(`${error.message}; asking the registry for ${text}`, error.code)
    } finally {
      await opened.close()
    }
  }
  throw new ToolError('MANIFEST_UNKNOWN', `no image "${text}"`)
}

// A bare reference is looked up in the store first; a place is taken at its word.
function candidates(text: string, options: BaseOptions): string[] {
  if (parsePlace(text).transport !== 'docker') return [text]
  if (options.pull || text.startsWith('docker://')) return [text]
  const reference = withDefaultTag(parseNormalized(text))
  const names = [`store:${formatReference(reference)}`]
  if (reference.digest !== undefined) names.unshift(`store:${reference.digest}`)
  return [...names, text]
}

const ABSENT = new Set([
  'LAYOUT_MISSING',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'NAME_UNKNOWN',
  'PLATFORM_NOT_FOUND',
])

/** Whether an image was not there, as against broken or out of reach. */
export function isAbsent(error: unknown): boolean {
  return error instanceof ToolError && (ABSENT.has(error.code) || error.code === 'ENOENT')
}

function isDamaged(error: unknown): error is ToolError {
  return error instanceof ToolError && ['DIGEST_MISMATCH', 'SIZE_MISMATCH'].includes(error.code)
}

async function mendLayers(
  text: string,
  layers: readonly BaseLayer[],
  options: BaseOptions,
): Promise<boolean> {
  const wrong: Descriptor[] = []
  for (const { descriptor } of layers)
    if (!(await options.store.proveBlob(descriptor))) wrong.push(descriptor)
  if (wrong.length === 0) return false
  const which = wrong.map(({ digest }) => digest).join(', ')
  if (parsePlace(text).transport === 'store')
    throw new ToolError(
      'BLOB_DAMAGED',
      `of ${text} the store had damaged ${which}, now set aside: pull the image again, or build it again`,
    )
  options.warn?.(`the store had damaged ${which}, now set aside: fetched anew from ${text}`, 'BLOB_DAMAGED')
  const opened = openPlace(text, { ...options, store: options.store.root })
  try {
    await fetchLayers(opened, wrong, options)
  } finally {
    await opened.close()
  }
  return true
}

async function fetchImage(place: Place, options: BaseOptions): Promise<Omit<BaseImage, 'mend'>> {
  const { store } = options
  const { found, above, manifest } = await manifestOf(place, options.platform)
  store.putBytes(found.bytes, found.descriptor)
  const bytes = await readDocument(manifest.config, () => place.read.blob(manifest.config))
  store.putBytes(bytes, manifest.config)
  const config = parseConfig(bytes)
  if (place.text === 'store:') checkPlatform(config, options.platform)
  const diffIDs = config.rootfs.diff_ids
  if (diffIDs.length !== manifest.layers.length)
    throw new ToolError(
      'LAYERS_MISMATCH',
      `image ${found.descriptor.digest} has ${manifest.layers.length} layers, its config names ${diffIDs.length}`,
    )
  await fetchLayers(place, manifest.layers, options)
  if (place.reference !== undefined && place.text !== 'store:') {
    // A reference that pins an index stands for this manifest as long as the index is there to prove it.
    if (pinOf(place.reference) !== undefined)
      for (const index of above) store.putBytes(index.bytes, index.descriptor)
    store.tag({ ...found.descriptor, platform: options.platform }, place.reference)
  }
  const chain = chainIDs(diffIDs)
  const layers = manifest.layers.map((descriptor, index) => ({
    descriptor,
    diffID: diffIDs[index] ?? '',
    chainID: chain[index] ?? '',
    path: store.blobPath(descriptor.digest),
    ...(place.text === 'store:' ? {} : { from: [place.text] }),
  }))
  return { config, layers: layers as BaseLayer[], annotations: manifest.annotations ?? {} }
}

// The store may hold the image of another platform under this name; the registry is asked then.
function checkPlatform(config: ImageConfig, wanted: Platform): void {
  const has = platformOf(config)
  if (has === undefined || preferences(wanted).some(candidate => matches(candidate, has))) return
  throw new ToolError(
    'PLATFORM_NOT_FOUND',
    `the store has this image for ${formatPlatform(has)}, not for ${formatPlatform(wanted)}`,
  )
}

interface FoundManifest {
  readonly found: PlacedManifest
  /** The indexes that led to it, from the one that the place named on. */
  readonly above: readonly PlacedManifest[]
  readonly manifest: Manifest
}

async function manifestOf(place: Place, platform: Platform): Promise<FoundManifest> {
  const above: PlacedManifest[] = []
  let found = await place.read.resolve()
  // An index may hold indexes; more than this are no image but an attack.
  for (let depth = 0; found.document.kind === 'index' && depth < 4; depth++) {
    above.push(found)
    found = await place.read.resolve(selectPlatform(found.document, platform).digest)
  }
  if (found.document.kind === 'index')
    throw new ToolError('INDEX_NESTED', 'indexes lie in indexes, five deep')
  return { found, above, manifest: found.document }
}

async function fetchLayers(place: Place, layers: readonly Descriptor[], options: BaseOptions): Promise<void> {
  const queue = layers.filter(layer => !options.store.hasBlob(layer.digest, layer.size))
  const worker = async (): Promise<void> => {
    for (let layer = queue.shift(); layer !== undefined; layer = queue.shift()) {
      options.signal.throwIfAborted()
      await options.store.putBlob(place.read.blob(layer), layer)
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, worker))
}
