import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import t from 'tap'
import {
  checkTarget,
  credentialFiles,
  credentialPaths,
  endpointOf,
  isLoopback,
  lookUp,
  mergeScopes,
  parseChallenges,
  parseContentRange,
  Repository,
  type SessionOptions,
} from '../src/index.js'
import { retryAfter } from '../src/retry.js'
import { answer, type Handler, inTurn, type Scope, type Seen, serve } from './server.js'

const BLOB = Buffer.from('the bytes of a blob')
const DESCRIPTOR = { mediaType: 'application/octet-stream', digest: digestOf(BLOB), size: BLOB.length }
const MANIFEST = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { ...DESCRIPTOR, mediaType: MEDIA_TYPES.ociConfig },
    layers: [],
  }),
)
const TYPE = { 'content-type': MEDIA_TYPES.ociManifest }
const FAST = { tries: 3, baseMs: 1, maxMs: 5 }
const me = { username: 'me', password: 'p:w' }

async function repository(
  t: Scope,
  handler: Handler,
  options: Partial<SessionOptions> = {},
): Promise<{ repo: Repository; seen: Seen[]; host: string }> {
  const { host, seen } = await serve(t, handler)
  const repo = new Repository({ domain: host, path: 'a/b', retry: FAST, ...options })
  t.teardown(() => repo.close())
  return { repo, seen, host }
}

async function text(source: AsyncIterable<Buffer>): Promise<string> {
  let all = ''
  for await (const chunk of source) all += chunk
  return all
}

// Half of the body, then the connection is cut.
const cut: Handler = (_request, response) => {
  response.writeHead(200, { 'content-length': BLOB.length })
  response.write(BLOB.subarray(0, 5), () => response.destroy())
}

t.test('a manifest is what its bytes are', async t => {
  const digest = digestOf(MANIFEST)
  const other = digestOf('other')
  const errors = (code: string, message: string): string => JSON.stringify({ errors: [{ code, message }] })
  const rows: readonly [handler: Handler, reference: string, code: string | undefined, why: string][] = [
    [answer(200, TYPE, MANIFEST), '1', undefined, 'by tag, no Docker-Content-Digest'],
    [answer(200, TYPE, MANIFEST), digest, undefined, 'by digest'],
    [
      answer(200, { ...TYPE, 'docker-content-digest': other }, MANIFEST),
      '1',
      undefined,
      'a header is not believed',
    ],
    [answer(200, {}, MANIFEST), '1', undefined, 'no Content-Type'],
    [
      answer(200, { 'content-type': 'text/plain; charset=utf-8' }, MANIFEST),
      '1',
      undefined,
      'a vague Content-Type',
    ],
    [inTurn(answer(503), answer(200, TYPE, MANIFEST)), '1', undefined, 'a 503 goes away'],
    [inTurn(cut, answer(200, TYPE, MANIFEST)), '1', undefined, 'a cut connection is tried again'],
    [
      inTurn(answer(429, { 'retry-after': '0' }), answer(200, TYPE, MANIFEST)),
      '1',
      undefined,
      'a 429 with Retry-After goes away',
    ],
    [
      answer(200, { ...TYPE, 'docker-content-digest': other }, MANIFEST),
      other,
      'DIGEST_MISMATCH',
      'CVE-2025-24882',
    ],
    [answer(200, TYPE, Buffer.alloc(5 * 1024 * 1024, 32)), '1', 'DOCUMENT_TOO_LARGE', 'a huge body'],
    [
      answer(200, { 'content-type': 'text/html' }, '<html>log in</html>'),
      '1',
      'MANIFEST_INVALID',
      'a login page',
    ],
    [answer(200, TYPE, '<html>'), '1', 'MANIFEST_INVALID', 'not JSON'],
    [
      answer(200, { 'content-type': MEDIA_TYPES.ociIndex }, MANIFEST),
      '1',
      'MEDIA_TYPE_MISMATCH',
      'type and document differ',
    ],
    [answer(404, {}, errors('NAME_UNKNOWN', 'no')), '1', 'NAME_UNKNOWN', "the server's code"],
    [answer(404, {}, 'Not found'), '1', 'MANIFEST_UNKNOWN', 'a 404 without a code'],
    [answer(403, {}, errors('DENIED', 'no')), '1', 'DENIED', 'denied'],
    [answer(401), '1', 'UNAUTHORIZED', 'a 401 without a challenge'],
    [answer(418), '1', 'REGISTRY_REFUSED', 'a status of no meaning'],
    [answer(302, { location: 'http://' }), '1', 'REDIRECT_INVALID', 'a redirect to nowhere'],
    [answer(302, { location: '/again' }), '1', 'REDIRECT_INVALID', 'redirects without end'],
    [answer(302), '1', 'REGISTRY_REFUSED', 'a redirect without a Location'],
    [answer(302, { location: 'file:///etc/passwd' }), '1', 'ADDRESS_REFUSED', 'a redirect to a file'],
    [
      answer(302, { location: 'http://169.254.169.254/x' }),
      '1',
      'ADDRESS_REFUSED',
      'a redirect into the network',
    ],
  ]
  for (const [handler, reference, code, why] of rows) {
    const { repo } = await repository(t, handler)
    const run = repo.getManifest(reference)
    if (code === undefined) t.match(await run, { descriptor: { digest, size: MANIFEST.length } }, why)
    else await t.rejects(run, { code, status: 1 }, why)
  }
})

