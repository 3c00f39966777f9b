import { ToolError } from '@pipelayer/errors'
import { formatReference, GRAMMAR, parseNormalized, pinned } from '@pipelayer/reference'

/** How a user names an image of an engine. A text may be both: `cafe` is a name, and the start of an id. */
export interface ImageName {
  /** As it was written. */
  readonly text: string
  /** Fully qualified, with its tag or its digest; undefined for a text that can only be an id. */
  readonly reference?: string
  /** The first digits of an id. */
  readonly digits?: string
}

/**
 * Reads `NAME[:TAG]`, `NAME@DIGEST`, or an id, whole or its first four digits and more, with or without `sha256:`. Of a
 * name with tag and digest the digest counts, as for the engine.
 *
 * @throws ToolError `REFERENCE_INVALID` and its like
 */
export function parseImageName(text: string): ImageName {
  const digits = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1]
  // Docker lets no repository be called sha256.
  if (digits !== undefined && (text.startsWith('sha256:') || GRAMMAR.identifier.test(text)))
    return { text, digits }
  const reference = parseNormalized(text)
  if (reference.path === 'library/sha256')
    throw new ToolError('REFERENCE_INVALID', `invalid reference ${JSON.stringify(text)}: it is no whole id`)
  return { text, reference: formatReference(pinned(reference)), ...(digits !== undefined && { digits }) }
}
