import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import {
  type Answer,
  CONFIG,
  describe,
  digestOf,
  HOUR_MS,
  KINDS,
  LAYER,
  type Lab,
  manifest,
  push,
  putBlob,
  putManifest,
  startLab,
  TYPES,
} from './client.js'

const NOWHERE = `sha256:${'0'.repeat(64)}`

for (const kind of KINDS) {
  t.test(kind, async t => {
    t.test('ways to upload', async t => uploads(t, await startLab(t, kind)))
    t.test('a push over what is damaged mends it', async t => mends(t, await startLab(t, kind)))
    t.test('chunks', async t => chunks(t, await startLab(t, kind)))
    t.test('manifests that are refused', async t => refusedManifests(t, await startLab(t, kind)))
    t.test('parameters of a manifest', async t => parameters(t, await startLab(t, kind)))
    t.test('indexes', async t => indexes(t, await startLab(t, kind)))
    t.test('a session survives the server', async t => restarts(t, await startLab(t, kind)))
    t.test('sessions that nobody goes on with are swept', async t => sweeps(t, await startLab(t, kind)))
    t.test('a request that breaks off, and one that takes over', async t =>
      takesOver(t, await startLab(t, kind)),
    )
    t.test('limits', async t =>
      limits(t, await startLab(t, kind, { limits: { uploadExpiryMs: HOUR_MS, maxBlobBytes: 10 } })),
    )
    t.test('many at a time', async t => manyAtATime(t, await startLab(t, kind)))
    t.test('a stop lets what runs end', async t => stops(t, await startLab(t, kind)))
  })
}

async function mends(t: Test, lab: Lab): Promise<void> {
  const { send, dir } = lab
  await push(lab, 'a', '1')
  const damage = (digest: string): void => {
    const hex = digest.slice(7)
    const files = fs.readdirSync(dir, { recursive: true, withFileTypes: true })
    for (const file of files) {
      const name = path.join(file.parentPath ?? file.path, file.name)
      const isBlob = name.endsWith(`/${hex}`) || name.endsWith(`/${hex}/data`)
      if (file.isFile() && isBlob) fs.writeFileSync(name, Buffer.alloc(fs.statSync(name).size))
    }
  }
  const good = digestOf(LAYER)
  damage(good)
  t.not((await send('GET', `/v2/a/blobs/${good}`)).body.toString(), LAYER)
  await putBlob(lab, 'a', LAYER)
  t.equal((await send('GET', `/v2/a/blobs/${good}`)).body.toString(), LAYER, 'a blob')
  const before = (await send('GET', '/v2/a/manifests/1')).body
  damage(digestOf(before))
  t.not((await send('GET', '/v2/a/manifests/1')).status, 200, 'a damaged manifest is not given out')
  await push(lab, 'a', '1')
  t.equal((await send('GET', '/v2/a/manifests/1')).body.toString(), before.toString(), 'a manifest')
}

