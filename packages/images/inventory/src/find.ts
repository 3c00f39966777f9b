import { encodedOf, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type Layout, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import { formatReference, parseAny, withDefaultTag } from '@pipelayer/reference'
import type { Summaries } from './summaries.js'

/** The images that a text stands for. */
export interface Found {
  /** Entries of the index; all of them have one digest. */
  readonly entries: readonly StoredDescriptor[]
  /** The name in the index that the text is; undefined where the text is a digest or an id. */
  readonly name?: string
}

/**
 * Finds an image of a layout as `docker` finds it: by its name, in full or as Docker shortens it; by its digest; by the
 * first hexadecimal digits of its digest or of its config's digest, which is Docker's image id.
 *
 * `store:` before a name or a digest is taken for what it is.
 *
 * @throws {ToolError} `MANIFEST_UNKNOWN`; `REFERENCE_AMBIGUOUS` for digits with which several images begin;
 *   `REFERENCE_INVALID` and its like for a text that is no name
 */
export function findImage(layout: Layout, given: string, summaries: Summaries): Found {
  const text = given.startsWith('store:') ? given.slice('store:'.length) : given
  const { manifests } = layout.index()
  const named = (name: string): readonly StoredDescriptor[] =>
    manifests.filter(entry => entry.annotations?.[REF_NAME] === name)
  // Other programs write names that are no full references into an index.
  const asWritten = named(text)
  if (asWritten.length > 0) return { entries: asWritten, name: text }
  const full = fullName(text)
  const found = full === undefined ? [] : named(full)
  if (full !== undefined && found.length > 0) return { entries: found, name: full }
  const entries = byId(manifests, text, summaries)
  if (entries.length > 0) return { entries }
  // The text may be no name at all, which is the better message.
  parseAny(text)
  throw new ToolError(
    'MANIFEST_UNKNOWN',
    `there is no image ${JSON.stringify(text)} in "${layout.root}": img-ls lists those that are there`,
  )
}

function fullName(text: string): string | undefined {
  try {
    const parsed = parseAny(text)
    return parsed.domain === undefined ? undefined : formatReference(withDefaultTag(parsed))
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function byId(
  manifests: readonly StoredDescriptor[],
  text: string,
  summaries: Summaries,
): readonly StoredDescriptor[] {
  const digits = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1]
  if (digits === undefined) return isDigest(text) ? manifests.filter(({ digest }) => digest === text) : []
  const begins = (digest: string): boolean => encodedOf(digest).startsWith(digits)
  const entries = manifests.filter(entry => begins(entry.digest) || summaries.configsOf(entry).some(begins))
  const digests = new Set(entries.map(({ digest }) => digest))
  if (digests.size > 1)
    throw new ToolError(
      'REFERENCE_AMBIGUOUS',
      `several images begin with ${text}, give more digits: ${[...digests].sort().slice(0, 20).join(', ')}`,
    )
  return entries
}