t.test('what is no answer at all', async t => {
  const rows: readonly [handler: Handler, code: string, why: string][] = [
    [answer(500), 'SERVER_ERROR', '500'],
    [answer(501), 'SERVER_ERROR', '501, not tried again'],
    [answer(429), 'TOOMANYREQUESTS', '429'],
    [
      answer(503, {}, '{"errors":[{"code":"UNAVAILABLE","message":"later"}]}'),
      'UNAVAILABLE',
      "the server's code",
    ],
    [cut, 'CONNECTION_LOST', 'connections that break'],
    [(_request, response) => void response.destroy(), 'CONNECTION_LOST', 'connections that close'],
  ]
  for (const [handler, code, why] of rows) {
    const { repo, seen } = await repository(t, handler)
    await t.rejects(repo.getManifest('1'), { code, status: 75 }, why)
    t.equal(seen.length, why.startsWith('501') ? 1 : FAST.tries, `tries: ${why}`)
  }
  const gone = new Repository({ domain: await closedPort(), path: 'a', retry: FAST })
  await t.rejects(gone.getManifest('1'), { code: 'ECONNREFUSED', status: 75 }, 'nobody listens')
  const tls = new Repository({ domain: 'a.invalid', path: 'a', retry: FAST })
  await t.rejects(tls.getManifest('1'), { status: 75 }, 'no such name')
  for (const repo of [gone, tls]) await repo.close()
})

t.test('servers that keep silent', async t => {
  const never: Handler = () => undefined
  const stall: Handler = (_request, response) => {
    response.writeHead(200, TYPE)
    response.write('{')
  }
  const timeouts = { headersMs: 50, bodyMs: 50 }
  const retry = { ...FAST, tries: 1 }
  const silent = await repository(t, never, { timeouts, retry })
  await t.rejects(silent.repo.getManifest('1'), { code: 'RESPONSE_TIMEOUT', status: 75 })
  const stalled = await repository(t, stall, { timeouts, retry })
  await t.rejects(stalled.repo.getManifest('1'), { code: 'BODY_TIMEOUT', status: 75 })
})

t.test('errors are one harmless line', async t => {
  const body = JSON.stringify({
    errors: [{ code: 'bad code', message: `a\u001b[31m\n\u202eb${'x'.repeat(1000)}` }],
  })
  const { repo } = await repository(t, answer(400, {}, body))
  const error = await repo.getManifest('1').then(
    () => undefined,
    (reason: unknown) => reason as Error,
  )
  t.match(error, { code: 'REGISTRY_REFUSED' }, 'a code that is none is not taken')
  t.notMatch(error?.message, /[\u0000-\u001f\u202e]/)
  t.ok((error?.message.length ?? 0) < 700, 'cut')
  const huge = await repository(t, answer(400, {}, Buffer.alloc(1024 * 1024, 97)))
  await t.rejects(huge.repo.getManifest('1'), { message: /answered 400$/ }, 'a huge page is not read')
})