async function uploads(t: Test, { send }: Lab): Promise<void> {
  const base = '/v2/a/blobs/uploads'
  const good = digestOf(LAYER)
  const begin = async (): Promise<string> => (await send('POST', `${base}/`)).headers.location ?? ''
  const long = digestOf(LAYER, 'sha512')
  t.equal((await send('PUT', `${await begin()}?digest=${good}`, { body: LAYER })).status, 201, 'POST, PUT')
  t.equal((await send('PUT', `${await begin()}?digest=${long}`, { body: LAYER })).status, 201, 'sha512')
  t.equal((await send('GET', `/v2/a/blobs/${long}`)).body.toString(), LAYER)
  t.equal((await send('POST', `${base}?digest=${good}`, { body: LAYER })).status, 201, 'one POST')
  t.equal((await send('POST', `${base}/?digest=${good}`)).status, 202, 'a POST without a body begins')
  t.equal((await send('PUT', `${await begin()}?digest=${digestOf('')}`)).status, 201, 'no bytes at all')
  t.equal((await send('GET', `/v2/a/blobs/${digestOf('')}`)).headers['content-length'], '0')
  const location = await begin()
  t.equal((await send('PATCH', location, { body: LAYER })).status, 202, "Docker's one PATCH")
  t.equal((await send('PATCH', location, { body: LAYER })).code, 'BLOB_UPLOAD_INVALID', 'but only one')
  t.equal((await send('PUT', `${location}?digest=${good}`)).status, 201)
  t.equal((await send('PUT', `${location}?digest=${good}`)).code, 'BLOB_UPLOAD_UNKNOWN', 'it has ended')
  const wrong = await begin()
  t.equal((await send('PUT', wrong, { body: LAYER })).code, 'DIGEST_INVALID', 'no digest')
  t.equal((await send('PUT', `${wrong}?digest=sha256:abc`, { body: LAYER })).code, 'DIGEST_INVALID')
  t.equal(
    (await send('PUT', `${wrong}?digest=${NOWHERE}`, { body: LAYER })).code,
    'DIGEST_INVALID',
    'other bytes',
  )
  t.equal((await send('GET', wrong)).status, 404, 'the wrong bytes are gone')
  t.equal((await send('GET', `/v2/a/blobs/${NOWHERE}`)).code, 'BLOB_UNKNOWN')
  t.equal(
    (await send('POST', `${base}?digest=${NOWHERE}`, { body: LAYER })).code,
    'DIGEST_INVALID',
    'one POST too',
  )
  const given = await begin()
  t.equal((await send('DELETE', given)).status, 204, 'given up')
  t.equal((await send('DELETE', given)).code, 'BLOB_UPLOAD_UNKNOWN')
  const mount = (query: string): Promise<Answer> => send('POST', `/v2/b/blobs/uploads/?${query}`)
  t.equal((await mount(`mount=${good}&from=a`)).status, 201, 'mounted')
  t.equal((await send('GET', `/v2/b/blobs/${good}`)).body.toString(), LAYER)
  t.equal((await mount(`mount=${good}`)).status, 201, 'from wherever it is')
  t.equal((await mount(`mount=${NOWHERE}&from=a`)).status, 202, 'not there: an upload')
  t.equal((await mount(`mount=${good}&from=../a`)).status, 202, 'a name that cannot be')
  t.equal((await mount('mount=sha256:x&from=a')).status, 202, 'a digest that cannot be')
}

async function chunks(t: Test, { send }: Lab): Promise<void> {
  const { headers } = await send('POST', '/v2/a/blobs/uploads/')
  const location = headers.location ?? ''
  t.match(headers, { range: '0-0', 'docker-upload-uuid': /^[0-9a-f-]{36}$/ })
  const rows: readonly (readonly [range: string, body: string, status: number, now: string, why: string])[] =
    [
      ['0-2', 'abc', 202, '0-2', 'the first'],
      ['0-2', 'abc', 416, '0-2', 'again: out of step, and told where to go on'],
      ['4-5', 'ef', 416, '0-2', 'a gap'],
      ['3-4', 'def', 400, '0-2', 'longer than it says'],
      ['3-9', 'def', 400, '0-2', 'shorter than it says'],
      ['5-3', 'def', 416, '0-2', 'backwards'],
      ['x', 'def', 416, '0-2', 'no range'],
      ['3-5', 'def', 202, '0-5', 'the next'],
      ['bytes 6-6/*', 'g', 202, '0-6', 'as RFC 9110 writes it'],
    ]
  for (const [range, body, status, now, why] of rows) {
    const answer = await send('PATCH', location, { headers: { 'content-range': range }, body })
    t.equal(answer.status, status, why)
    if (status === 202) t.equal(answer.headers.range, now, why)
    const progress = await send('GET', location)
    t.same([progress.status, progress.headers.range], [204, now], why)
  }
  const streamed = { headers: { 'content-range': '7-8', 'transfer-encoding': 'chunked' }, body: 'hijk' }
  t.equal((await send('PATCH', location, streamed)).code, 'SIZE_INVALID', 'no length, more than the range')
  t.equal((await send('GET', location)).headers.range, '0-6', 'nothing of it stays')
  const end = `${location}?digest=${digestOf('abcdefghi')}`
  const last = { headers: { 'content-range': '7-8' }, body: 'hi' }
  t.equal((await send('PUT', end, { ...last, headers: { 'content-range': '6-7' } })).status, 416)
  t.equal((await send('PUT', end, last)).status, 201, 'the last chunk in the PUT')
  t.equal((await send('GET', `/v2/a/blobs/${digestOf('abcdefghi')}`)).body.toString(), 'abcdefghi')
}

