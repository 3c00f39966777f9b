import { ToolError } from '@pipelayer/errors'
import { openPlace, type Place, type PlacedManifest, type PlaceOptions } from '@pipelayer/places'
import { resolveEntry } from './resolve-entry.js'

/** The endings of the tags by which cosign attaches content to a digest. */
const TAG_SUFFIXES = ['sig', 'att', 'sbom']

export interface Referrer {
  readonly found: PlacedManifest
  /** The full reference by which it was found: a tag, else its digest. Without a repository there is none. */
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
  const { repository, read } = place
  if (read.referrers === undefined) return
  for (const entry of await read.referrers(subject)) {
    const found = await resolveEntry(place, entry, options.warn)
    yield { found, ...(repository !== undefined && { name: `${repository.name}@${entry.digest}` }) }
  }
  if (repository === undefined) return
  for (const suffix of TAG_SUFFIXES) {
    const tag = `${subject.replace(':', '-')}.${suffix}`
    const found = await resolved(repository.tagged(tag), options)
    if (found !== undefined) yield { found, name: `${repository.name}:${tag}` }
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
