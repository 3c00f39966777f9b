import { type Digest, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { GRAMMAR, MAX_PATH, MAX_TEXT } from './grammar.js'

/** A reference as it was written. */
export interface Reference {
  /** Host and port. */
  readonly domain?: string
  readonly path: string
  readonly tag?: string
  readonly digest?: Digest
}

/**
 * Reads a reference as it is written, without defaults: for `debian` the path is `debian`, and the domain is undefined.
 *
 * ```ts
 * parseReference('ghcr.io/a/b:1') // { domain: 'ghcr.io', path: 'a/b', tag: '1' }
 * ```
 *
 * @throws ToolError `REFERENCE_INVALID`; `DIGEST_INVALID` or `DIGEST_UNSUPPORTED` for its digest
 */
export function parseReference(text: string): Reference {
  const match = text.length > MAX_TEXT ? null : GRAMMAR.reference.exec(text)
  if (match?.[1] === undefined) throw invalid(text, reasonFor(text))
  const [, name, tag, digest] = match
  if (digest !== undefined) parseDigest(digest)
  return { ...splitName(name), ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

/** The canonical text: `domain/path:tag@digest`, with those parts that the reference has. */
export function formatReference(reference: Reference): string {
  const { tag, digest } = reference
  return `${formatName(reference)}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The text without tag and digest: `domain/path`. */
export function formatName({ domain, path }: Reference): string {
  return domain === undefined ? path : `${domain}/${path}`
}

/**
 * The same name with another tag; the digest is kept.
 *
 * @throws ToolError `REFERENCE_INVALID`
 */
export function withTag<R extends Reference>(reference: R, tag: string): R & { readonly tag: string } {
  if (!GRAMMAR.tag.test(tag)) throw invalid(tag, 'a tag is 1 to 128 letters, digits, "_", "." and "-"')
  return { ...reference, tag }
}

/**
 * The same name with another digest, of which only the grammar is checked; the tag is kept.
 *
 * @throws ToolError `REFERENCE_INVALID`
 */
export function withDigest<R extends Reference>(
  reference: R,
  digest: string,
): R & { readonly digest: Digest } {
  if (!GRAMMAR.digest.test(digest)) throw invalid(digest, 'it is not a digest')
  return { ...reference, digest }
}

/**
 * True for a name that image-spec allows in the index of a layout (`org.opencontainers.image.ref.name`). Most
 * references are such names; `host/a__b`, for one, is not.
 */
export function isRefName(text: string): boolean {
  return text.length <= MAX_TEXT && GRAMMAR.refName.test(text)
}

function splitName(name: string): Pick<Reference, 'domain' | 'path'> {
  const match = GRAMMAR.name.exec(name)
  const [, domain, path = name] = match ?? []
  if (path.length > MAX_PATH) throw invalid(name, `its path is longer than ${MAX_PATH} characters`)
  return domain === undefined ? { path } : { domain, path }
}

function reasonFor(text: string): string {
  if (text === '') return 'it is empty'
  if (text.length > MAX_TEXT) return `it is longer than ${MAX_TEXT} characters`
  return GRAMMAR.reference.test(text.toLowerCase())
    ? 'the path must be lower case'
    : 'expected [HOST[:PORT]/]PATH[:TAG][@DIGEST]'
}

/** @internal */
export function invalid(text: string, why: string): ToolError {
  const shown = text.length > 300 ? `${text.slice(0, 300)}...` : text
  return new ToolError('REFERENCE_INVALID', `invalid reference ${JSON.stringify(shown)}: ${why}`)
}