async function refusedManifests(t: Test, lab: Lab): Promise<void> {
  for (const content of [CONFIG, LAYER]) await putBlob(lab, 'a', content)
  const put = (reference: string, body: string, type: string = TYPES.manifest): Promise<Answer> =>
    lab.send('PUT', `/v2/a/manifests/${reference}`, { headers: { 'content-type': type }, body })
  const rows: readonly (readonly [answer: Promise<Answer>, status: number, code: string, why: string])[] = [
    [put('1', 'foo'), 400, 'MANIFEST_INVALID', 'no JSON'],
    [put('1', ''), 400, 'MANIFEST_INVALID', 'nothing'],
    [put('1', manifest({ manifests: [] })), 400, 'MANIFEST_INVALID', 'two things in one'],
    [put('1', manifest({ schemaVersion: 1 })), 400, 'MANIFEST_INVALID', 'schema 1'],
    [put('1', manifest(), TYPES.index), 400, 'MANIFEST_INVALID', 'another type than the header says'],
    [put('1', manifest(), 'text/plain'), 201, '', 'a header that says nothing'],
    [put('2', manifest(), `${TYPES.manifest}; charset=utf-8`), 201, '', 'parameters'],
    [put(NOWHERE, manifest()), 400, 'DIGEST_INVALID', 'another digest'],
    [put('sha256:abc', manifest()), 400, 'DIGEST_INVALID', 'no digest'],
    [put(digestOf(manifest()), manifest()), 201, '', 'its digest'],
    [put('.x', manifest()), 400, 'TAG_INVALID', 'no tag'],
    [put('a'.repeat(129), manifest()), 400, 'TAG_INVALID', 'a tag that is too long'],
    [
      put('1', manifest({}, [describe(TYPES.layer, 'not there')])),
      404,
      'MANIFEST_BLOB_UNKNOWN',
      'a layer that is not there',
    ],
    [
      put('1', manifest({}, [describe(TYPES.layer, LAYER, { size: 5 })])),
      400,
      'MANIFEST_INVALID',
      'a layer of another size',
    ],
    [
      put('1', manifest({}, [describe(TYPES.layer, LAYER, { digest: 'sha256:../../etc/passwd' })])),
      400,
      'MANIFEST_INVALID',
      'a path for a digest',
    ],
    [put('1', manifest({ pad: 'x'.repeat(4 * 1024 * 1024) })), 413, 'SIZE_INVALID', 'more than 4 MiB'],
    [
      put(
        '3',
        manifest({}, [describe(FOREIGN, 'elsewhere', { urls: ['https://example.com/x'] })]),
        TYPES.manifest,
      ),
      201,
      '',
      'a layer that may not be distributed',
    ],
  ]
  for (const [answer, status, code, why] of rows) {
    const { status: got, code: gotCode, body } = await answer
    t.same([got, gotCode ?? ''], [status, code], `${why}: ${body}`)
  }
  t.match((await lab.send('GET', '/v2/a/tags/list')).json, { tags: ['1', '2', '3'] })
}

async function parameters(t: Test, lab: Lab): Promise<void> {
  for (const content of [CONFIG, LAYER]) await putBlob(lab, 'a', content)
  const body = manifest({ annotations: { which: 'parameters' } })
  const long = digestOf(body, 'sha512')
  const put = (reference: string): Promise<Answer> => putManifest(lab, 'a', reference, body)
  const rows: readonly (readonly [
    reference: string,
    status: number,
    digest: string | undefined,
    tags: string | undefined,
    why: string,
  ])[] = [
    [`1?digest=${long}`, 201, long, undefined, 'a tag, known by another algorithm'],
    [`2?digest=${digestOf(body)}`, 201, digestOf(body), undefined, 'a tag, and what it must be'],
    [`3?digest=${NOWHERE}`, 400, undefined, undefined, 'a tag, and what it is not'],
    ['3?digest=sha256:abc', 400, undefined, undefined, 'a tag, and no digest'],
    [`3?digest=${long}&digest=${digestOf(body)}`, 400, undefined, undefined, 'two digests'],
    [`${long}?tag=4&tag=5&tag=4`, 201, long, '4, 5', 'a digest and its tags'],
    ['6?tag=7', 201, digestOf(body), '7', 'a tag and one more'],
    [`${long}?tag=.x`, 400, undefined, undefined, 'a digest and no tag'],
    [`${long}?digest=${NOWHERE}`, 400, undefined, undefined, 'a digest and another one'],
  ]
  for (const [reference, status, digest, tags, why] of rows) {
    const { status: got, headers } = await put(reference)
    t.same([got, headers['docker-content-digest'], headers['oci-tag']], [status, digest, tags], why)
  }
  t.same((await lab.send('GET', '/v2/a/tags/list')).json.tags, ['1', '2', '4', '5', '6', '7'])
  for (const [tag, digest] of [
    ['1', long],
    ['5', long],
    ['7', digestOf(body)],
  ]) {
    const answer = await lab.send('GET', `/v2/a/manifests/${tag}`)
    t.same([answer.headers['docker-content-digest'], answer.body.toString()], [digest, body], `tag ${tag}`)
  }
  t.equal((await lab.send('GET', `/v2/a/manifests/${long}`)).body.toString(), body, 'by its long digest')
}