t.test('a blob', async t => {
  const gzip = { 'content-encoding': 'gzip' }
  const half = answer(200, {}, BLOB.subarray(0, 5))
  const rest: Handler = (request, response) => {
    const from = Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1])
    const range = { 'content-range': `bytes ${from}-${BLOB.length - 1}/${BLOB.length}` }
    response.writeHead(206, range).end(BLOB.subarray(from))
  }
  const rows: readonly [handler: Handler, code: string | undefined, status: number, why: string][] = [
    [answer(200, {}, BLOB), undefined, 0, 'as it is'],
    [(_request, response) => void response.writeHead(200).end(BLOB), undefined, 0, 'chunked, no length'],
    [inTurn(cut, rest), undefined, 0, 'goes on where it was cut'],
    [inTurn(cut, answer(200, {}, BLOB)), undefined, 0, 'a server that ignores the range'],
    [inTurn(cut, cut, rest), undefined, 0, 'cut twice'],
    [cut, 'CONNECTION_LOST', 75, 'always cut'],
    [
      inTurn(cut, answer(206, { 'content-range': `bytes 0-4/${BLOB.length}` }, BLOB.subarray(0, 5))),
      'RANGE_INVALID',
      1,
      'another part than asked for',
    ],
    [half, 'SIZE_MISMATCH', 1, 'half a blob, and says so'],
    [
      (_request, response) => void response.writeHead(200).end('x'),
      'SIZE_MISMATCH',
      1,
      'half a blob, without a length',
    ],
    [answer(200, {}, 'The bytes of a blob'), 'DIGEST_MISMATCH', 1, 'other bytes'],
    [answer(200, gzip, BLOB), 'CONTENT_ENCODED', 1, 'Content-Encoding'],
    [answer(200, {}, Buffer.alloc(1024 * 1024)), 'SIZE_MISMATCH', 1, 'a huge body'],
    [
      (_request, response) => {
        response.writeHead(200)
        response.write(Buffer.alloc(1024 * 1024))
      },
      'SIZE_MISMATCH',
      1,
      'a body without end',
    ],
    [answer(404), 'BLOB_UNKNOWN', 1, 'not there'],
    [answer(500), 'SERVER_ERROR', 75, 'down'],
  ]
  for (const [handler, code, status, why] of rows) {
    const { repo, seen } = await repository(t, handler)
    const run = text(repo.readBlob(DESCRIPTOR))
    if (code === undefined) t.equal(await run, String(BLOB), why)
    else await t.rejects(run, { code, status }, why)
    t.equal(seen[0]?.headers['accept-encoding'], 'identity', 'no compression is asked for')
  }
})

t.test('hasBlob', async t => {
  const rows: readonly [handler: Handler, found: boolean, why: string][] = [
    [answer(200, { 'content-length': BLOB.length }), true, 'there'],
    [answer(200), true, 'there, without a length'],
    [answer(200, { 'content-length': 7 }), false, 'another size is another blob'],
    [answer(404), false, 'not there'],
    [inTurn(answer(500), answer(404)), false, 'after a failure'],
  ]
  for (const [handler, found, why] of rows) {
    const { repo } = await repository(t, handler)
    t.equal(await repo.hasBlob(DESCRIPTOR), found, why)
  }
  const { repo } = await repository(t, answer(403))
  await t.rejects(repo.hasBlob(DESCRIPTOR), { code: 'DENIED' })
})

t.test('redirects take no credentials along', async t => {
  const storage = await serve(t, answer(200, {}, BLOB))
  const challenge = answer(401, { 'www-authenticate': 'Basic realm="x"' })
  const send: Handler = (request, response) =>
    (request.headers.authorization === undefined
      ? challenge
      : answer(307, { location: `http://${storage.host}/x?X-Signature=secret` }))(request, response)
  const { repo, seen } = await repository(t, send, { credentials: async () => me })
  t.equal(await text(repo.readBlob(DESCRIPTOR)), String(BLOB))
  t.same(
    seen.map(({ headers }) => headers.authorization),
    [undefined, `Basic ${Buffer.from('me:p:w').toString('base64')}`],
    'nothing before it is asked for',
  )
  t.same(
    storage.seen.map(({ headers }) => headers.authorization),
    [undefined],
  )
})

t.test('a 401 of another host has no say', async t => {
  const thief = await serve(t, answer(401, { 'www-authenticate': 'Basic realm="give"' }))
  const { repo } = await repository(t, answer(302, { location: `http://${thief.host}/x?secret=1` }), {
    credentials: async () => me,
  })
  const error = await text(repo.readBlob(DESCRIPTOR)).catch((reason: Error) => reason)
  t.match(error, { code: 'UNAUTHORIZED' })
  t.notMatch((error as Error).message, /secret/, 'a query may hold a signature')
  t.same(
    thief.seen.map(({ headers }) => headers.authorization),
    [undefined],
  )
})

// A registry that wants a token, and its token server at /token.
function guarded(
  token: Handler,
  challenge = 'Bearer realm="http://HOST/token",service="s, with comma",scope="repository:a/b:pull"',
): Handler {
  return (request, response) => {
    if (request.url.startsWith('/token')) return token(request, response)
    if (request.headers.authorization === 'Bearer good') return answer(200, TYPE, MANIFEST)(request, response)
    answer(401, { 'www-authenticate': challenge.replace('HOST', String(request.headers.host)) })(
      request,
      response,
    )
  }
}

