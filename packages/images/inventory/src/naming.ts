import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Layout, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { familiar, type NormalizedReference, parseNormalized } from '@pipelayer/reference'
import { contentOf } from './content.js'

/** A blob that no image of an index needs any more. */
export interface Unreferenced {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** The name of an entry; undefined for an image without one. */
export function nameOf(entry: StoredDescriptor): string | undefined {
  return entry.annotations?.[REF_NAME]
}

/** A name as Docker shows it: `debian:12`. A name that another program wrote, and that is no reference, stays as it is. */
export function shortName(name: string): string {
  const parsed = fullReference(name)
  return parsed === undefined ? name : familiar(parsed)
}

/** The place by which other programs find an entry: by its name, or where the name is no reference, by its digest. */
export function placeOf(entry: StoredDescriptor): string {
  const name = nameOf(entry)
  return name === undefined || fullReference(name) === undefined ? `store:${entry.digest}` : `store:${name}`
}

/**
 * The reference that a name in an index is; undefined for a name that other programs wrote and that is no full
 * reference, such as `1.0`: `store:1.0` would stand for another name.
 */
export function fullReference(name: string): NormalizedReference | undefined {
  try {
    const parsed = parseNormalized(name)
    return name.startsWith(`${parsed.domain}/`) ? parsed : undefined
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/**
 * Checks that all blobs of an image are there, so that a new name does not promise what the layout lacks.
 *
 * @param options - `verify`: also read all of them, and compare them with their digests
 * @throws {ToolError} `IMAGE_INCOMPLETE`; `DIGEST_MISMATCH` and its like for a damaged document
 */
export async function checkWhole(
  layout: Layout,
  entry: StoredDescriptor,
  options: { readonly verify: boolean },
): Promise<void> {
  const { blobs, absent } = contentOf(layout, entry)
  for (const [digest, size] of blobs) {
    // An index of which one platform was pulled is as good as before.
    if (absent.includes(digest) && digest !== entry.digest) continue
    const isThere = options.verify ? await layout.isIntact({ digest, size }) : layout.hasBlob(digest, size)
    if (isThere) continue
    const what = options.verify && layout.hasBlob(digest) ? 'is damaged' : 'is missing'
    throw new ToolError(
      'IMAGE_INCOMPLETE',
      `image ${entry.digest}: blob ${digest} ${what}, pull the image again`,
    )
  }
}

/** Takes entries out of the index, in one step. Another program may have given their names to other images: those stay. */
export function removeEntries(layout: Layout, entries: readonly StoredDescriptor[]): void {
  const gone = new Set(entries.map(keyOf))
  layout.updateIndex(index => ({
    ...index,
    manifests: index.manifests.filter(entry => !gone.has(keyOf(entry))),
  }))
}

/** What tells entries of an index apart: the digest and the name. */
export function keyOf(entry: StoredDescriptor): string {
  return `${entry.digest} ${nameOf(entry) ?? ''}`
}

/**
 * What of some images would be needed by no other one, for each of them in turn; a blob that several of them share
 * counts for the first. An image that is damaged has nothing.
 */
export function unreferencedOf(
  layout: Layout,
  gone: readonly StoredDescriptor[],
  others: readonly StoredDescriptor[],
): readonly (readonly Unreferenced[])[] {
  const needed = new Set(others.flatMap(entry => [...blobsOf(layout, entry).keys()]))
  return gone.map(entry => {
    const unreferenced: Unreferenced[] = []
    for (const [digest, size] of blobsOf(layout, entry)) {
      if (needed.has(digest) || !layout.hasBlob(digest)) continue
      needed.add(digest)
      unreferenced.push({ digest, size })
    }
    return unreferenced
  })
}

function blobsOf(layout: Layout, entry: StoredDescriptor): ReadonlyMap<Digest, number> {
  try {
    return contentOf(layout, entry).blobs
  } catch (error) {
    if (error instanceof ToolError) return new Map()
    throw error
  }
}
