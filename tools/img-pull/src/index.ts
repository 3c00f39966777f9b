/**
 * img-pull: reads images from places, brings their blobs into the store and writes their records.
 *
 * @module
 */
import { encodedOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { bare, type Platform, parsePlatform, selectPlatform } from '@pipelayer/oci'
import { openPlace, type Place, type PlacedManifest, type PlaceOptions } from '@pipelayer/places'
import type { AnyRecord, FailedRecord, ManifestRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { BlobFetcher } from './blob-fetcher.js'
import { pullImage, resolveEntry } from './image.js'

export interface ImgPullOptions extends PlaceOptions {
  /** Places or references; `-` stands for the incoming records. */
  readonly references: readonly string[]
  /** Which manifest of an index to take: `os/architecture[/variant]`. This machine's, unless said. */
  readonly platform?: string | undefined
  /** This machine. */
  readonly machine: Platform
  /** Take an index as a whole, `platform` aside. */
  readonly allPlatforms?: boolean
  /** Do not name the images in the store's index. */
  readonly noTag?: boolean
}

const TOOL = 'img-pull'
/** Failures of the store itself: no other image would fare better. */
const FATAL = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EROFS'])
const MAX_DEPTH = 4

/**
 * Pulls one image after the other; the blobs of each come side by side. Records of other types pass through.
 *
 * Of an index the manifest for `platform` is taken, and stands for the image: its record is the root. An image is
 * named in the store when all of it is there, before its root record is written. With several references one that
 * fails costs itself only: a `failed` record takes its place.
 */
export async function* imgPull(
  records: AsyncIterable<AnyRecord>,
  options: ImgPullOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const wanted = wantedPlatform(options)
  const store = Store.open(options.store)
  const context: Context = {
    store,
    options,
    wanted,
    blobs: new BlobFetcher(store, options.warn),
    count: 0,
    image: undefined,
  }
  const isAlone = options.references.length === 1 && !options.references.includes('-')
  for await (const record of incoming(records, options.references)) {
    if (record.type !== 'reference') yield record
    else if (isAlone) yield* pullOne(context, record)
    else yield* pullOneOfMany(context, record)
  }
}

interface Context {
  readonly store: Store
  readonly options: ImgPullOptions
  readonly wanted: Platform
  readonly blobs: BlobFetcher
  count: number
  /** Key of the image at work, once it is known. */
  image: string | undefined
}

function wantedPlatform({ platform, machine }: ImgPullOptions): Platform {
  try {
    return platform === undefined ? machine : parsePlatform(platform, machine)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError(error.code, error.message, { cause: error, status: 2 })
  }
}

async function* incoming(
  records: AsyncIterable<AnyRecord>,
  references: readonly string[],
): AsyncGenerator<AnyRecord, void, undefined> {
  for (const reference of references) {
    if (reference === '-') yield* records
    else yield { type: 'reference', reference }
  }
}

async function* pullOneOfMany(
  context: Context,
  record: AnyRecord,
): AsyncGenerator<AnyRecord, void, undefined> {
  try {
    yield* pullOne(context, record)
  } catch (error) {
    if (!(error instanceof ToolError) || FATAL.has(error.code) || context.options.signal?.aborted) throw error
    const { reference, platform } = record
    const item = { reference, ...(platform !== undefined && { platform }) }
    const { code, message } = error
    const image = context.image === undefined ? {} : { image: context.image }
    yield { type: 'failed', tool: TOOL, ...image, code, message, item } satisfies FailedRecord
  }
}

async function* pullOne(context: Context, record: AnyRecord): AsyncGenerator<AnyRecord, void, undefined> {
  const { store, blobs, options } = context
  context.count++
  context.image = undefined
  const text = String(record.reference)
  const wanted = typeof record.platform === 'string' ? parsePlatform(record.platform) : context.wanted
  const place = openPlace(text, options)
  try {
    const found = await chosen(place, wanted, options.allPlatforms === true)
    const image = keyOf(found, context.count)
    context.image = image
    let last: AnyRecord | undefined
    for await (const next of pullImage({ place, store, blobs, image }, found)) {
      if (last !== undefined) yield last
      last = next
    }
    const { reference } = place
    if (reference !== undefined && !options.noTag) store.tag(bare(found.descriptor), reference)
    yield { ...last, root: true, ...(reference !== undefined && { reference }) } as ManifestRecord
  } catch (error) {
    throw named(error, text)
  } finally {
    await Promise.all([place.close(), blobs.stop()])
  }
}

// Down through indexes, to the manifest for the platform.
async function chosen(place: Place, wanted: Platform, all: boolean): Promise<PlacedManifest> {
  let found = await place.read.resolve()
  for (let depth = 0; !all && found.document.kind === 'index'; depth++) {
    if (depth === MAX_DEPTH) {
      throw new ToolError('MANIFEST_INVALID', `index in index, more than ${MAX_DEPTH} levels deep`)
    }
    found = await resolveEntry(place, selectPlatform(found.document, wanted))
  }
  return found
}

// Unlike the number of a line, a digest does not tell the user which image it was.
function named(error: unknown, text: string): unknown {
  if (!(error instanceof ToolError) || error.message.includes(text)) return error
  const { code, status } = error
  return new ToolError(code, `cannot pull ${text}: ${error.message}`, { cause: error, status })
}

// Unique in this stream, and in one that several runs of this tool make together.
function keyOf({ descriptor }: PlacedManifest, count: number): string {
  return `${encodedOf(descriptor.digest).slice(0, 12)}-${count}`
}
