import { encodedOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Closing, named, sideBySide } from '@pipelayer/image-streams'
import { bare, type Platform, parsePlatform } from '@pipelayer/oci'
import {
  Connections,
  nameIndexOf,
  openPlace,
  type Place,
  type PlacedManifest,
  type PlaceOptions,
  placesIn,
} from '@pipelayer/places'
import type { AnyRecord, FailedRecord, ManifestRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { BlobFetcher } from './blob-fetcher.js'
import { type Keeper, nothingKept, storeKeeper } from './keeper.js'
import { mayBeNamed } from './pinned-name.js'
import { pullImage } from './pull-image.js'
import { referrersOf } from './referrers.js'
import { choose } from './selection.js'
import { placeInStore, warnWith, withHint } from './store-hint.js'

export interface PullOptions extends PlaceOptions {
  /** The program that does this, for the `failed` records. */
  readonly tool: string
  /** Places or references; `-` stands for the records that come in. */
  readonly references: readonly string[]
  readonly choice: PullChoice
}

/** What is taken of each reference, and what of that is kept. */
export interface PullChoice {
  /** Which manifests of an index are taken: at least one. Several make a new index. */
  readonly platforms: readonly Platform[]
  /** An index is taken as a whole, whatever `platforms` says. */
  readonly allPlatforms?: boolean
  /** What refers to each image is pulled too: signatures, SBOMs. */
  readonly referrers?: boolean
  /**
   * What the store gets: the images under their names (default), their blobs alone, or nothing. Of nothing, records say
   * where the blobs are, and carry the manifests.
   */
  readonly keeps?: 'names' | 'blobs' | 'nothing'
}

/** How many references are worked on at a time. Later ones are resolved while the blobs of the first are fetched. */
const PARALLEL = 8
/** How many referrers one image may have, including the referrers of those. */
const MAX_REFERRERS = 1000
/** Failures of the store itself, which every other image would meet as well. */
const FATAL = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EROFS'])

/**
 * Pulls images, several at a time, and writes their records in the order of the references, those of each image
 * together. All images share connections, and no blob is fetched twice. Records of other types pass through, in their
 * place.
 *
 * From an index the manifest for the wanted platform is chosen: its record is the root record of the image. An image
 * gets its name in the store when it is complete, before its root record is written. With several references, one that
 * fails does not stop the others: a `failed` record takes its place.
 *
 * Memory: that of {@link BlobFetcher}, and the records of eight images.
 *
 * ```ts
 * const platforms = [{ os: 'linux', architecture: 'amd64' }]
 * const options = { tool: 'mine', references: ['debian:12'], platforms, store: '/srv/store' }
 * for await (const record of pullImages(incoming, options)) console.log(record.type)
 * ```
 *
 * @throws ToolError those of places and of the store, if there is one reference; with several, only those of the store
 */
export async function* pullImages(
  records: AsyncIterable<AnyRecord>,
  options: PullOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const connections = new Connections()
  const run = openRun({ ...options, registries: { ...options.registries, connections } })
  try {
    yield* named(pullAll(records, run))
  } finally {
    await connections.close()
  }
}

/** What all images of a run share. */
interface Run {
  readonly store: Store | undefined
  readonly fetcher: BlobFetcher | undefined
  readonly options: PullOptions
}

/** One reference that is worked on. */
interface Context extends Run {
  readonly keeper: Keeper
  /** The number of the reference, from 1, which makes keys unique. */
  readonly number: number
  /** How many images the reference has given so far. */
  count: number
  /** The key of the image that is worked on, once it is known. */
  image: string | undefined
}

function openRun(options: PullOptions): Run {
  const store = options.choice.keeps === 'nothing' ? undefined : Store.open(options.store)
  const fetcher = store === undefined ? undefined : new BlobFetcher(store, options)
  return { store, fetcher, options }
}

function openContext(run: Run, number: number): Context {
  const { store, fetcher } = run
  const keeper =
    store === undefined || fetcher === undefined ? nothingKept : storeKeeper(store, fetcher.forImage())
  return { ...run, keeper, number, count: 0, image: undefined }
}

async function* pullAll(
  records: AsyncIterable<AnyRecord>,
  run: Run,
): AsyncGenerator<Closing, void, undefined> {
  const { references } = run.options
  const [only = '-', ...others] = references
  const isList = others.length > 0 || only === '-'
  const found = isList ? references : placesIn(only, run.options)
  const [reference] = found
  if (!isList && found.length === 1)
    return yield* pullOne(openContext(run, 1), { type: 'reference', reference })
  const items = incoming(records, found, run.options)
  let count = 0
  const isLight = ({ type }: AnyRecord): boolean => type !== 'reference'
  yield* sideBySide(items, { count: PARALLEL, isLight }, (record, signal) => {
    if (record.type !== 'reference') return passed(record)
    const context = openContext(run, ++count)
    signal.addEventListener('abort', () => void context.keeper.stop(), { once: true })
    return pullOneOfMany(context, record)
  })
}

async function* passed(record: AnyRecord): AsyncGenerator<Closing, void, undefined> {
  yield { record }
}

async function* incoming(
  records: AsyncIterable<AnyRecord>,
  references: readonly string[],
  options: PlaceOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  for (const reference of references) {
    if (reference !== '-') yield* eachImage({ type: 'reference', reference }, options)
    else for await (const record of records) yield* eachImage(record, options)
  }
}

function* eachImage(record: AnyRecord, options: PlaceOptions): Generator<AnyRecord, void, undefined> {
  for (const reference of record.type === 'reference' ? listed(String(record.reference), options) : [])
    yield { ...record, reference }
  if (record.type !== 'reference') yield record
}

// A place that cannot be listed fails when its turn comes, as one that cannot be read.
function listed(text: string, options: PlaceOptions): readonly string[] {
  try {
    return placesIn(text, options)
  } catch (error) {
    if (error instanceof ToolError) return [text]
    throw error
  }
}

async function* pullOneOfMany(context: Context, record: AnyRecord): AsyncGenerator<Closing, void, undefined> {
  try {
    yield* pullOne(context, record)
  } catch (error) {
    if (!(error instanceof ToolError) || FATAL.has(error.code) || context.options.signal?.aborted) throw error
    const { reference, platform } = record
    const item = { reference, ...(platform !== undefined && { platform }) }
    const { code, message } = error
    const image = context.image === undefined ? {} : { image: context.image }
    yield {
      record: {
        type: 'failed',
        tool: context.options.tool,
        ...image,
        code,
        message,
        item,
      } satisfies FailedRecord,
    }
  }
}

async function* pullOne(context: Context, record: AnyRecord): AsyncGenerator<Closing, void, undefined> {
  const { keeper, options } = context
  context.image = undefined
  const text = String(record.reference)
  const platforms =
    typeof record.platform === 'string' ? [parsePlatform(record.platform)] : options.choice.platforms
  const here = (): string | undefined => placeInStore(text, place, options.store)
  const place: Place = openPlace(text, { ...options, warn: warnWith(options.warn, here) })
  try {
    const selection = { platforms, all: options.choice.allPlatforms === true, warn: options.warn }
    const chosen = await choose(place, selection).catch(error => {
      throw withHint(error, here())
    })
    const digests = yield* pullWhole(context, { place, ...chosen, reference: place.reference })
    if (options.choice.referrers) yield* pullReferrers(context, place, digests)
  } catch (error) {
    throw explained(error, text)
  } finally {
    await Promise.all([place.close(), keeper.stop()])
  }
}

/** An image that was resolved. */
interface Resolved {
  readonly place: Place
  readonly found: PlacedManifest
  /** The indexes through which it was found. */
  readonly above?: readonly PlacedManifest[]
  readonly reference?: string | undefined
  /** The digest of the manifest that it refers to. */
  readonly subject?: string
}

// Returns the digests of its manifests.
async function* pullWhole(
  context: Context,
  { place, found, above = [], reference, subject }: Resolved,
): AsyncGenerator<Closing, string[], undefined> {
  const { keeper, store, options } = context
  const image = keyOf(found, context)
  context.count++
  context.image = image
  const digests: string[] = []
  let last: AnyRecord | undefined
  for await (const next of pullImage({ place, keeper, image, warn: options.warn }, found)) {
    if (last !== undefined) yield { record: last }
    last = undefined
    // A record is known to be the root only when no other follows, so manifests are held back. Layers are not: the next
    // program begins with them.
    if (next.type !== 'manifest' && next.type !== 'index') yield { record: next }
    else {
      last = next
      digests.push(String(next.digest))
    }
  }
  const isNamed =
    store !== undefined &&
    reference !== undefined &&
    options.choice.keeps !== 'blobs' &&
    mayBeNamed({ found, above, reference }, { store, keeper, warn: options.warn })
  const entry = { descriptor: bare(found.descriptor), name: reference }
  const known = { ...(reference !== undefined && { reference }), ...(subject !== undefined && { subject }) }
  const record = { ...last, root: true, ...known } as ManifestRecord
  yield { record, ...(isNamed && { name: { index: nameIndexOf(store), entry } }) }
  context.image = undefined
  return digests
}

// Referrers may have referrers themselves, such as the signature of an SBOM.
async function* pullReferrers(
  context: Context,
  place: Place,
  digests: readonly string[],
): AsyncGenerator<Closing, void, undefined> {
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

// A digest, unlike a line number, does not tell the user which image failed, so its text is added.
function explained(error: unknown, text: string): unknown {
  if (!(error instanceof ToolError) || error.message.includes(text)) return error
  const { code, status } = error
  return new ToolError(code, `cannot pull ${text}: ${error.message}`, { cause: error, status })
}

// The key is unique in this stream, and also in a stream that several runs of this tool make together.
function keyOf({ descriptor }: PlacedManifest, { number, count }: Context): string {
  const key = `${encodedOf(descriptor.digest).slice(0, 12)}-${number}`
  return count === 0 ? key : `${key}r${count}`
}
