/**
 * img-ls: lists the images of the store.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { fullReference, nameOf, placeOf, Summaries } from '@pipelayer/inventory'
import type { StoredDescriptor } from '@pipelayer/layout'
import type { AnyRecord, FailedRecord, StoredImageRecord } from '@pipelayer/records'
import { matchesPattern } from '@pipelayer/reference'
import { Store } from '@pipelayer/store'

export interface ImgLsOptions {
  /** The store's folder. A store that is not there has no images. */
  readonly store: string
  /** Names or shell patterns of names; an image is listed if it has one of them. None lists all images. */
  readonly patterns: readonly string[]
}

const TOOL = 'img-ls'

/**
 * Yields a `reference` record for each image of the store's index, the newest first, those of one time in the order of
 * their names. An image that cannot be read gives a `failed` record.
 *
 * @throws ToolError `PATTERN_INVALID`; `LAYOUT_INVALID` and its like for a store that is none
 */
export async function* imgLs(options: ImgLsOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const passes = filterOf(options.patterns)
  const store = Store.openIfThere(options.store)
  if (store === undefined) return
  const summaries = new Summaries(store)
  const failures: AnyRecord[] = []
  const images: StoredImageRecord[] = []
  for (const entry of store.index().manifests) {
    if (!passes(nameOf(entry))) continue
    const record = recordOf(entry, summaries)
    if (record.type === 'failed') failures.push(record)
    else images.push(record as StoredImageRecord)
  }
  summaries.save()
  yield* newestFirst(images)
  yield* failures
}

function recordOf(entry: StoredDescriptor, summaries: Summaries): StoredImageRecord | FailedRecord {
  const { digest, mediaType, size } = entry
  const name = nameOf(entry)
  const reference = placeOf(entry)
  const named = name !== undefined && { name }
  try {
    const summary = summaries.of(entry)
    return { type: 'reference', reference, ...named, digest, mediaType, size, ...summary }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    const message = `cannot read ${name ?? digest}: ${error.message}`
    return { type: 'failed', tool: TOOL, code: error.code, message, item: { reference, digest } }
  }
}

/** @throws ToolError `PATTERN_INVALID` */
function filterOf(patterns: readonly string[]): (name: string | undefined) => boolean {
  if (patterns.length === 0) return () => true
  // A pattern that is wrong is refused even if no image is there.
  for (const pattern of patterns) matchesPattern(pattern, { domain: 'x', path: 'x' })
  return name => {
    const reference = name === undefined ? undefined : fullReference(name)
    return patterns.some(
      pattern => pattern === name || (reference !== undefined && matchesPattern(pattern, reference)),
    )
  }
}

function newestFirst(images: readonly StoredImageRecord[]): StoredImageRecord[] {
  // A time is parsed once, and not for each comparison.
  const timed = images.map(image => ({
    image,
    time: image.created === undefined ? 0 : Date.parse(image.created),
  }))
  timed.sort((a, b) => b.time - a.time || (a.image.reference < b.image.reference ? -1 : 1))
  return timed.map(({ image }) => image)
}
