import { digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Index,
  MAX_DOCUMENT,
  type Platform,
  parseManifest,
  parseObject,
  selectPlatform,
} from '@pipelayer/oci'
import type { Place, PlacedManifest, PlaceOptions } from '@pipelayer/places'
import { resolveEntry } from './resolve-entry.js'

/** Which manifests are taken from an index. */
export interface Selection {
  /** The platforms to take. Without an option it is this machine's. */
  readonly platforms: readonly Platform[]
  /** Take an index as a whole. */
  readonly all: boolean
  readonly warn?: PlaceOptions['warn']
}

const MAX_DEPTH = 4

/** The result of resolving a place. */
export interface Chosen {
  readonly found: PlacedManifest
  /** The indexes that led to the manifest, beginning with the one that the place named. */
  readonly above: readonly PlacedManifest[]
}

/**
 * Resolves a place, and follows indexes down to manifests.
 *
 * For one platform, the result is its manifest. For several, it is a new index that names only their manifests, in
 * their order; if the index has no others, it is that index itself, byte for byte.
 *
 * @throws ToolError `PLATFORM_NOT_FOUND`, `MANIFEST_INVALID`, `DOCUMENT_TOO_LARGE`; those of the place
 */
export async function choose(place: Place, { platforms, all, warn }: Selection): Promise<Chosen> {
  const above: PlacedManifest[] = []
  let found = await place.read.resolve()
  for (let depth = 0; !all && found.document.kind === 'index'; depth++) {
    if (depth === MAX_DEPTH) {
      throw new ToolError('MANIFEST_INVALID', `index in index, more than ${MAX_DEPTH} levels deep`)
    }
    const { document } = found
    const entries = new Set(platforms.map(platform => selectPlatform(document, platform)))
    const [only] = entries
    if (platforms.length > 1 || only === undefined)
      return { found: narrowed(found, document, entries), above }
    above.push(found)
    found = await resolveEntry(place, only, warn)
  }
  return { found, above }
}

function narrowed(
  found: PlacedManifest,
  document: Index,
  entries: ReadonlySet<Index['manifests'][number]>,
): PlacedManifest {
  const kept = document.manifests.map(entry => entries.has(entry))
  if (!kept.includes(false)) return found
  const whole = parseObject(found.bytes, ['MANIFEST_INVALID', `index ${found.descriptor.digest}`])
  const manifests = (whole.manifests as readonly unknown[]).filter((_entry, index) => kept[index])
  const bytes = Buffer.from(JSON.stringify({ ...whole, manifests }))
  if (bytes.length > MAX_DOCUMENT) throw new ToolError('DOCUMENT_TOO_LARGE', 'the new index is too large')
  const { mediaType } = found.descriptor
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  return { descriptor, bytes, document: parseManifest(bytes, { mediaType }) }
}