t.test('tokens', async t => {
  const good = answer(200, {}, '{"token":"good","expires_in":300}')
  const identity = { identityToken: 'refresh' }
  const rows: readonly [
    token: Handler,
    credentials: object | undefined,
    code: string | undefined,
    why: string,
  ][] = [
    [good, undefined, undefined, 'anonymous'],
    [good, me, undefined, 'with a password'],
    [answer(200, {}, '{"access_token":"good"}'), identity, undefined, 'for an identity token'],
    [inTurn(answer(500), good), undefined, undefined, 'a token server that recovers'],
    [good, { registryToken: 'good' }, undefined, 'a token that was there before'],
    [answer(200, {}, '{"token":"bad"}'), undefined, 'UNAUTHORIZED', 'a token that does not help: no loop'],
    [answer(200, {}, '{}'), undefined, 'TOKEN_INVALID', 'no token'],
    [answer(200, {}, '{"token":"a\\nb"}'), undefined, 'TOKEN_INVALID', 'a token that breaks the line'],
    [answer(200, {}, '<html>'), undefined, 'TOKEN_INVALID', 'a page'],
    [answer(200, {}, Buffer.alloc(2 * 1024 * 1024, 32)), undefined, 'TOKEN_INVALID', 'a huge page'],
    [answer(401), me, 'UNAUTHORIZED', 'wrong password'],
    [answer(404), undefined, 'UNAUTHORIZED', 'no token server there'],
    [
      answer(302, { location: 'http://169.254.169.254/' }),
      me,
      'ADDRESS_REFUSED',
      'a token server that sends us on',
    ],
  ]
  for (const [token, credentials, code, why] of rows) {
    const { repo } = await repository(t, guarded(token), { credentials: async () => credentials })
    const run = repo.getManifest('1')
    if (code === undefined) t.match(await run, { bytes: MANIFEST }, why)
    else await t.rejects(run, { code, status: 1 }, why)
  }
})

t.test('what a token server is asked', async t => {
  const good = answer(200, {}, '{"token":"good"}')
  const first = await repository(t, guarded(good), { credentials: async () => me })
  await Promise.all([first.repo.getManifest('1'), first.repo.getManifest('2')])
  await first.repo.getManifest('3')
  const asked = first.seen.filter(({ url }) => url.startsWith('/token'))
  const query = new URLSearchParams(asked[0]?.url.split('?')[1])
  t.same(query.getAll('scope'), ['repository:a/b:pull'])
  t.equal(query.get('service'), 's, with comma')
  t.equal(query.get('account'), 'me')
  t.equal(asked[0]?.headers.authorization, `Basic ${Buffer.from('me:p:w').toString('base64')}`)
  t.equal(asked.length, 1, 'a token is kept, and fetched once by requests side by side')
  const second = await repository(t, guarded(good), { credentials: async () => ({ identityToken: 'r&s' }) })
  await second.repo.getManifest('1')
  const post = second.seen.find(({ url }) => url.startsWith('/token'))
  t.equal(post?.method, 'POST')
  t.match(Object.fromEntries(new URLSearchParams(String(post?.body))), {
    grant_type: 'refresh_token',
    refresh_token: 'r&s',
    scope: 'repository:a/b:pull',
  })
})

t.test('challenges that lead astray', async t => {
  const none = answer(500)
  const rows: readonly [challenge: string, code: string, why: string][] = [
    ['Bearer realm="http://169.254.169.254/token"', 'ADDRESS_REFUSED', 'realm inside the network'],
    ['Bearer realm="ftp://x/token"', 'ADDRESS_REFUSED', 'realm that is no web address'],
    ['Bearer realm="http://u:p@127.0.0.1/token"', 'ADDRESS_REFUSED', 'realm with credentials'],
    ['Bearer service="x"', 'TOKEN_INVALID', 'no realm'],
    ['Negotiate', 'UNAUTHORIZED', 'a scheme we do not speak'],
    ['Basic realm="x"', 'UNAUTHORIZED', 'Basic, and wrong'],
  ]
  for (const [challenge, code, why] of rows) {
    const { repo, seen } = await repository(t, guarded(none, challenge), { credentials: async () => me })
    await t.rejects(repo.getManifest('1'), { code }, why)
    t.ok(seen.length <= 2, `no loop: ${why}`)
  }
  const { repo } = await repository(t, guarded(none, 'Basic realm="x"'))
  await t.rejects(repo.getManifest('1'), /no credentials for 127.* are configured/)
})

