/**
 * img-pull: reads images from places, brings their blobs into the store and writes their records.
 *
 * @module
 */
import { encodedOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { bare, type Platform, parsePlatform } from '@pipelayer/oci'
import { openPlace, type Place, type PlacedManifest, type PlaceOptions } from '@pipelayer/places'
import type { AnyRecord, FailedRecord, ManifestRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { BlobFetcher } from './blob-fetcher.js'
import { pullImage } from './image.js'
import { type Keeper, nothingKept, storeKeeper } from './keeper.js'
import { referrersOf } from './referrers.js'
import { choose } from './selection.js'

export interface ImgPullOptions extends PlaceOptions {
  /** Places or references; `-` stands for the incoming records. */
  readonly references: readonly string[]
  /** Which manifests of an index to take: `os/architecture[/variant]`. This machine's, unless said. */
  readonly platforms?: readonly string[]
  /** This machine. */
  readonly machine: Platform
  /** Take an index as a whole, `platforms` aside. */
  readonly allPlatforms?: boolean
  /** Pull what refers to each image, too: signatures, SBOMs. */
  readonly referrers?: boolean
  /** Bring nothing into the store: records say where things are, and carry manifests. */
  readonly noStore?: boolean
  /** Do not name the images in the store's index. */
  readonly noTag?: boolean
}

const TOOL = 'img-pull'
/** Of one image, those of its referrers included. */
const MAX_REFERRERS = 1000
/** Failures of the store itself: no other image would fare better. */
const FATAL = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EROFS'])

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
  const wanted = wantedPlatforms(options)
  const store = options.noStore ? undefined : Store.open(options.store)
  const context: Context = {
    store,
    options,
    wanted,
    keeper: store === undefined ? nothingKept : storeKeeper(store, new BlobFetcher(store, options.warn)),
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
  readonly store: Store | undefined
  readonly options: ImgPullOptions
  readonly wanted: readonly Platform[]
  readonly keeper: Keeper
  count: number
  /** Key of the image at work, once it is known. */
  image: string | undefined
}

function wantedPlatforms({ platforms = [], machine }: ImgPullOptions): readonly Platform[] {
  try {
    return platforms.length === 0 ? [machine] : platforms.map(text => parsePlatform(text, machine))
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
  const { keeper, options } = context
  context.image = undefined
  const text = String(record.reference)
  const platforms = typeof record.platform === 'string' ? [parsePlatform(record.platform)] : context.wanted
  const place = openPlace(text, options)
  try {
    const found = await choose(place, { platforms, all: options.allPlatforms === true })
    const digests = yield* pullWhole(context, { place, found, reference: place.reference })
    if (options.referrers) yield* pullReferrers(context, place, digests)
  } catch (error) {
    throw named(error, text)
  } finally {
    await Promise.all([place.close(), keeper.stop()])
  }
}

/** An image that was resolved. */
interface Resolved {
  readonly place: Place
  readonly found: PlacedManifest
  readonly reference?: string | undefined
  /** What it refers to. */
  readonly subject?: string
}

// Returns the digests of its manifests.
async function* pullWhole(
  context: Context,
  { place, found, reference, subject }: Resolved,
): AsyncGenerator<AnyRecord, string[], undefined> {
  const { keeper, store, options } = context
  context.count++
  const image = keyOf(found, context.count)
  context.image = image
  const digests: string[] = []
  let last: AnyRecord | undefined
  for await (const next of pullImage({ place, keeper, image }, found)) {
    if (last !== undefined) yield last
    last = next
    if (next.type === 'manifest' || next.type === 'index') digests.push(String(next.digest))
  }
  if (reference !== undefined && !options.noTag) store?.tag(bare(found.descriptor), reference)
  const name = { ...(reference !== undefined && { reference }), ...(subject !== undefined && { subject }) }
  yield { ...last, root: true, ...name } as ManifestRecord
  context.image = undefined
  return digests
}

// Referrers may have referrers: the signature of an SBOM.
async function* pullReferrers(
  context: Context,
  place: Place,
  digests: readonly string[],
): AsyncGenerator<AnyRecord, void, undefined> {
  const waiting = [...digests]
  const seen = new Set(digests)
  for (let subject = waiting.shift(); subject !== undefined; subject = waiting.shift()) {
    for await (const { found, name } of referrersOf(place, subject, context.options)) {
      const { digest } = found.descriptor
      if (seen.has(digest)) continue
      seen.add(digest)
      waiting.push(...(yield* pullWhole(context, { place, found, reference: name, subject })))
    }
    if (seen.size > MAX_REFERRERS) {
      throw new ToolError('LISTING_ENDLESS', `more than ${MAX_REFERRERS} manifests refer to one image`)
    }
  }
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
