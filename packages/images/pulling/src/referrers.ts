import { ToolError } from '@pipelayer/errors'
import { openPlace, type Place, type PlacedManifest, type PlaceOptions } from '@pipelayer/places'
import { resolveEntry } from './resolve-entry.js'

/** The endings of the tags by which cosign attaches content to a digest. */
const TAG_SUFFIXES = ['sig', 'att', 'sbom']

export interface Referrer {
  readonly found: PlacedManifest
  /** The tag by which it was found, else its digest. */
  readonly name?: string
}

/**
 * The manifests that refer to a manifest of a place: first those with it as their `subject`, then those with a tag such
 * as `sha256-HEX.sig`. There are none if the place cannot know them.
 *
 * @throws ToolError those of the place
 */
export async function* referrersOf(
  place: Place,
  subject: string,
  options: PlaceOptions,
): AsyncGenerator<Referrer, void, undefined> {
  const name = place.repository
  for (const entry of (await place.read.referrers?.(subject)) ?? []) {
    const found = await resolveEntry(place, entry, options.warn)
    yield { found, ...(name !== undefined && { name: `${name}@${entry.digest}` }) }
  }
  if (place.read.referrers === undefined || name === undefined) return
  for (const suffix of TAG_SUFFIXES) {
    const tagged = `${name}:${subject.replace(':', '-')}.${suffix}`
    const found = await resolved(`docker://${tagged}`, options)
    if (found !== undefined) yield { found, name: tagged }
  }
}

async function resolved(text: string, options: PlaceOptions): Promise<PlacedManifest | undefined> {
  const place = openPlace(text, options)
  try {
    return await place.read.resolve()
  } catch (error) {
    const { code } = error as { readonly code?: unknown }
    if (error instanceof ToolError && (code === 'MANIFEST_UNKNOWN' || code === 'NAME_UNKNOWN'))
      return undefined
    throw error
  } finally {
    await place.close()
  }
}
