import { createHash } from 'node:crypto'
import { digestOf } from '@pipelayer/digest'
import t from 'tap'
import { ChunkedUpload } from '../src/chunked-upload.js'
import { Session } from '../src/session.js'
import { BLOB, chunks, DESCRIPTOR, FAST, MANIFEST, repository, TYPE, text } from './repository.js'
import { answer, type Handler, inTurn, type Seen, serve } from './server.js'

const MIB = 1024 * 1024
const LAST = BLOB.length - 1
const partOf = (first: number, last: number): Handler =>
  answer(206, { 'content-range': `bytes ${first}-${last}/${BLOB.length}` }, BLOB.subarray(first, last + 1))

// Serves the range that was asked for: all of it, or so many bytes and then a cut.
const serving =
  (blob: Buffer, bytes = Number.POSITIVE_INFINITY, headers = {}): Handler =>
  ({ headers: { range } }, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? `bytes=0-${blob.length - 1}`) ?? []
    const body = blob.subarray(Number(first), Number(last) + 1)
    const part = { 'content-range': `bytes ${first}-${last}/${blob.length}` }
    const status = range === undefined ? 200 : 206
    response.writeHead(status, { ...headers, ...part, 'content-length': body.length })
    if (body.length <= bytes) response.end(body)
    else response.write(body.subarray(0, bytes), () => response.destroy())
  }

t.test('a download that breaks', async t => {
  const cut = (bytes: number): Handler => serving(BLOB, bytes)
  const rows: readonly [handler: Handler, code: string | undefined, ranges: string, why: string][] = [
    [
      cut(1),
      undefined,
      ['-', ...BLOB.keys()]
        .slice(0, BLOB.length)
        .map(at => (at === '-' ? '-' : `${Number(at) + 1}-${LAST}`))
        .join(' '),
      'cut after every byte: each is progress',
    ],
    [inTurn(cut(5), partOf(5, 9), serving(BLOB)), undefined, `- 5-${LAST} 10-${LAST}`, 'a shorter part'],
    [
      inTurn(cut(5), answer(416), answer(200, {}, BLOB)),
      undefined,
      `- 5-${LAST} -`,
      'a 416 is asked for all of it',
    ],
    [inTurn(cut(5), answer(416)), 'REGISTRY_REFUSED', `- 5-${LAST} -`, 'a 416 whatever is asked'],
    [inTurn(cut(5), answer(200, {}, BLOB)), undefined, `- 5-${LAST}`, '200 in place of 206'],
    [inTurn(cut(5), answer(206, {}, BLOB.subarray(5))), 'RANGE_INVALID', `- 5-${LAST}`, 'no Content-Range'],
    [
      inTurn(cut(5), answer(206, { 'content-range': 'bytes 5-18/20' }, BLOB.subarray(5))),
      'RANGE_INVALID',
      `- 5-${LAST}`,
      'another size',
    ],
    [
      inTurn(cut(5), (_r, response) => {
        response.writeHead(206, { 'content-range': `bytes 5-${LAST}/${BLOB.length}` })
        response.end(Buffer.concat([BLOB.subarray(5), BLOB]))
      }),
      'RANGE_INVALID',
      `- 5-${LAST}`,
      'more than asked for',
    ],
    [
      inTurn(cut(5), answer(206, { 'content-range': `bytes 5-${LAST}/*` }, BLOB.subarray(5))),
      undefined,
      `- 5-${LAST}`,
      'a size that is not told',
    ],
    [inTurn(cut(5), answer(500), serving(BLOB)), undefined, '', 'trouble, and well again'],
    [inTurn(cut(5), answer(500)), 'SERVER_ERROR', '', 'trouble that stays'],
  ]
  for (const [handler, code, ranges, why] of rows) {
    const { repo, seen } = await repository(t, handler)
    const run = text(repo.readBlob(DESCRIPTOR))
    if (code === undefined) t.equal(await run, String(BLOB), why)
    else await t.rejects(run, { code }, why)
    const asked = seen.map(({ headers }) => headers.range?.replace('bytes=', '') ?? '-').join(' ')
    if (ranges !== '') t.equal(asked, ranges, `asked for: ${why}`)
  }
  const { repo, seen } = await repository(t, inTurn(serving(BLOB, 5, { etag: '"x"' }), serving(BLOB)))
  t.equal(await text(repo.streamBlob(DESCRIPTOR)), String(BLOB))
  t.equal(seen[1]?.headers['if-range'], '"x"', 'the same content is meant')
  const weak = await repository(t, inTurn(serving(BLOB, 5, { etag: 'W/"x"' }), serving(BLOB)))
  await text(weak.repo.streamBlob(DESCRIPTOR))
  t.equal(weak.seen[1]?.headers['if-range'], undefined, 'a weak tag does not say that')
  const later = await repository(t, serving(BLOB))
  t.equal(await text(later.repo.streamBlob(DESCRIPTOR, 7)), String(BLOB.subarray(7)), 'from a position on')
  t.equal(await text(later.repo.streamBlob(DESCRIPTOR, BLOB.length)), '', 'from its end: nothing is asked')
  t.equal(later.seen.length, 1)
})