t.test('uploads', async t => {
  const rows: readonly [location: string, why: string][] = [
    ['/v2/a/b/blobs/uploads/1', 'relative'],
    ['/v2/a/b/blobs/uploads/1?_state=a%2Fb', 'with a query'],
    ['http://HOST/up', 'absolute'],
  ]
  for (const [location, why] of rows) {
    const { repo, seen } = await repository(t, (request, response) =>
      request.method === 'POST'
        ? answer(202, { location: location.replace('HOST', String(request.headers.host)) })(request, response)
        : answer(201)(request, response),
    )
    await repo.uploadBlob(DESCRIPTOR, chunks(BLOB))
    const put = seen.at(-1)
    t.match(put, { method: 'PUT', body: BLOB }, why)
    t.equal(put?.headers['content-length'], String(BLOB.length), 'with its length')
    const query = new URL(put?.url ?? '', 'http://x').searchParams
    t.equal(query.get('digest'), DESCRIPTOR.digest, `digest: ${why}`)
    if (location.includes('?')) t.equal(query.get('_state'), 'a/b', 'the query is kept')
  }
})

t.test('an upload to another host takes no credentials along', async t => {
  const storage = await serve(t, answer(201))
  const { repo } = await repository(
    t,
    (request, response) =>
      request.headers.authorization === undefined
        ? answer(401, { 'www-authenticate': 'Basic realm="x"' })(request, response)
        : answer(202, { location: `http://${storage.host}/put` })(request, response),
    { credentials: async () => me },
  )
  await repo.uploadBlob(DESCRIPTOR, chunks(BLOB))
  t.equal(storage.seen[0]?.headers.authorization, undefined)
})

t.test('uploads that fail', async t => {
  const open = answer(202, { location: '/up' })
  const then =
    (put: Handler): Handler =>
    (request, response) =>
      (request.method === 'POST' ? open : put)(request, response)
  const wrong = chunks(Buffer.from('The bytes of a blob'))
  const rows: readonly [
    handler: Handler,
    source: () => AsyncIterable<Buffer>,
    code: string | undefined,
    why: string,
  ][] = [
    [then(inTurn(answer(500), answer(201))), chunks(BLOB), undefined, 'sent again after a 500'],
    [
      then(inTurn((_r, response) => void response.destroy(), answer(201))),
      chunks(BLOB),
      undefined,
      'after a cut',
    ],
    [then(answer(201)), wrong, 'DIGEST_MISMATCH', 'wrong bytes of ours'],
    [then(answer(201)), chunks(BLOB.subarray(1)), 'SIZE_MISMATCH', 'too few bytes of ours'],
    [then(answer(201)), chunks(Buffer.concat([BLOB, BLOB])), 'SIZE_MISMATCH', 'too many bytes of ours'],
    [
      then(answer(400, {}, '{"errors":[{"code":"DIGEST_INVALID"}]}')),
      chunks(BLOB),
      'DIGEST_INVALID',
      'refused',
    ],
    [answer(202), chunks(BLOB), 'UPLOAD_INVALID', 'no Location'],
    [
      answer(202, { location: 'http://169.254.169.254/' }),
      chunks(BLOB),
      'ADDRESS_REFUSED',
      'Location in the network',
    ],
    [answer(403), chunks(BLOB), 'DENIED', 'may not push'],
    [then(answer(503)), chunks(BLOB), 'SERVER_ERROR', 'down'],
  ]
  for (const [handler, source, code, why] of rows) {
    const { repo } = await repository(t, handler)
    const run = repo.uploadBlob(DESCRIPTOR, source)
    if (code === undefined) await t.resolves(run, why)
    else await t.rejects(run, { code }, why)
  }
  const { repo, seen } = await repository(t, then(answer(201)))
  await repo.uploadBlob({ ...DESCRIPTOR, digest: digestOf(''), size: 0 }, chunks(Buffer.alloc(0)))
  t.equal(seen.at(-1)?.headers['content-length'], '0', 'an empty blob')
})

