import { type Digest, isDigest } from '@pipelayer/digest'
import { GRAMMAR } from './grammar.js'
import { type NormalizedReference, parseNormalized } from './normalized.js'

/** What a user may type for an image: a name, or the digest or ID of an image. */
export type AnyReference = NormalizedReference | { readonly digest: Digest; readonly domain?: never }

/**
 * Reads a name, a digest or an image ID (64 hex digits, meaning sha256).
 *
 * @throws ToolError as {@link parseNormalized} does
 */
export function parseAny(text: string): AnyReference {
  if (GRAMMAR.identifier.test(text)) return { digest: `sha256:${text}` }
  return isDigest(text) ? { digest: text } : parseNormalized(text)
}
