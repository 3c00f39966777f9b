/**
 * The short names that Docker made familiar, and the full names they stand for.
 *
 * A first component without `.`, `:` or an upper-case letter, other than `localhost`, is no domain: the name is
 * one of Docker Hub's, and with a single component it is one of its official images, below `library/`.
 *
 * @module
 */
import { GRAMMAR } from './grammar.js'
import { formatReference, invalid, parseReference, type Reference } from './reference.js'

/** A reference with its domain. */
export interface NormalizedReference extends Reference {
  readonly domain: string
}

const DEFAULT_DOMAIN = 'docker.io'
const LEGACY_DOMAIN = 'index.docker.io'
const OFFICIAL = 'library/'
const DEFAULT_TAG = 'latest'
// A pattern inside a function would be made anew for each of the thousands of names of a list.
const END_OF_PATH = /[:@]/

/**
 * Reads a reference and fills in what Docker's short names leave out: `debian` is `docker.io/library/debian`.
 * No tag is added: see {@link withDefaultTag}.
 *
 * ```ts
 * formatReference(withDefaultTag(parseNormalized('debian'))) // 'docker.io/library/debian:latest'
 * ```
 *
 * @throws ToolError `REFERENCE_INVALID`, for an image ID too; `DIGEST_INVALID`, `DIGEST_UNSUPPORTED`
 */
export function parseNormalized(text: string): NormalizedReference {
  if (GRAMMAR.identifier.test(text)) throw invalid(text, 'it is an image ID, not a name')
  const { domain, rest } = splitDomain(text)
  const end = rest.search(END_OF_PATH)
  const path = end < 0 ? rest : rest.slice(0, end)
  if (path.toLowerCase() !== path) throw invalid(text, 'the path must be lower case')
  const parsed = parseReference(`${domain}/${rest}`)
  // A first part that looks like a host but is none, as in `docker.io_library/x`, would be read as the start of the
  // path.
  if (parsed.domain !== domain) throw invalid(text, `${JSON.stringify(domain)} is no host name`)
  return { ...parsed, domain }
}

/** Adds `latest` to a reference that has neither tag nor digest. */
export function withDefaultTag(reference: NormalizedReference): NormalizedReference {
  const named = reference.tag !== undefined || reference.digest !== undefined
  return named ? reference : { ...reference, tag: DEFAULT_TAG }
}

/**
 * The reference with the one version that it means: its digest, else its tag, else `latest`. Where it has both, the tag
 * is dropped, since the digest decides.
 */
export function pinned(reference: NormalizedReference): NormalizedReference {
  const { tag: _tag, ...rest } = reference
  return reference.digest === undefined ? withDefaultTag(reference) : rest
}

/** The short form, as Docker shows it: `debian:12` for `docker.io/library/debian:12`. */
export function familiar(reference: NormalizedReference): string {
  if (reference.domain !== DEFAULT_DOMAIN) return formatReference(reference)
  const { domain: _domain, ...rest } = reference
  const name = reference.path.startsWith(OFFICIAL) ? reference.path.slice(OFFICIAL.length) : ''
  return formatReference({ ...rest, path: name === '' || name.includes('/') ? reference.path : name })
}

function splitDomain(text: string): { domain: string; rest: string } {
  const slash = text.indexOf('/')
  const first = slash < 0 ? '' : text.slice(0, slash)
  const isDomain =
    first === 'localhost' || first.includes('.') || first.includes(':') || first.toLowerCase() !== first
  let domain = isDomain ? first : DEFAULT_DOMAIN
  const rest = isDomain ? text.slice(slash + 1) : text
  if (domain === LEGACY_DOMAIN) domain = DEFAULT_DOMAIN
  return { domain, rest: domain === DEFAULT_DOMAIN && !rest.includes('/') ? OFFICIAL + rest : rest }
}