t.test('a big blob in parts', async t => {
  const blob = Buffer.alloc(65 * MIB)
  for (let at = 0; at < blob.length; at += MIB) blob.writeUInt32BE(at, at)
  const descriptor = { ...DESCRIPTOR, size: blob.length, digest: digestOf(blob) }
  const read = async (handler: Handler): Promise<{ digest: string; ranges: (string | undefined)[] }> => {
    const { repo, seen } = await repository(t, handler)
    const hash = createHash('sha256')
    for await (const chunk of repo.streamBlob(descriptor)) hash.update(chunk)
    const digest = `sha256:${hash.digest('hex')}`
    return { digest, ranges: seen.map(({ headers }) => headers.range) }
  }
  // Serves the first part in 300 ms, so slowly that several connections are used.
  const slowFirst =
    (then: Handler): Handler =>
    (request, response) =>
      request.headers.range?.startsWith('bytes=0-')
        ? void setTimeout(() => serving(blob)(request, response), 300)
        : then(request, response)
  const parts = await read(slowFirst(serving(blob)))
  t.equal(parts.digest, descriptor.digest, 'in order')
  t.equal(
    parts.ranges.length,
    16,
    '8 MiB alone, then parts of 4 MiB: what a killed process loses is 4 of them',
  )
  const broken = await read(slowFirst(inTurn(serving(blob, 3 * MIB), serving(blob, MIB), serving(blob))))
  t.equal(broken.digest, descriptor.digest, 'each part goes on by itself')
  const weary = await read(slowFirst(inTurn(serving(blob), answer(200, {}, blob))))
  t.equal(weary.digest, descriptor.digest, 'a server that takes ranges no more')
  const plain = await read(answer(200, {}, blob))
  t.same([plain.digest, plain.ranges.length], [descriptor.digest, 1], 'a server that never did')
})

// A registry with one upload; `mishap` may return a handler that does something wrong instead.
function uploads(mishap: (request: Seen, count: number) => Handler | undefined): {
  handler: Handler
  kept: () => Buffer
} {
  let kept = Buffer.alloc(0)
  let count = 0
  const at = (): Record<string, string> => ({
    location: `/up?state=${count}`,
    range: `0-${Math.max(0, kept.length - 1)}`,
    'oci-chunk-min-length': '7',
  })
  const right: Handler = (request, response) => {
    const { method, headers, body } = request
    if (method === 'POST') kept = Buffer.alloc(0)
    if (method === 'PATCH') {
      if (!headers['content-range']?.startsWith(`${kept.length}-`))
        return answer(416, at())(request, response)
      kept = Buffer.concat([kept, body])
    }
    const status = { POST: 202, PATCH: 202, GET: 204, PUT: 201, HEAD: 404 }[method] ?? 405
    return answer(status, at())(request, response)
  }
  const handler: Handler = (request, response) => (mishap(request, ++count) ?? right)(request, response)
  return { handler, kept: () => kept }
}

function memory(text?: string): { load(): string | undefined; save(text: string): void; clear(): void } {
  return {
    load: () => text,
    save: saved => {
      text = saved
    },
    clear: () => {
      text = undefined
    },
  }
}

t.test('an upload in chunks', async t => {
  const blob = Buffer.alloc(33 * MIB, 'x')
  const descriptor = { ...DESCRIPTOR, size: blob.length, digest: digestOf(blob) }
  const open = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < blob.length; at += MIB) yield blob.subarray(at, at + MIB)
  }
  const drop: Handler = (_request, response) => void response.destroy()
  // The first request, for an upload in one piece, is always refused, so that the blob is sent in chunks.
  const first = (request: Seen): Handler | undefined =>
    request.method === 'PUT' && request.body.length > 0 ? answer(500) : undefined
  const rows: readonly [
    mishap: (request: Seen, count: number) => Handler | undefined,
    methods: string,
    why: string,
  ][] = [
    [() => undefined, 'PATCH PATCH PATCH PUT', 'as it should be'],
    [
      ({ method }, count) => (method === 'PATCH' && count === 5 ? drop : undefined),
      'PATCH PATCH GET PATCH PATCH PUT',
      'a chunk that is lost',
    ],
    [
      ({ method }, count) => (method === 'PATCH' && count === 5 ? answer(416) : undefined),
      'PATCH PATCH GET PATCH PATCH PUT',
      'a 416',
    ],
    [
      ({ method }, count) =>
        method === 'PATCH' && count === 5 ? drop : method === 'GET' ? answer(404) : undefined,
      'PATCH PATCH GET HEAD POST PATCH PATCH PATCH PUT',
      'a registry that forgets a broken upload, as distribution does',
    ],
    [
      ({ method, body }, count) =>
        method === 'PUT' && body.length === 0 && count < 9
          ? drop
          : { GET: answer(404), HEAD: answer(200, { 'content-length': blob.length }) }[method],
      'PATCH PATCH PATCH PUT GET HEAD',
      'an upload that was done when the answer was lost',
    ],
  ]
  for (const [mishap, methods, why] of rows) {
    const { handler, kept } = uploads((request, count) => first(request) ?? mishap(request, count))
    const { repo, seen } = await repository(t, handler)
    const state = memory()
    await repo.uploadBlob(descriptor, open, state)
    const after = seen.slice(3).map(({ method }) => method)
    t.equal(after.join(' '), methods, why)
    t.ok(kept().equals(blob), `bytes: ${why}`)
    t.equal(state.load(), undefined, 'nothing to remember')
    const ranges = seen.filter(({ method }) => method === 'PATCH').map(one => one.headers['content-range'])
    t.equal(ranges[0], `0-${16 * MIB - 1}`, 'Content-Range without "bytes="')
  }
})

