import { ToolError } from '@pipelayer/errors'
import { checkTarget, redacted } from './endpoint.js'
import type { HttpRequest, HttpResponse, Transport } from './transport.js'

const REDIRECTS = new Set([301, 302, 303, 307, 308])
const MAX_REDIRECTS = 8

/**
 * Sends a request and follows redirects, for GET and HEAD only.
 *
 * Authorization is sent to the origin of `registry` and nowhere else, not even to it after a redirect through another
 * origin. No redirect may leave https, or lead into the local network.
 *
 * @throws ToolError `REDIRECT_INVALID`, `ADDRESS_REFUSED`; whatever {@link Transport.send} throws
 */
export async function follow(
  transport: Transport,
  request: HttpRequest,
  registry: URL,
): Promise<HttpResponse> {
  let { url, headers = {} } = request
  for (let step = 0; step <= MAX_REDIRECTS; step++) {
    if (url.origin !== registry.origin) headers = withoutAuthorization(headers)
    const response = await transport.send({ ...request, url, headers })
    const location = response.header('location')
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isRead || !REDIRECTS.has(response.status) || location === undefined) return response
    response.body.cancel()
    url = checkTarget(resolveLocation(location, url), url.protocol === 'https:' ? secure(registry) : registry)
  }
  throw new ToolError(
    'REDIRECT_INVALID',
    `${redacted(request.url)} redirects more than ${MAX_REDIRECTS} times`,
  )
}

/**
 * The address in a Location header.
 *
 * @throws ToolError `REDIRECT_INVALID`
 */
export function resolveLocation(location: string, base: URL): URL {
  try {
    return new URL(location, base)
  } catch (cause) {
    throw new ToolError('REDIRECT_INVALID', `${redacted(base)} sends us to no address at all`, { cause })
  }
}

// After a redirect to https, a registry with plain HTTP no longer allows plain HTTP.
function secure(registry: URL): URL {
  const url = new URL(registry)
  url.protocol = 'https:'
  return url
}

function withoutAuthorization(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { authorization: _authorization, ...rest } = headers
  return rest
}
