/**
 * The text form of a digest.
 *
 * ```
 * digest    = algorithm ":" encoded
 * algorithm = component *( separator component )    separator = "+" / "." / "_" / "-"
 * component = 1*( a-z / 0-9 )
 * encoded   = 1*( A-Z / a-z / 0-9 / "=" / "_" / "-" )
 * ```
 *
 * The encoded part of sha256, sha384 and sha512 is lower-case hex of exactly the hash's length. No digest holds
 * a slash or starts with a dot, so each half is safe as the name of one path component.
 *
 * Spec: image-spec v1.1, descriptor.md, "Digests".
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

/** `algorithm:encoded`, checked. A plain string, so that it can be compared and put into JSON as it is. */
export type Digest = string

/** The algorithms we can compute. */
export type Algorithm = 'sha256' | 'sha384' | 'sha512'

const GRAMMAR = /^[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/
const HEX = /^[a-f0-9]+$/
/** Longer than any digest in use, short enough that a hostile one is no burden. */
const MAX_LENGTH = 512
const HEX_LENGTH: ReadonlyMap<string, number> = new Map([
  ['sha256', 64],
  ['sha384', 96],
  ['sha512', 128],
])

/**
 * Checks that `text` is a digest that we can verify, and returns it.
 *
 * @throws ToolError `DIGEST_INVALID` for text that is no digest, `DIGEST_UNSUPPORTED` for an algorithm other
 * than sha256, sha384 and sha512
 */
export function parseDigest(text: string): Digest {
  if (!isWellFormedDigest(text)) {
    throw new ToolError('DIGEST_INVALID', `not a digest: ${JSON.stringify(shorten(text))}`)
  }
  const name = text.slice(0, text.indexOf(':'))
  if (!HEX_LENGTH.has(name)) {
    throw new ToolError(
      'DIGEST_UNSUPPORTED',
      `cannot verify a digest of algorithm ${shorten(name)}: ${shorten(text)}`,
    )
  }
  return text
}

/** True for what {@link parseDigest} accepts. */
export function isDigest(text: unknown): text is Digest {
  return (
    typeof text === 'string' && isWellFormedDigest(text) && HEX_LENGTH.has(text.slice(0, text.indexOf(':')))
  )
}

/**
 * True for a digest of any algorithm, known to us or not. A document may name content by an algorithm we do not
 * know; it passes through, but only what {@link isDigest} accepts can be fetched or stored.
 */
export function isWellFormedDigest(text: string): boolean {
  if (text.length > MAX_LENGTH || !GRAMMAR.test(text)) return false
  const colon = text.indexOf(':')
  const length = HEX_LENGTH.get(text.slice(0, colon))
  if (length === undefined) return true
  const encoded = text.slice(colon + 1)
  return encoded.length === length && HEX.test(encoded)
}

/** The part before the colon. */
export function algorithmOf(digest: Digest): Algorithm {
  return parseDigest(digest).slice(0, digest.indexOf(':')) as Algorithm
}

/** The part after the colon. */
export function encodedOf(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1)
}

function shorten(text: string): string {
  return text.length > 160 ? `${text.slice(0, 160)}...` : text
}
