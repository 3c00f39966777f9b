import { chainIDs } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  formatPlatform,
  type ImageConfig,
  type Index,
  type Manifest,
  matches,
  type Platform,
  parseConfig,
  platformOf,
  preferences,
  selectPlatform,
} from '@pipelayer/oci'
import {
  isAbsent,
  openPlace,
  type Place,
  type PlacedManifest,
  parsePlace,
  type RemoteOptions,
  readDocument,
} from '@pipelayer/places'
import type { BaseImage, BaseLayer } from '@pipelayer/planning'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { pinOf, type Store } from '@pipelayer/store'

export interface BaseOptions extends RemoteOptions {
  readonly store: Store
  /** Ask the registry although the store has the image. */
  readonly pull: boolean
  readonly platform: Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Told that a registry is asked although the store has an image of the name. */
  readonly inform?: (message: string) => void
}

/** Blobs fetched at the same time. */
const PARALLEL = 3

/**
 * Finds an image, by reference or place, and brings its blobs into the store, where it keeps its name. Of a reference
 * whose image the store has for another platform, the registry is asked; the error then tells of both.
 *
 * @throws {ToolError} `LAYER_COUNT_MISMATCH` where manifest and config disagree on the number of layers; `INDEX_NESTED` for an
 * index of indexes of indexes: name the image itself; `MANIFEST_UNKNOWN` and the like when it is nowhere; `PLATFORM_NOT_FOUND` when it is there for other
 * platforms alone: build for one of these, or say `FROM --platform`
 */
export async function resolveBase(text: string, options: BaseOptions): Promise<BaseImage> {
  let missed: ToolError | undefined
  for (const place of candidates(text, options)) {
    if (missed !== undefined && !place.startsWith('store:'))
      options.inform?.(`${missed.message}: asking for ${place}`)
    const opened = openPlace(place, { ...options, store: options.store.root })
    try {
      const image = await fetchImage(opened, options)
      return { ...image, mend: () => mendLayers(text, image.layers, options) }
    } catch (error) {
      if (!place.startsWith('store:') || text.startsWith('store:')) throw afterMiss(missed, error)
      if (!isAbsent(error) && !isDamaged(error)) throw afterMiss(missed, error)
      if (isDamaged(error)) options.warn?.(`${error.message}; asking the registry for ${text}`, error.code)
      if (error instanceof ToolError && error.code === 'PLATFORM_NOT_FOUND') missed = error
    } finally {
      await opened.close()
    }
  }
  throw new ToolError('MANIFEST_UNKNOWN', `no image "${text}"`)
}

// Who reads that a registry cannot be reached has to know that the image is here, for another platform.
function afterMiss(missed: ToolError | undefined, error: unknown): unknown {
  if (missed === undefined || !(error instanceof ToolError)) return error
  const { code, message, status } = error
  return new ToolError(code, `${missed.message}; elsewhere: ${message}`, { status, cause: error })
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

function isDamaged(error: unknown): error is ToolError {
  return error instanceof ToolError && ['DIGEST_MISMATCH', 'SIZE_MISMATCH'].includes(error.code)
}

/** Reads the layers of a base, and fetches anew what is damaged. @throws {ToolError} `BLOB_DAMAGED`: pull the image again */
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
  checkPlatform(place, config, options.platform)
  const diffIDs = config.rootfs.diff_ids
  if (diffIDs.length !== manifest.layers.length)
    throw new ToolError(
      'LAYER_COUNT_MISMATCH',
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

// A name may stand for one manifest, of another platform. Programs of it would not run where the image is for.
function checkPlatform(place: Place, config: ImageConfig, wanted: Platform): void {
  const has = platformOf(config)
  if (has === undefined) return
  // Older configs leave the variant to the index that names them.
  const runs = ({ variant, ...rest }: Platform): boolean =>
    matches(has.variant === undefined || variant === undefined ? rest : { ...rest, variant }, has)
  if (preferences(wanted).some(runs)) return
  throw new ToolError(
    'PLATFORM_NOT_FOUND',
    `${shown(place)} has this image for ${formatPlatform(has)}, not for ${formatPlatform(wanted)}`,
  )
}

function shown({ text }: Place): string {
  return text === 'store:' ? 'the store' : text
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
    found = await place.read.resolve(selectedIn(place, found.document, platform))
  }
  if (found.document.kind === 'index')
    throw new ToolError('INDEX_NESTED', 'indexes lie in indexes, five deep')
  return { found, above, manifest: found.document }
}

function selectedIn(place: Place, index: Index, platform: Platform): string {
  try {
    return selectPlatform(index, platform).digest
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'PLATFORM_NOT_FOUND') throw error
    throw new ToolError('PLATFORM_NOT_FOUND', `${shown(place)} has ${error.message}`, { cause: error })
  }
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