t.test('mounts', async t => {
  const rows: readonly [handler: Handler, mounted: boolean, requests: string[], why: string][] = [
    [answer(201), true, ['POST'], 'mounted'],
    [
      inTurn(answer(202, { location: '/up' }), answer(204)),
      false,
      ['POST', 'DELETE'],
      'an upload in its place',
    ],
    [answer(404), false, ['POST'], 'no such repository'],
    [answer(403), false, ['POST'], 'not ours to read'],
  ]
  for (const [handler, mounted, requests, why] of rows) {
    const { repo, seen } = await repository(t, handler)
    t.equal(await repo.mountBlob(DESCRIPTOR, 'c/d'), mounted, why)
    t.same(
      seen.map(({ method }) => method),
      requests,
      why,
    )
    t.match(seen[0]?.url, /mount=sha256%3A[0-9a-f]+&from=c%2Fd/)
  }
})

t.test('a manifest is put as it is', async t => {
  const { repo, seen } = await repository(t, answer(201, { 'docker-content-digest': digestOf(MANIFEST) }))
  await repo.putManifest('1', { bytes: MANIFEST, mediaType: MEDIA_TYPES.ociManifest })
  t.match(seen[0], { method: 'PUT', url: '/v2/a/b/manifests/1', body: MANIFEST })
  t.equal(seen[0]?.headers['content-type'], MEDIA_TYPES.ociManifest)
  const other = await repository(t, answer(201, { 'docker-content-digest': digestOf('x') }))
  await t.rejects(other.repo.putManifest('1', { bytes: MANIFEST, mediaType: MEDIA_TYPES.ociManifest }), {
    code: 'DIGEST_MISMATCH',
  })
  const missing = await repository(t, answer(400, {}, '{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}'))
  await t.rejects(missing.repo.putManifest('1', { bytes: MANIFEST, mediaType: MEDIA_TYPES.ociManifest }), {
    code: 'MANIFEST_BLOB_UNKNOWN',
  })
  const head = await repository(t, answer(200, { ...TYPE, 'docker-content-digest': digestOf('x') }))
  t.same(await head.repo.headManifest('1'), { digest: digestOf('x'), mediaType: MEDIA_TYPES.ociManifest })
  const absent = await repository(t, answer(404))
  t.equal(await absent.repo.headManifest('1'), undefined)
})

t.test('a slow reader holds the server back', async t => {
  const size = 64 * 1024 * 1024
  let sent = 0
  const { repo } = await repository(t, (_request, response) => {
    response.writeHead(200, { 'content-length': size })
    const push = (): void => {
      while (sent < size) {
        sent += 65536
        if (!response.write(Buffer.alloc(65536))) return void response.once('drain', push)
      }
    }
    push()
  })
  const body = repo.streamBlob({ ...DESCRIPTOR, size })
  await body.next()
  await new Promise(resolve => setImmediate(resolve))
  t.ok(sent < size / 2, `the server sent ${sent} bytes of ${size}`)
  await body.return()
})

t.test('a signal ends what runs', async t => {
  const aborter = new AbortController()
  const { repo } = await repository(
    t,
    (_request, response) => {
      response.writeHead(200)
      response.write('x')
    },
    { signal: aborter.signal },
  )
  const body = repo.streamBlob(DESCRIPTOR)
  await body.next()
  aborter.abort()
  await t.rejects(body.next())
  await t.rejects(repo.getManifest('1'), 'and nothing is begun any more')
})

t.test('a proxy is asked, but not for loopback', async t => {
  const proxy = await serve(t, answer(502))
  const env = { HTTP_PROXY: `http://${proxy.host}` }
  const near = await repository(t, answer(200, TYPE, MANIFEST), { env })
  await near.repo.getManifest('1')
  t.equal(proxy.seen.length, 0)
  const far = new Repository({
    domain: 'registry.invalid',
    path: 'a',
    plainHttp: true,
    env,
    retry: { tries: 1 },
  })
  await t.rejects(far.getManifest('1'), { status: 75 })
  t.match(proxy.seen[0], { method: 'CONNECT', url: /^registry\.invalid/ })
  await far.close()
})

