/**
 * The paths of the protocol:
 *
 * ```
 * /v2/                                  /v2/_catalog
 * /v2/NAME/tags/list                    /v2/NAME/manifests/REFERENCE      /v2/NAME/referrers/DIGEST
 * /v2/NAME/blobs/DIGEST                 /v2/NAME/blobs/uploads/           /v2/NAME/blobs/uploads/ID
 * ```
 *
 * NAME may contain any of these words, so the last components decide.
 *
 * @module
 */
import { isName } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'

/** The subject of a request. Names are checked already; tags, digests and IDs are not. */
export type Route =
  | { readonly kind: 'base' | 'catalog' }
  | { readonly kind: 'tags' | 'uploads'; readonly name: string }
  | {
      readonly kind: 'manifest' | 'blob' | 'upload' | 'referrers'
      readonly name: string
      readonly item: string
    }

const MAX_URL = 4096
const PATTERNS: readonly (readonly [kind: Exclude<Route['kind'], 'base' | 'catalog'>, pattern: RegExp])[] = [
  ['uploads', /^(.*?)\/blobs\/uploads\/?$/s],
  ['upload', /^(.*?)\/blobs\/uploads\/([^/]+)$/s],
  ['blob', /^(.*?)\/blobs\/([^/]+)$/s],
  ['manifest', /^(.*?)\/manifests\/([^/]+)$/s],
  ['referrers', /^(.*?)\/referrers\/([^/]+)$/s],
  ['tags', /^(.*?)\/tags\/list$/s],
]

/**
 * Reads a request target.
 *
 * @throws {ToolError} `URI_TOO_LONG`, `URI_INVALID`, `NAME_INVALID`; `ENDPOINT_UNKNOWN` for any other path
 */
export function parseTarget(url: string): { readonly route: Route; readonly query: URLSearchParams } {
  if (url.length > MAX_URL)
    throw new ToolError('URI_TOO_LONG', `a URL has at most ${MAX_URL} characters here`)
  const mark = url.indexOf('?')
  const route = parsePath(decoded(mark < 0 ? url : url.slice(0, mark)))
  return { route, query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)) }
}

function parsePath(path: string): Route {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' }
  if (path === '/v2/_catalog') return { kind: 'catalog' }
  const rest = path.startsWith('/v2/') ? path.slice('/v2'.length) : ''
  for (const [kind, pattern] of PATTERNS) {
    const match = pattern.exec(rest)
    if (match === null) continue
    const name = match[1]?.slice(1) ?? ''
    if (!isName(name))
      throw new ToolError('NAME_INVALID', `not a name of a repository: ${JSON.stringify(name)}`)
    return kind === 'tags' || kind === 'uploads' ? { kind, name } : { kind, name, item: match[2] ?? '' }
  }
  throw new ToolError('ENDPOINT_UNKNOWN', 'there is nothing at this address')
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch (cause) {
    throw new ToolError('URI_INVALID', 'the URL is not percent-encoded UTF-8', { cause })
  }
}
