import { ToolError } from '@pipelayer/errors'
import { isObject, type JsonObject, parseObject } from '@pipelayer/oci'
import { findLink } from './link.js'
import { withRetries } from './retry.js'
import type { Session, SessionRequest } from './session.js'
import type { HttpResponse } from './transport.js'

/** The most pages of a list. A page has up to 1000 entries, so more pages are an attack. */
const MAX_PAGES = 10_000
const MAX_PAGE_BYTES = 16 * 1024 * 1024
const PAGE = 1000

/** The request for the first page, with its `target`. */
export type PageRequest = Omit<SessionRequest, 'method'>

export interface Page {
  readonly response: HttpResponse
  readonly bytes: Buffer
}

/**
 * Fetches the pages of a list, following `Link: <...>; rel="next"`.
 *
 * A next page is fetched only from the registry itself, and only once; the number of pages is limited.
 *
 * @throws ToolError `LINK_INVALID`, `LISTING_INVALID` for a page of more than 16 MiB, `LISTING_ENDLESS`; those of a refusal
 */
export async function* pages(session: Session, request: PageRequest): AsyncGenerator<Page, void, undefined> {
  const seen = new Set<string>()
  let target: string | URL | undefined = request.target
  while (target !== undefined) {
    const url = session.url(target)
    if (seen.has(url.href) || seen.size >= MAX_PAGES) {
      throw new ToolError('LISTING_ENDLESS', `cannot ${request.action}: its pages do not end`)
    }
    seen.add(url.href)
    const page = await fetchPage(session, { ...request, target: url })
    yield page
    target = nextPage(page.response, url)
  }
}

/**
 * The tags of the repository, in the order of the registry. Memory: one page.
 *
 * @throws ToolError `NAME_UNKNOWN`, `LISTING_INVALID`; those of {@link pages}
 */
export function listTags(session: Session): AsyncGenerator<string, void, undefined> {
  return names(session, 'tags', {
    target: `tags/list?n=${PAGE}`,
    actions: ['pull'],
    expect: [200],
    action: `list the tags of ${session.domain}/${session.path}`,
    notFound: 'NAME_UNKNOWN',
  })
}

/**
 * The repositories of a registry, in its order.
 *
 * @throws ToolError `CATALOG_UNSUPPORTED` for one that has no catalog; `LISTING_INVALID`; those of {@link pages}
 */
export function listRepositories(session: Session): AsyncGenerator<string, void, undefined> {
  return names(session, 'repositories', {
    target: new URL(`_catalog?n=${PAGE}`, session.registry),
    actions: [],
    scopes: ['registry:catalog:*'],
    expect: [200],
    action: `list the repositories of ${session.domain}`,
    notFound: 'CATALOG_UNSUPPORTED',
  })
}

async function* names(
  session: Session,
  field: string,
  request: PageRequest,
): AsyncGenerator<string, void, undefined> {
  for await (const { bytes } of pages(session, request)) {
    const what: [string, string] = ['LISTING_INVALID', `answer to "${request.action}"`]
    const list = fieldOf(parseObject(bytes, what), field)
    for (const name of list) {
      if (typeof name !== 'string') throw invalid(request, `"${field}" holds something that is no string`)
      yield name
    }
  }
}

// `"tags": null` is how Go writes an empty list.
function fieldOf(document: JsonObject, field: string): readonly unknown[] {
  const list = document[field] ?? []
  if (Array.isArray(list)) return list
  throw new ToolError(
    'LISTING_INVALID',
    `"${field}" is ${isObject(list) ? 'an object' : typeof list}, not a list`,
  )
}

async function fetchPage(session: Session, request: PageRequest): Promise<Page> {
  return withRetries(session.retry, async (_attempt, patience) => {
    const response = await session.once({ ...request, method: 'GET', patience })
    const bytes = await response.body.bytes(MAX_PAGE_BYTES)
    if (bytes === undefined) throw invalid(request, `a page of more than ${MAX_PAGE_BYTES} bytes`)
    return { response, bytes }
  })
}

function nextPage(response: HttpResponse, page: URL): URL | undefined {
  const header = response.header('link')
  const target = header === undefined ? undefined : findLink(header, 'rel', 'next')
  if (target === undefined) return undefined
  const next = URL.canParse(target, page.href) ? new URL(target, page) : undefined
  if (next?.origin === page.origin && next.username === '' && next.password === '') return next
  const where = next === undefined ? 'is no address' : `is of another origin, ${next.origin}`
  throw new ToolError('LINK_INVALID', `the next page of ${page.origin}${page.pathname} ${where}`)
}

function invalid({ action }: PageRequest, why: string): ToolError {
  return new ToolError('LISTING_INVALID', `cannot ${action}: ${why}`)
}