t.test('parseChallenges', async t => {
  const rows: readonly [header: string | string[], challenges: object[], why: string][] = [
    ['', [], 'empty'],
    [
      'Basic realm="a, b=\\"c"',
      [{ scheme: 'basic', realm: 'a, b="c' }],
      'commas, equals signs and escapes in quotes',
    ],
    ['BEARER Realm=x , Service = "y"', [{ scheme: 'bearer', realm: 'x', service: 'y' }], 'case and blanks'],
    [
      'Basic realm=a, Bearer realm=b',
      [
        { scheme: 'basic', realm: 'a' },
        { scheme: 'bearer', realm: 'b' },
      ],
      'two',
    ],
    [
      ['Basic realm=a', 'Bearer realm=b'],
      [
        { scheme: 'basic', realm: 'a' },
        { scheme: 'bearer', realm: 'b' },
      ],
      'two headers',
    ],
    [
      'Negotiate, Basic realm=a',
      [{ scheme: 'negotiate' }, { scheme: 'basic', realm: 'a' }],
      'one without parameters',
    ],
    ['NTLM abc==, Basic realm=a', [{ scheme: 'ntlm' }, { scheme: 'basic', realm: 'a' }], 'token68'],
    ['Bearer realm="x",service="y', [{ scheme: 'bearer', realm: 'x' }], 'cut'],
    [`Bearer ${'a='.repeat(20_000)}`, [{ scheme: 'bearer', a: 'a=' }], 'nonsense, quickly'],
  ]
  for (const [header, challenges, why] of rows) {
    const got = parseChallenges(header).map(({ scheme, params }) => ({
      scheme,
      ...Object.fromEntries(params),
    }))
    if (why.startsWith('nonsense')) t.equal(got[0]?.scheme, 'bearer', why)
    else t.same(got, challenges, why)
  }
})

t.test('small parsers', async t => {
  t.same(mergeScopes(['repository:a:push', 'repository:a:pull', '', 'x']), ['repository:a:pull,push', 'x'])
  t.same(parseContentRange('bytes 2-5/10'), { first: 2, last: 5, complete: 10 })
  for (const bad of ['', 'bytes 5-2/10', 'bytes 0-10/10', 'bytes */10', 'items 0-1/2']) {
    t.equal(parseContentRange(bad), undefined, JSON.stringify(bad))
  }
  t.equal(retryAfter('3', 0), 3000)
  t.equal(retryAfter('Thu, 01 Jan 1970 00:00:10 GMT', 4000), 6000, 'a date')
  t.equal(retryAfter('soon', 0), undefined)
  t.equal(endpointOf('docker.io').href, 'https://registry-1.docker.io/v2/')
  t.equal(endpointOf('h.example', true).protocol, 'http:')
  for (const host of ['localhost', 'localhost:1', '127.9.9.9', '[::1]:5', '::1', '0:0:0:0:0:0:0:1'])
    t.ok(isLoopback(host), host)
  for (const host of ['', 'localhost.evil', '127.0.0.1.evil', '128.0.0.1', '[::2]', '0.0.0.0'])
    t.notOk(isLoopback(host), host)
})

t.test('addresses that servers send us to', async t => {
  const rows: readonly [target: string, registry: string, allowed: boolean, why: string][] = [
    ['https://cdn.example/x', 'https://r.example', true, 'another host'],
    ['http://cdn.example/x', 'https://r.example', false, 'from https to http'],
    ['http://cdn.example/x', 'http://r.example', true, 'plain all along'],
    ['https://10.0.0.1/x', 'https://r.example', false, 'private'],
    ['https://10.0.0.1/x', 'https://10.0.0.1:5000', true, 'the registry itself'],
    ['https://0x7f.1/', 'https://r.example', false, 'loopback in disguise'],
    ['https://2130706433/', 'https://r.example', false, 'loopback as a number'],
    ['https://[::ffff:169.254.169.254]/', 'https://r.example', false, 'mapped to IPv6'],
    ['https://[fd00::1]/', 'https://r.example', false, 'private IPv6'],
    ['https://localhost/', 'https://r.example', false, 'localhost'],
    ['https://user@h.example/', 'https://r.example', false, 'credentials'],
  ]
  for (const [target, registry, allowed, why] of rows) {
    const run = (): unknown => checkTarget(new URL(target), new URL(registry))
    if (allowed) t.doesNotThrow(run, why)
    else t.throws(run, { code: 'ADDRESS_REFUSED', status: 1 }, why)
  }
})

