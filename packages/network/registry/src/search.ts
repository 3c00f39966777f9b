/**
 * The search of registries that still have version 1 of the API: Docker Hub, Quay, and those that follow them.
 *
 * ```
 * GET /v1/search?q=WORD&n=COUNT
 * { "results": [ { "name": "nginx", "description": "...", "star_count": 1, "is_official": true } ] }
 * ```
 *
 * Spec: Docker Registry API v1, "Search"; moby, registry/search_session.go.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { isObject, MAX_DOCUMENT, parseObject } from '@pipelayer/oci'
import { withRetries } from './retry.js'
import type { Session } from './session.js'

/** Docker Hub searches at another host than it serves images from. */
const HUB = { domain: 'docker.io', search: 'index.docker.io' } as const
/** Statuses by which a registry says that it has no such search. */
const UNSUPPORTED = [400, 404, 405, 410, 501]
const MAX_DESCRIPTION = 1000

/** A repository that a search has found. What a registry does not say is absent. */
export interface FoundRepository {
  /** Its path, as the registry writes it: `nginx`, `bitnami/nginx`. It is not checked. */
  readonly name: string
  /** At most 1000 characters, which are not made safe for a terminal. */
  readonly description?: string
  readonly stars?: number
  /** Docker's own image. */
  readonly official?: true
}

/** The domain at which the registry of a domain is searched. */
export function searchDomain(domain: string): string {
  return domain === HUB.domain ? HUB.search : domain
}

/**
 * The repositories that fit a word, best first, as the registry decides.
 *
 * @param limit - how many at most
 * @returns undefined for a registry without a search
 * @throws ToolError `LISTING_INVALID` for an answer that is none; those of a refusal
 */
export async function search(
  session: Session,
  { word, limit }: { readonly word: string; readonly limit: number },
): Promise<FoundRepository[] | undefined> {
  const target = new URL('/v1/search', session.registry)
  target.searchParams.set('q', word)
  target.searchParams.set('n', String(limit))
  const action = `search ${session.domain}`
  const answer = await withRetries(session.retry, async (_attempt, patience) => {
    const response = await session.once({
      method: 'GET',
      target,
      actions: [],
      expect: [200, ...UNSUPPORTED],
      action,
      patience,
    })
    // A registry with a web page shows that for every address which it does not know.
    const isPage = response.header('content-type')?.startsWith('text/html') === true
    if (response.status === 200 && !isPage) return { bytes: await response.body.bytes(MAX_DOCUMENT) }
    response.body.cancel()
    return undefined
  })
  if (answer === undefined) return undefined
  if (answer.bytes === undefined) throw invalid(action, `its answer has more than ${MAX_DOCUMENT} bytes`)
  const { results } = parseObject(answer.bytes, ['LISTING_INVALID', `answer to "${action}"`])
  const list = results ?? []
  if (!Array.isArray(list)) throw invalid(action, '"results" of its answer is no list')
  return list.slice(0, limit).map(result => found(result, action))
}

function found(result: unknown, action: string): FoundRepository {
  const { name, description, star_count, is_official } = isObject(result) ? result : {}
  if (typeof name !== 'string') throw invalid(action, 'a result of its answer has no name')
  const text = typeof description === 'string' ? description.slice(0, MAX_DESCRIPTION).trim() : ''
  const isCount = typeof star_count === 'number' && Number.isSafeInteger(star_count) && star_count >= 0
  return {
    name,
    ...(text !== '' && { description: text }),
    ...(isCount && { stars: star_count }),
    ...(is_official === true && { official: true }),
  }
}

function invalid(action: string, why: string): ToolError {
  return new ToolError('LISTING_INVALID', `cannot ${action}: ${why}`)
}
