/**
 * img-tag: gives an image of the store more names.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { checkWhole, findImage, Summaries } from '@pipelayer/inventory'
import { REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import type { AnyRecord } from '@pipelayer/records'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { Store } from '@pipelayer/store'

export interface ImgTagOptions {
  readonly store: string
  /** Name, digest or first digits of an image's digest. */
  readonly source: string
  readonly names: readonly string[]
  /** Read all blobs of the image, and compare them with their digests. */
  readonly verify: boolean
}

/**
 * Gives an image more names, all in one step, and yields a `reference` record for each. A name that another image has
 * moves.
 *
 * @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS`, `IMAGE_INCOMPLETE`; `USAGE` of status 2 for a name with a
 *   digest; `REFERENCE_INVALID` and its like
 */
export async function* imgTag(options: ImgTagOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const names = options.names.map(fullName)
  const store = Store.open(options.store, { create: false })
  const { entries } = findImage(store, options.source, new Summaries(store))
  const descriptor = withoutName(entries)
  await checkWhole(store, descriptor, { verify: options.verify })
  store.tagAll(names.map(name => ({ descriptor, name })))
  const { digest, mediaType, size } = descriptor
  for (const name of names)
    yield { type: 'reference', reference: `store:${name}`, name, digest, mediaType, size }
}

/** @throws ToolError as {@link imgTag} does */
function fullName(text: string): string {
  const reference = parseNormalized(text.replace(/^store:/, ''))
  if (reference.digest === undefined) return formatReference(withDefaultTag(reference))
  throw new ToolError('USAGE', `a new name has a tag and no digest, got ${JSON.stringify(text)}`, {
    status: 2,
  })
}

function withoutName([entry]: readonly StoredDescriptor[]): StoredDescriptor {
  if (entry === undefined) throw new Error('an image was found without an entry')
  const { [REF_NAME]: _name, ...annotations } = entry.annotations ?? {}
  const { annotations: _annotations, ...descriptor } = entry
  return Object.keys(annotations).length === 0 ? descriptor : { ...descriptor, annotations }
}