t.test('an upload in chunks of bytes that are not the blob is cancelled', async t => {
  const blob = Buffer.alloc(33 * MIB, 'x')
  const descriptor = { ...DESCRIPTOR, size: blob.length, digest: digestOf('something else') }
  const open = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < blob.length; at += MIB) yield blob.subarray(at, at + MIB)
  }
  const { host, seen } = await serve(t, uploads(() => undefined).handler)
  const session = new Session({ domain: host, path: 'a/b', retry: FAST })
  t.teardown(() => session.close())
  await t.rejects(new ChunkedUpload({ session, descriptor, open }).run(), { code: 'DIGEST_MISMATCH' })
  t.equal(seen.map(({ method }) => method).join(' '), 'POST PATCH PATCH DELETE', 'and never ended')
  const empty = { ...descriptor, size: 0 }
  const none = async function* (): AsyncGenerator<Buffer> {}
  await t.rejects(new ChunkedUpload({ session, descriptor: empty, open: none }).run(), {
    code: 'DIGEST_MISMATCH',
  })
  t.equal(seen.length, 4, 'an empty one is not begun')
})

t.test('an upload that another process began', async t => {
  const blob = Buffer.alloc(256 * MIB)
  const descriptor = { ...DESCRIPTOR, size: blob.length, digest: digestOf(blob) }
  const open = async function* (): AsyncGenerator<Buffer> {
    for (let at = 0; at < blob.length; at += MIB) yield blob.subarray(at, at + MIB)
  }
  const most = 250 * MIB
  const rows: readonly [saved: string | undefined, status: Handler, methods: string, why: string][] = [
    ['/up', answer(204, { range: `0-${most - 1}`, location: '/up2' }), 'GET PATCH PUT', 'goes on there'],
    ['/up', answer(204, { range: `bytes=0-${blob.length - 1}` }), 'GET PUT', 'only its end is missing'],
  ]
  for (const [saved, status, methods, why] of rows) {
    const { repo, seen, host } = await repository(t, (request, response) =>
      (request.method === 'GET' ? status : answer(request.method === 'PATCH' ? 202 : 201))(request, response),
    )
    await repo.uploadBlob(descriptor, open, memory(`http://${host}${saved}`))
    t.equal(seen.map(({ method }) => method).join(' '), methods, why)
  }
  const elsewhere = memory('http://169.254.169.254/up')
  const { repo, seen } = await repository(t, answer(403))
  await t.rejects(repo.uploadBlob(descriptor, open, elsewhere), { code: 'DENIED' })
  t.same([seen.length, seen[0]?.method], [1, 'POST'], 'an address that may not be asked is not')
})

t.test('what is tried again, and when', async t => {
  const date = (at: string): { 'retry-after': string; date: string } => ({
    'retry-after': `Thu, 01 Jan 1970 00:00:${at} GMT`,
    date: 'Thu, 01 Jan 1970 00:00:01 GMT',
  })
  const rows: readonly [headers: object, least: number, most: number, why: string][] = [
    [{}, 0, 10, 'backoff'],
    [{ 'retry-after': '0' }, 0, 10, 'seconds: now'],
    [{ 'retry-after': '3600' }, 40, 40, 'seconds, more than we wait'],
    [date('01'), 0, 10, "a date, by the server's clock: now"],
    [date('59'), 40, 40, 'a date in the future'],
    [{ 'retry-after': 'soon' }, 0, 10, 'neither'],
  ]
  const retry = { ...FAST, maxAskedMs: 40 }
  for (const [headers, least, most, why] of rows) {
    const waits: number[] = []
    const onRetry = (_error: unknown, waitMs: number): void => void waits.push(waitMs)
    const handler = inTurn(answer(429, { ...headers }), answer(201))
    const { repo } = await repository(t, handler, { retry, onRetry })
    await repo.putManifest('1', { bytes: MANIFEST, mediaType: TYPE['content-type'] })
    const [wait = -1] = waits
    t.ok(waits.length === 1 && wait >= least && wait <= most, `a manifest after 429, ${why}: ${wait} ms`)
  }
  await t.resolves(
    (
      await repository(
        t,
        inTurn(answer(202, { location: '/up' }), answer(503), answer(202, { location: '/up' }), answer(201)),
      )
    ).repo.uploadBlob(DESCRIPTOR, chunks(BLOB)),
    'a small blob goes up again in one piece',
  )
})
