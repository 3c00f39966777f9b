import { ToolError } from '@pipelayer/errors'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

/** A text as a reference; undefined if it is none. */
export function attemptReference(text: string): ReturnType<typeof parseNormalized> | undefined {
  try {
    return parseNormalized(text)
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** Domain, path, tag and digest of a text; the error that says why it is no reference. */
export function fullName(text: string): string | ToolError {
  try {
    return formatReference(withDefaultTag(parseNormalized(text)))
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

/** As {@link fullName}; a text that is no reference stays as it is. */
export function sameName(text: string): string {
  const name = fullName(text)
  return typeof name === 'string' ? name : text
}
