import http from 'node:http'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import t from 'tap'
import { Repository } from '../src/index.js'
import { BLOB, cut, DESCRIPTOR, FAST, MANIFEST, repository, TYPE, text } from './repository.js'
import { answer, type Handler, inTurn, serve } from './server.js'

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

t.test("OCI's name for a type, and Docker's", async t => {
  const document = JSON.parse(String(MANIFEST))
  const bytes = Buffer.from(JSON.stringify({ ...document, mediaType: MEDIA_TYPES.ociManifest }))
  const handler = answer(200, { 'content-type': MEDIA_TYPES.dockerManifest }, bytes)
  const told: string[] = []
  const { repo } = await repository(t, handler, { warn: message => void told.push(message) })
  t.match(await repo.getManifest('1'), { descriptor: { mediaType: MEDIA_TYPES.ociManifest } })
  t.match(told, [/:1: manifest says it is .*oci.*, but was offered as .*docker.*: read as what it says$/])
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
  t.match(await tls.getManifest('1').catch((reason: unknown) => reason), { status: 75 }, 'no such name')
  for (const repo of [gone, tls]) await repo.close()
})

t.test('servers that keep silent', async t => {
  const never: Handler = () => undefined
  const stall: Handler = (_request, response) => {
    response.writeHead(200, TYPE)
    response.write('{')
  }
  const transport = { timeouts: { headersMs: 50, bodyMs: 50 } }
  const retry = { ...FAST, tries: 1 }
  const silent = await repository(t, never, { transport, retry })
  await t.rejects(silent.repo.getManifest('1'), { code: 'RESPONSE_TIMEOUT', status: 75 })
  const stalled = await repository(t, stall, { transport, retry })
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
  const near = await repository(t, answer(200, TYPE, MANIFEST), { transport: { env } })
  await near.repo.getManifest('1')
  t.equal(proxy.seen.length, 0)
  const far = new Repository({
    domain: 'registry.invalid',
    path: 'a',
    transport: { plainHttp: true, env },
    retry: { tries: 1 },
  })
  t.match(await far.getManifest('1').catch((reason: unknown) => reason), { status: 75 })
  t.match(proxy.seen[0], { method: 'CONNECT', url: /^registry\.invalid/ })
  await far.close()
})

async function closedPort(): Promise<string> {
  const server = http.createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}
