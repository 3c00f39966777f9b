import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { digestOf } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import t from 'tap'
import { Repository } from '../src/index.js'
import { BLOB, chunks, DESCRIPTOR, FAST, MANIFEST, me, repository, TYPE } from './repository.js'
import { answer, type Handler, inTurn, serve } from './server.js'

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

t.test('a registry that believes what it is told gets no blob of other bytes', async t => {
  const open = answer(202, { location: '/up' })
  const wrong = Buffer.from('The bytes of a blob')
  const rows: readonly [source: () => AsyncIterable<Buffer>, descriptor: Descriptor, why: string][] = [
    [once(wrong), DESCRIPTOR, 'in one chunk'],
    [chunks(wrong), DESCRIPTOR, 'in several'],
    [once(Buffer.alloc(0)), { ...DESCRIPTOR, size: 0 }, 'none at all'],
  ]
  for (const [source, descriptor, why] of rows) {
    const { repo, seen } = await repository(t, (request, response) =>
      (request.method === 'POST' ? open : answer(201))(request, response),
    )
    for (let count = 0; count < 15; count++)
      await t.rejects(repo.uploadBlob(descriptor, source), { code: 'DIGEST_MISMATCH' }, why)
    t.notOk(
      seen.some(({ method }) => method === 'PUT'),
      `no upload is ever ended: ${why}`,
    )
  }
})

t.test('a registry that answers before it has all', async t => {
  const rows: readonly [bytes: string, head: number, code: string | undefined, why: string][] = [
    [
      'The bytes of a blob',
      200,
      'DIGEST_MISMATCH',
      'our bytes are wrong: that it has the blob does not count',
    ],
    [String(BLOB), 200, undefined, 'it has the blob already'],
    [String(BLOB), 404, 'UPLOAD_INVALID', 'it does not'],
  ]
  for (const [bytes, head, code, why] of rows) {
    let opened = 0
    const server = http.createServer(({ method }, response) => {
      if (method === 'POST') return void response.writeHead(202, { location: '/up' }).end()
      if (method !== 'PUT') return void response.writeHead(head).end()
      return void response.writeHead(201).end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const domain = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const repo = new Repository({ domain, path: 'a/b', retry: FAST })
    t.teardown(() => repo.close())
    const source = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from(bytes.slice(0, 5))
      // The rest of the request's body never comes, since the answer arrives before it.
      if (++opened === 1) await new Promise(() => undefined)
      yield Buffer.from(bytes.slice(5))
    }
    const run = repo.uploadBlob(DESCRIPTOR, source)
    if (code === undefined) await t.resolves(run, why)
    else await t.rejects(run, { code }, why)
  }
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

function once(bytes: Buffer): () => AsyncIterable<Buffer> {
  return async function* () {
    yield bytes
  }
}