const FOREIGN = 'application/vnd.oci.image.layer.nondistributable.v1.tar'

async function indexes(t: Test, lab: Lab): Promise<void> {
  for (const content of [CONFIG, LAYER]) await putBlob(lab, 'a', content)
  const child = manifest({ annotations: { which: 'child' } })
  const manifests = [describe(TYPES.manifest, child, { platform: { os: 'linux', architecture: 'amd64' } })]
  const index = JSON.stringify({ schemaVersion: 2, mediaType: TYPES.index, manifests })
  t.equal((await putManifest(lab, 'a', 'all', index)).code, 'MANIFEST_BLOB_UNKNOWN', 'before its child')
  t.equal((await putManifest(lab, 'a', digestOf(child), child)).status, 201)
  t.equal((await putManifest(lab, 'a', 'all', index)).status, 201)
  t.equal((await lab.send('GET', '/v2/a/manifests/all')).headers['content-type'], TYPES.index)
  t.equal((await lab.send('GET', `/v2/a/manifests/${digestOf(child)}`)).body.toString(), child)
  t.match((await lab.send('GET', '/v2/a/tags/list')).json, { tags: ['all'] })
  const file = path.join(lab.dir, 'index.json')
  if (fs.existsSync(file)) {
    const listed = JSON.parse(fs.readFileSync(file, 'utf8')).manifests as { digest: string }[]
    t.same(
      listed.map(({ digest }) => digest),
      [digestOf(index)],
      'a child stands in its index, and nowhere else',
    )
  }
}

async function restarts(t: Test, first: Lab): Promise<void> {
  const { headers } = await first.send('POST', '/v2/a/blobs/uploads/')
  const location = headers.location ?? ''
  await first.send('PATCH', location, { headers: { 'content-range': '0-2' }, body: 'abc' })
  const second = await first.restart()
  t.equal((await second.send('GET', location)).headers.range, '0-2')
  await second.send('PATCH', location, { headers: { 'content-range': '3-5' }, body: 'def' })
  t.equal((await second.send('PUT', `${location}?digest=${digestOf('abcdef')}`)).status, 201)
  t.equal((await second.send('GET', `/v2/a/blobs/${digestOf('abcdef')}`)).body.toString(), 'abcdef')
}

async function sweeps(t: Test, first: Lab): Promise<void> {
  const begin = async (lab: Lab): Promise<string> =>
    (await lab.send('POST', '/v2/x/a/blobs/uploads/')).headers.location ?? ''
  const old = await begin(first)
  await first.send('PATCH', old, { body: 'abc' })
  const second = await first.restart({ now: () => Date.now() + 1_800_000 })
  t.equal((await second.send('GET', old)).status, 204, 'half of its time is over')
  const third = await second.restart({ now: () => Date.now() + 7_200_000 })
  t.equal((await third.send('GET', old)).code, 'BLOB_UPLOAD_UNKNOWN', 'all of it is')
  t.equal((await third.send('GET', await begin(third))).status, 204)
}

