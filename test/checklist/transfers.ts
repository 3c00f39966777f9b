/**
 * Faults of registries, and of servers between, in answering requests.
 *
 * @module
 */
import type http from 'node:http'
import zlib from 'node:zlib'
import type { Answer, Exchange } from '../bad-registry.js'
import { MANIFEST } from '../bad-registry.js'
import type { RegistryRow } from './registry-row.js'

const isManifest = ({ url }: Exchange): boolean => url.includes('/manifests/')
const isLayer = ({ url, image }: Exchange): boolean => url.endsWith(image.layerDigest)
const isUpload = ({ url }: Exchange): boolean => url.includes('/blobs/uploads/')

/** Answers the requests for which `when` is true. */
const at =
  (
    when: (exchange: Exchange) => boolean,
    status: number,
    headers: http.OutgoingHttpHeaders | ((exchange: Exchange) => http.OutgoingHttpHeaders) = {},
    body: string | Buffer = '',
  ): Answer =>
  exchange => {
    if (!when(exchange)) return false
    const { response, method } = exchange
    response.writeHead(status, typeof headers === 'function' ? headers(exchange) : headers)
    response.end(method === 'HEAD' ? undefined : body)
    return true
  }

const sentTo = (when: (exchange: Exchange) => boolean, location: string): Answer =>
  at(when, 307, { location })
const always = (): boolean => true
const isTag = ({ url }: Exchange): boolean => !url.startsWith('/token')
/** Asks for a token of `realm`, and accepts the token `good`. */
const guarded =
  (realm: string | ((host: string) => string), token: Answer): Answer =>
  exchange => {
    const { request, host } = exchange
    if (exchange.url.startsWith('/token')) return token(exchange)
    if (request.headers.authorization === 'Bearer good') return false
    const where = typeof realm === 'string' ? realm : realm(host)
    return at(always, 401, { 'www-authenticate': `Bearer realm="${where}",service="s"` })(exchange)
  }
const own = (host: string): string => `http://${host}/token`
const endless =
  (when: (exchange: Exchange) => boolean, headers: Record<string, string>): Answer =>
  exchange => {
    if (!when(exchange)) return false
    const { response } = exchange
    response.writeHead(exchange.url.startsWith('/token') ? 200 : Number(headers.status ?? 200), headers)
    const chunk = Buffer.alloc(64 * 1024, 32)
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
      response.once('drain', more)
    }
    more()
    return true
  }
/** Answers with these bytes, and closes the connection. */
const raw =
  (when: (exchange: Exchange) => boolean, bytes: string): Answer =>
  exchange => {
    if (!when(exchange)) return false
    exchange.response.socket?.end(bytes)
    return true
  }
/** Begins with these bytes, and then sends one byte every 50 ms. */
const trickling =
  (when: (exchange: Exchange) => boolean, bytes: string): Answer =>
  exchange => {
    if (!when(exchange)) return false
    const { socket } = exchange.response
    socket?.write(bytes)
    const timer = setInterval(() => socket?.write(bytes.endsWith('x\r\n') ? '1\r\nx\r\n' : 'x'), 50)
    socket?.once('close', () => clearInterval(timer))
    return true
  }
const push = (host: string): string => `img-pull oci:good:1 | blob-put docker://${host}/a/c:1`
const list = (host: string): string => `registry-ls ${host}/a/b`
/** A registry that accepts uploads; `location` is the address that it sends them to. */
const uploads =
  (location: (exchange: Exchange) => string): Answer =>
  exchange => {
    const { method, url, response } = exchange
    if (method === 'HEAD') return at(always, 404)(exchange)
    if (method === 'POST' && isUpload(exchange))
      return at(always, 202, one => ({ location: location(one), range: '0-0' }))(exchange)
    if (method !== 'PUT') return false
    const isRight = isManifest(exchange) || /[?&]digest=sha256(:|%3A)/.test(url)
    response.writeHead(isRight ? 201 : 400).end()
    return true
  }