t.test('credentials', async t => {
  const auth = (pair: string): object => ({ auth: Buffer.from(pair).toString('base64') })
  const config = {
    auths: {
      'https://index.docker.io/v1/': auth('hub:1'),
      'h.example': auth('host:a:b'),
      'h.example/team': auth('team:1'),
      'https://old.example/v2/': auth('old:1'),
      'plain.example': { username: 'u', password: 'p' },
      'token.example': { identitytoken: 'id' },
      'empty.example': {},
    },
  }
  const rows: readonly [domain: string, path: string, found: object | undefined, why: string][] = [
    ['docker.io', 'library/a', { username: 'hub', password: '1' }, "the Hub's old key"],
    ['h.example', 'x', { username: 'host', password: 'a:b' }, 'a password with a colon'],
    ['h.example', 'team/x', { username: 'team' }, 'the longest path wins'],
    ['h.example', 'teams/x', { username: 'host' }, 'whole components only'],
    ['old.example', 'x', { username: 'old' }, 'a key that is a URL'],
    ['plain.example', 'x', { username: 'u', password: 'p' }, 'not encoded'],
    ['token.example', 'x', { identityToken: 'id' }, 'an identity token'],
    ['empty.example', 'x', undefined, 'an empty entry'],
    ['other.example', 'x', undefined, 'unknown'],
  ]
  for (const [domain, where, found, why] of rows) t.match(await lookUp(config, domain, where), found, why)
  const bad: readonly [config: object, why: string][] = [
    [{ auths: { 'h.example': { auth: 'bm9jb2xvbg==' } } }, 'no colon'],
    [{ auths: { 'h.example': { username: 1 } } }, 'no string'],
    [{ auths: { 'h.example': 'x' } }, 'no object'],
    [{ credsStore: '../evil' }, 'a helper that is a path'],
  ]
  for (const [one, why] of bad)
    await t.rejects(lookUp({ ...one }, 'h.example', 'x'), { code: 'CREDENTIALS_INVALID' }, why)
})

t.test('credential helpers', async t => {
  const dir = t.testdir()
  const helper = (name: string, script: string): void =>
    fs.writeFileSync(path.join(dir, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  helper('echo', 'read host; printf \'{"Username":"%s","Secret":"s"}\' "$host"')
  helper('id', 'printf \'{"Username":"<token>","Secret":"s"}\'')
  helper('none', 'echo "credentials not found in native keychain"; exit 1')
  helper('fails', 'echo boom; exit 3')
  helper('noise', 'echo noise')
  const before = process.env.PATH
  process.env.PATH = `${dir}:${before}`
  t.teardown(() => {
    process.env.PATH = before
  })
  const auths = { 'h.example': { username: 'file', password: 'f' } }
  t.match(await lookUp({ credsStore: 'echo' }, 'h.example', 'x'), { username: 'h.example', password: 's' })
  t.match(await lookUp({ credHelpers: { 'docker.io': 'echo' } }, 'docker.io', 'x'), {
    username: 'https://index.docker.io/v1/',
  })
  t.match(await lookUp({ credsStore: 'fails', credHelpers: { 'h.example': 'id' } }, 'h.example', 'x'), {
    identityToken: 's',
  })
  t.match(
    await lookUp({ credsStore: 'none', auths }, 'h.example', 'x'),
    { username: 'file' },
    'what a helper does not know',
  )
  for (const name of ['fails', 'noise', 'missing']) {
    await t.rejects(
      lookUp({ credsStore: name }, 'h.example', 'x'),
      { code: 'CREDENTIAL_HELPER_FAILED' },
      name,
    )
  }
})

t.test('credential files', async t => {
  const dir = t.testdir({
    'a.json': '{"auths":{"a.example":{"username":"a"}}}',
    'b.json': '{"auths":{"a.example":{"username":"b"},"b.example":{"username":"b"}}}',
    'bad.json': 'password: hunter2',
    'empty.json': '',
  })
  const file = (name: string): string => path.join(dir, name)
  const source = credentialFiles([file('none.json'), file('empty.json'), file('a.json'), file('b.json')])
  t.match(await source('a.example', 'x'), { username: 'a' }, 'the first file wins')
  t.match(await source('b.example', 'x'), { username: 'b' })
  const error = await credentialFiles([file('bad.json')])('h', 'x').catch((reason: Error) => reason)
  t.match(error, { code: 'CREDENTIALS_INVALID' })
  t.notMatch((error as Error).message, /hunter2/, 'no secret in a message')
  await t.rejects(credentialFiles([dir])('h', 'x'), { code: 'EISDIR' })
  t.same(credentialPaths({ HOME: '/h' }), ['/h/.docker/config.json'])
  t.same(credentialPaths({ HOME: '/h', DOCKER_CONFIG: '/d', XDG_RUNTIME_DIR: '/r' }), [
    '/r/containers/auth.json',
    '/d/config.json',
  ])
  t.same(credentialPaths({ HOME: '/h', REGISTRY_AUTH_FILE: '/a' }), ['/a'])
  t.same(credentialPaths({}), [])
})

function chunks(bytes: Buffer): () => AsyncIterable<Buffer> {
  return async function* () {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7)
  }
}

async function closedPort(): Promise<string> {
  const server = http.createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
