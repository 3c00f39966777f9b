import { ToolError } from '@pipelayer/errors'
import { openPlace, type Place, type PlacedManifest, type PlaceOptions } from '@pipelayer/places'
import { resolveEntry } from './resolve-entry.js'

/** How cosign names what belongs to a digest. */
const TAG_SUFFIXES = ['sig', 'att', 'sbom']

export interface Referrer {
  readonly found: PlacedManifest
  /** What it is called: by its tag, else by its digest. */
  readonly name?: string
}

/**
 * What refers to a manifest of a place: by its `subject`, then by a tag `sha256-HEX.sig` and the like. Nothing, where
 * the place cannot know.
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
