import { chainIDs } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor, Platform } from '@pipelayer/oci'
import { isAbsent, openPlace, type Place, parsePlace, type RemoteOptions } from '@pipelayer/places'
import type { BaseImage, BaseLayer } from '@pipelayer/planning'
import { type FetchImageOptions, fetchImage, fetchLayers } from '@pipelayer/pulling'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import type { Store } from '@pipelayer/store'

export interface BaseOptions extends RemoteOptions {
  readonly store: Store
  /** Ask the registry even if the store has the image. */
  readonly pull: boolean
  readonly platform: Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Is called if a registry is asked although the store has an image of that name. */
  readonly inform?: (message: string) => void
}

/**
 * Finds an image by reference or place, and brings its blobs into the store, where it keeps its name. If the store has
 * the image of a reference only for another platform, the registry is asked; an error then names both.
 *
 * @throws {ToolError} those of {@link fetchImage}; `MANIFEST_UNKNOWN` and the like if no place has it;
 * `PLATFORM_NOT_FOUND` if it exists only for other platforms: build for one of these, or write `FROM --platform`
 */
export async function resolveBase(text: string, options: BaseOptions): Promise<BaseImage> {
  let missed: ToolError | undefined
  for (const place of candidates(text, options)) {
    if (missed !== undefined && !place.startsWith('store:'))
      options.inform?.(`${missed.message}: asking for ${place}`)
    const opened = openPlace(place, { ...options, store: options.store.root })
    try {
      const image = await baseImage(opened, options)
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

// If the registry cannot be reached, the error also says that the store has the image for another platform.
function afterMiss(missed: ToolError | undefined, error: unknown): unknown {
  if (missed === undefined || !(error instanceof ToolError)) return error
  const { code, message, status } = error
  return new ToolError(code, `${missed.message}; elsewhere: ${message}`, { status, cause: error })
}

// A plain reference is looked up in the store first; a place is asked directly.
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

/**
 * Reads the layers of a base, and fetches damaged ones anew. @throws {ToolError} `BLOB_DAMAGED`: pull the image again
 */
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

async function baseImage(place: Place, options: FetchImageOptions): Promise<Omit<BaseImage, 'mend'>> {
  const { config, manifest, from } = await fetchImage(place, options)
  const diffIDs = config.rootfs.diff_ids
  const chain = chainIDs(diffIDs)
  const layers = manifest.layers.map((descriptor, index) => ({
    descriptor,
    diffID: diffIDs[index] ?? '',
    chainID: chain[index] ?? '',
    path: options.store.blobPath(descriptor.digest),
    ...(from !== undefined && { from }),
  }))
  return { config, layers: layers as BaseLayer[], annotations: manifest.annotations ?? {} }
}