export const TRANSFERS: readonly RegistryRow[] = [
  {
    why: 'urls of a layer that lie elsewhere are not asked (CVE-2020-15157)',
    image: {
      manifest: good => ({
        ...good,
        layers: good.layers.map(layer => ({ ...layer, urls: ['http://169.254.169.254/layer'] })),
      }),
    },
    answer: () => at(isLayer, 404),
    code: 'BLOB_UNKNOWN',
  },
  {
    why: 'a token server that sends us to another host, which asks for a password (ggcr#2349)',
    answer: other => guarded(own, exchange => tokenOf(other)(exchange)),
    code: 'UNAUTHORIZED',
    asksOther: ['/token'],
  },
  {
    why: 'a blob store elsewhere that asks for a password (GO-2026-5822)',
    answer: other => sentTo(isLayer, `http://${other}/layer`),
    code: 'UNAUTHORIZED',
    asksOther: ['/layer'],
  },
  ...[
    'http://169.254.169.254/token',
    'http://0.0.0.0:80/token',
    'http://[::]:80/token',
    'file:///etc/passwd',
  ].map(realm => ({
    why: `realm ${realm} (ggcr#2243)`,
    answer: () => guarded(realm, at(always, 500)),
    code: 'ADDRESS_REFUSED',
  })),
  {
    why: 'a token server that sends us on (ggcr#2292)',
    answer: () => guarded(own, at(always, 302, { location: 'http://169.254.169.254/' })),
    code: 'ADDRESS_REFUSED',
  },
  {
    why: 'an upload Location in the network (ggcr#2295)',
    answer: () => uploads(() => 'http://169.254.169.254/upload'),
    command: push,
    code: 'ADDRESS_REFUSED',
  },
  {
    why: 'a blob that lies in the network (ggcr#2293)',
    answer: () => sentTo(isLayer, 'http://169.254.169.254/layer'),
    code: 'ADDRESS_REFUSED',
  },
  {
    why: 'a next page on another host (GHSA-h7vf-4x9w-h99v)',
    answer: other =>
      at(
        always,
        200,
        { link: `<http://${other}/v2/a/b/tags/list>; rel="next"` },
        '{"name":"a/b","tags":["1"]}',
      ),
    command: list,
    code: 'LINK_INVALID',
    asksOther: [],
  },
  {
    why: 'pages without end (oras-go#1214)',
    answer: () =>
      at(always, 200, { link: '</v2/a/b/tags/list?last=1>; rel="next"' }, '{"name":"a/b","tags":["1"]}'),
    command: list,
    code: 'LISTING_ENDLESS',
  },
  {
    why: 'a token without end',
    answer: () => guarded(own, endless(always, {})),
    code: 'TOKEN_INVALID',
  },
  {
    why: 'an error without end',
    answer: () => endless(isManifest, { status: '400', 'content-type': 'application/json' }),
    code: 'REGISTRY_REFUSED',
  },
  {
    why: 'a manifest without end (ggcr#1711)',
    answer: () => endless(isManifest, { 'content-type': MANIFEST }),
    code: 'DOCUMENT_TOO_LARGE',
  },
  {
    why: 'a blob without end',
    answer: () => endless(isLayer, {}),
    code: 'SIZE_MISMATCH',
  },
  {
    why: 'a blob that was compressed on its way',
    answer: () => exchange =>
      at(
        isLayer,
        200,
        { 'content-encoding': 'gzip' },
        zlib.gzipSync(exchange.image.blobs.get(exchange.image.layerDigest) ?? ''),
      )(exchange),
    code: 'CONTENT_ENCODED',
  },
  {
    why: 'a login page in place of a manifest',
    answer: () => at(isTag, 200, { 'content-type': 'text/html' }, '<html>log in</html>'),
    code: 'MANIFEST_INVALID',
  },
  { why: 'a 401 without a challenge', answer: () => at(isTag, 401), code: 'UNAUTHORIZED' },
  {
    why: 'two challenges, the first of a scheme that we do not speak',
    answer: () => exchange =>
      exchange.request.headers.authorization?.startsWith('Basic ') === true
        ? false
        : at(always, 401, () => ({ 'www-authenticate': ['Negotiate', 'Basic realm="r"'] }))(exchange),
  },
  {
    why: 'a token that is only called access_token',
    answer: () => guarded(own, at(always, 200, {}, '{"access_token":"good"}')),
  },
  { why: '404 in place of 401', answer: () => at(isTag, 404, {}, '{"errors":[]}'), code: 'MANIFEST_UNKNOWN' },
  {
    why: '429 that gives a date',
    answer: () => once(at(isManifest, 429, { 'retry-after': 'Thu, 01 Jan 1970 00:00:01 GMT' })),
    says: /429/,
  },
  {
    why: 'a connection that ends in the middle, with no word of it',
    answer: () => once(half),
  },
  {
    why: 'HEAD says yes, GET says no',
    answer: () => exchange => exchange.method === 'GET' && at(isLayer, 404)(exchange),
    code: 'BLOB_UNKNOWN',
  },
  {
    why: 'a mount that is promised, of a blob that is not there',
    answer: () => exchange => {
      if (exchange.method === 'POST' && /mount=/.test(exchange.url))
        return at(always, 201, { location: '/v2/a/c/blobs/x' })(exchange)
      return uploads(() => '/v2/a/c/blobs/uploads/1')(exchange)
    },
    command: host => `img-pull docker://${host}/a/b:1 | blob-put docker://${host}/a/c:1`,
  },
  {
    why: 'an upload Location that is a path, with a query of its own',
    answer: () => uploads(() => '/v2/a/c/blobs/uploads/1?_state=x%2Fy&z=1'),
    command: push,
  },
  {
    why: 'an upload Location below the one before',
    answer: () => uploads(() => 'session/1'),
    command: push,
  },
  {
    why: 'headers that trickle',
    answer: () => trickling(isManifest, 'HTTP/1.1 200 OK\r\nX: '),
    command: host => `img-pull --timeout 1 docker://${host}/a/b:1`,
    code: 'TIME_LIMIT',
    status: 75,
  },
  {
    why: 'a blob that trickles',
    answer: () => trickling(isLayer, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n'),
    command: host => `img-pull --timeout 1 docker://${host}/a/b:1`,
    code: 'TIME_LIMIT',
    status: 75,
  },
  {
    why: 'Retry-After of two minutes',
    answer: () => at(isManifest, 429, { 'retry-after': '120' }),
    command: host => `img-pull --timeout 100 docker://${host}/a/b:1`,
    code: 'TIME_LIMIT',
    status: 75,
  },
  {
    why: 'an answer that is not HTTP',
    answer: () => raw(isManifest, 'HTTP/1.1 000 Zero\r\nContent-Length: -1\r\n\r\n'),
    command: host => `img-pull --quiet docker://${host}/a/b:1`,
    code: 'RESPONSE_INVALID',
    status: 75,
  },
  {
    why: 'a name of this network that is written another way',
    answer: () => guarded('http://[64:ff9b::a9fe:a9fe]/token', at(always, 500)),
    code: 'ADDRESS_REFUSED',
  },
  {
    why: 'what a signed address holds is told to nobody',
    answer: () => sentTo(isLayer, '/elsewhere?X-Signature=s3cret&Expires=1'),
    code: 'BLOB_UNKNOWN',
  },
]

/** Answers only the first time. */
function once(answer: Answer): Answer {
  let isDone = false
  return exchange => {
    if (isDone || !answer(exchange)) return false
    isDone = true
    return true
  }
}

function half(exchange: Exchange): boolean {
  if (!isLayer(exchange)) return false
  const blob = exchange.image.blobs.get(exchange.image.layerDigest) ?? Buffer.alloc(0)
  exchange.response.writeHead(200, { 'content-length': blob.length })
  exchange.response.write(blob.subarray(0, blob.length >> 1), () => exchange.response.destroy())
  return true
}

function tokenOf(other: string): Answer {
  return at(always, 302, { location: `http://${other}/token` })
}
