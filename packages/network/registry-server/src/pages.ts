import { ToolError } from '@pipelayer/errors'
import type { Exchange } from './exchange.js'
import type { Subject } from './registry.js'

/** The most entries of one answer. */
const MAX_ENTRIES = 10_000

/** `GET /v2/_catalog`. */
export async function getCatalog({ registry, exchange }: Subject): Promise<void> {
  const names = await registry.storage.repositories()
  sendPage(exchange, { path: '/v2/_catalog', entries: names }, repositories => ({ repositories }))
}

/** `GET /v2/NAME/tags/list`. Spec: distribution-spec v1.1, "Listing Tags". */
export function getTags({ registry, exchange, name }: Subject): void {
  const repository = registry.storage.repository(name)
  if (!repository.exists()) throw new ToolError('NAME_UNKNOWN', `there is no repository ${name}`)
  const list = { path: `/v2/${name}/tags/list`, entries: repository.tags() }
  sendPage(exchange, list, tags => ({ name, tags }))
}

// `last` need not be an entry: it may have been deleted since the page before.
function sendPage(
  exchange: Exchange,
  list: { readonly path: string; readonly entries: readonly string[] },
  body: (entries: readonly string[]) => unknown,
): void {
  const count = pageSize(exchange.query.get('n'))
  const last = exchange.query.get('last') ?? ''
  const rest = list.entries.filter(entry => entry > last)
  const page = rest.slice(0, count)
  const end = page.at(-1)
  const hasMore = rest.length > page.length && end !== undefined
  exchange.sendJSON(body(page), hasMore ? { Link: nextLink(list.path, { n: String(count), last: end }) } : {})
}

/** A Link header to the next page. Spec: RFC 8288. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): string {
  return `<${path}?${new URLSearchParams(parameters)}>; rel="next"`
}

function pageSize(text: string | null): number {
  if (text === null) return MAX_ENTRIES
  if (!/^\d{1,9}$/.test(text))
    throw new ToolError('PAGINATION_NUMBER_INVALID', `n is a whole number, not ${JSON.stringify(text)}`)
  return Math.min(Number(text), MAX_ENTRIES)
}