async function takesOver(t: Test, { send, server }: Lab): Promise<void> {
  const { headers } = await send('POST', '/v2/a/blobs/uploads/')
  const location = headers.location ?? ''
  const broken = { headers: { 'content-length': '10' }, body: 'abc', breakOff: true }
  await t.rejects(send('PATCH', location, broken), { message: 'broken off' })
  // A connection that is dead without being closed: the server waits for seven more bytes.
  const [host, port] = server.address.split(':')
  const silent = net.connect({ host, port: Number(port) })
  const closed = new Promise<void>(resolve => silent.on('close', () => resolve()).on('error', () => {}))
  let { range } = (await send('GET', location)).headers
  const have = range === '0-2' ? 3 : 0
  silent.write(`PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${10 - have}\r\n`)
  silent.write(`Content-Range: ${have}-9\r\n\r\n${'abcdef'.slice(have)}`)
  while (range !== '0-5') {
    range = (await send('GET', location)).headers.range
    if (range === '0-5') break
    const next = range === '0-2' ? 'def' : 'abcdef'
    const start = range === '0-2' ? 3 : 0
    await send('PATCH', location, { headers: { 'content-range': `${start}-5` }, body: next })
  }
  await closed
  t.pass('the dead one is hung up on')
  t.equal((await send('PUT', `${location}?digest=${digestOf('abcdef')}`)).status, 201)
}

async function limits(t: Test, { send }: Lab): Promise<void> {
  const base = '/v2/a/blobs/uploads/'
  const begin = async (): Promise<string> => (await send('POST', base)).headers.location ?? ''
  const streamed = { 'transfer-encoding': 'chunked' }
  const eleven = '01234567890'
  const rows: readonly (readonly [
    method: string,
    url: string,
    headers: Record<string, string>,
    why: string,
  ])[] = [
    ['PATCH', await begin(), {}, 'by its length'],
    ['PATCH', await begin(), streamed, 'as it comes'],
    ['PUT', `${await begin()}?digest=${digestOf(eleven)}`, {}, 'in the PUT'],
    ['POST', `${base}?digest=${digestOf(eleven)}`, {}, 'in the POST'],
  ]
  for (const [method, url, headers, why] of rows) {
    const answer = await send(method, url, { headers, body: eleven })
    t.same([answer.status, answer.code], [413, 'SIZE_INVALID'], why)
  }
  const huge = Buffer.alloc(16 * 1024 * 1024)
  const body = { headers: streamed, body: huge }
  t.equal((await send('PATCH', await begin(), body)).status, 413, 'a client that goes on sending reads why')
  t.equal((await send('PUT', '/v2/a/manifests/1', body)).status, 413, 'one of a manifest too')
  const location = await begin()
  await send('PATCH', location, { headers: { 'content-range': '0-5' }, body: '012345' })
  const more = await send('PATCH', location, { headers: { 'content-range': '6-11' }, body: '678901' })
  t.equal(more.status, 413, 'in two chunks')
  t.equal(
    (await send('PUT', `${await begin()}?digest=${digestOf('0123456789')}`, { body: '0123456789' })).status,
    201,
  )
}

async function manyAtATime(t: Test, lab: Lab): Promise<void> {
  const names = Array.from({ length: 20 }, (_, number) => `x/app${number % 4}`)
  const statuses = await Promise.all(
    names.map(async (name, number) => (await push(lab, name, `t${number}`)).status),
  )
  t.same(new Set(statuses), new Set([201]))
  for (let number = 0; number < 4; number++)
    t.equal(((await lab.send('GET', `/v2/x/app${number}/tags/list`)).json.tags as string[]).length, 5)
  t.same(
    (fs.readdirSync(lab.dir, { recursive: true }) as string[]).filter(name => /partial|startedat/.test(name)),
    [],
    'nothing stays behind',
  )
}

async function stops(t: Test, { send, server }: Lab): Promise<void> {
  const { headers } = await send('POST', '/v2/a/blobs/uploads/')
  const [host, port] = server.address.split(':')
  const slow = net.connect({ host, port: Number(port) })
  let answer = ''
  const ended = new Promise<void>(resolve =>
    slow.on('data', chunk => (answer += chunk)).on('close', () => resolve()),
  )
  await new Promise<void>(resolve => {
    slow.write(`PATCH ${headers.location} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\nabc`, () =>
      resolve(),
    )
  })
  // The request has reached the server once the session has bytes. A status request would take the session over, so the
  // test reads the disk.
  await send('GET', '/v2/')
  const closed = server.close(10_000)
  slow.write('def')
  await Promise.all([closed, ended])
  t.match(answer, /^HTTP\/1.1 202 [\s\S]*Range: 0-5/)
}
