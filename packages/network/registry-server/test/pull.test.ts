import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import t, { type Test } from 'tap'
import {
  describe,
  digestOf,
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
    t.test('what is pushed can be pulled', async t => pushed(t, await startLab(t, kind)))
    t.test('ranges of a blob', async t => ranges(t, await startLab(t, kind)))
    t.test('lists and their pages', async t => lists(t, await startLab(t, kind)))
    t.test('referrers', async t => referrers(t, await startLab(t, kind)))
    t.test('deleting', async t => deleting(t, await startLab(t, kind)))
    t.test('requests that are refused', async t => refused(t, await startLab(t, kind)))
    t.test('a client that leaves', async t => leaves(t, await startLab(t, kind)))
    t.test('read-only', async t => readOnly(t, await startLab(t, kind)))
  })
}

async function pushed(t: Test, lab: Lab): Promise<void> {
  const { send } = lab
  const put = await push(lab, 'team/app', '1')
  const digest = digestOf(manifest())
  t.equal(put.status, 201)
  t.equal(put.headers['docker-content-digest'], digest)
  t.equal(put.headers.location, `/v2/team/app/manifests/${digest}`)
  for (const reference of ['1', digest, digest.replace(':', '%3A')]) {
    const got = await send('GET', `/v2/team/app/manifests/${reference}`)
    t.equal(got.body.toString(), manifest(), reference)
    t.match(got.headers, {
      'content-type': TYPES.manifest,
      'docker-content-digest': digest,
      etag: `"${digest}"`,
      'content-length': String(manifest().length),
      'docker-distribution-api-version': 'registry/2.0',
    })
    const head = await send('HEAD', `/v2/team/app/manifests/${reference}`)
    t.same([head.status, head.body.length], [200, 0])
    t.equal(head.headers['content-length'], String(manifest().length))
  }
  const url = `/v2/team/app/blobs/${digestOf(LAYER)}`
  t.equal((await send('GET', url)).body.toString(), LAYER)
  t.match((await send('HEAD', url)).headers, {
    'content-length': String(LAYER.length),
    'accept-ranges': 'bytes',
  })
  const known: readonly (readonly [header: string, status: number])[] = [
    [`"${digest}"`, 304],
    [`W/"${digest}"`, 304],
    [`"other", "${digest}"`, 304],
    ['*', 304],
    ['"other"', 200],
    [digest, 200],
  ]
  for (const [header, status] of known) {
    const got = await send('GET', '/v2/team/app/manifests/1', { headers: { 'if-none-match': header } })
    t.equal(got.status, status, `If-None-Match: ${header}`)
  }
  t.same(lab.warnings, [])
}

async function ranges(t: Test, lab: Lab): Promise<void> {
  const content = 'abcdefghij'
  await putBlob(lab, 'a', content)
  const url = `/v2/a/blobs/${digestOf(content)}`
  const rows: readonly (readonly [range: string, status: number, body: string, why: string])[] = [
    ['bytes=0-0', 206, 'a', 'the first byte'],
    ['bytes=2-4', 206, 'cde', 'in between'],
    ['bytes=7-', 206, 'hij', 'to the end'],
    ['bytes=7-99', 206, 'hij', 'to the end, and no further'],
    ['bytes=-3', 206, 'hij', 'the last ones'],
    ['bytes=-99', 206, content, 'more than there are'],
    ['bytes=10-', 416, '', 'behind the end'],
    ['bytes=-0', 416, '', 'the last none'],
    ['bytes=4-2', 200, content, 'backwards: no range at all'],
    ['bytes=-', 200, content, 'nothing said'],
    ['bytes=0-1,3-4', 200, content, 'several: the whole is allowed'],
    ['lines=0-1', 200, content, 'another unit'],
    ['bytes=99999999999999999999-', 416, '', 'beyond every number'],
  ]
  for (const [range, status, body, why] of rows) {
    const answer = await lab.send('GET', url, { headers: { range } })
    t.equal(answer.status, status, why)
    if (status === 416) t.equal(answer.headers['content-range'], 'bytes */10', why)
    else t.equal(answer.body.toString(), body, why)
  }
  const first = await lab.send('GET', url, { headers: { range: 'bytes=2-4' } })
  t.equal(first.headers['content-range'], 'bytes 2-4/10')
  const other = await lab.send('GET', url, { headers: { range: 'bytes=2-4', 'if-range': '"other"' } })
  t.equal(other.status, 200, 'If-Range of another version')
  t.equal(
    (await lab.send('HEAD', url, { headers: { range: 'bytes=2-4' } })).status,
    200,
    'HEAD has no ranges',
  )
}

async function lists(t: Test, lab: Lab): Promise<void> {
  t.match((await lab.send('GET', '/v2/_catalog')).json, { repositories: [] })
  for (const [name, tag] of [
    ['a', '1'],
    ['a', 'B'],
    ['a', 'b'],
    ['a-c', '1'],
    ['a/b', '1'],
  ] as const)
    await push(lab, `x/${name}`, tag)
  const rows: readonly (readonly [url: string, expected: object, next: string | undefined])[] = [
    ['/v2/x/a/tags/list', { name: 'x/a', tags: ['1', 'B', 'b'] }, undefined],
    ['/v2/x/a/tags/list?n=2', { tags: ['1', 'B'] }, '</v2/x/a/tags/list?n=2&last=B>; rel="next"'],
    ['/v2/x/a/tags/list?n=2&last=B', { tags: ['b'] }, undefined],
    ['/v2/x/a/tags/list?n=3', { tags: ['1', 'B', 'b'] }, undefined],
    ['/v2/x/a/tags/list?last=A', { tags: ['B', 'b'] }, undefined],
    ['/v2/x/a/tags/list?last=z', { tags: [] }, undefined],
    ['/v2/x/a/tags/list?n=0', { tags: [] }, undefined],
    ['/v2/_catalog', { repositories: ['x/a', 'x/a-c', 'x/a/b'] }, undefined],
    ['/v2/_catalog?n=1', { repositories: ['x/a'] }, '</v2/_catalog?n=1&last=x%2Fa>; rel="next"'],
    [
      '/v2/_catalog?n=1&last=x%2Fa',
      { repositories: ['x/a-c'] },
      '</v2/_catalog?n=1&last=x%2Fa-c>; rel="next"',
    ],
  ]
  for (const [url, expected, next] of rows) {
    const { json, headers } = await lab.send('GET', url)
    t.match(json, expected, url)
    t.equal(headers.link, next, url)
  }
  for (const n of ['-1', 'x', '1.5', ''])
    t.equal((await lab.send('GET', `/v2/_catalog?n=${n}`)).code, 'PAGINATION_NUMBER_INVALID', n)
  t.equal((await lab.send('GET', '/v2/x/tags/list')).code, 'NAME_UNKNOWN', 'a folder is no repository')
}

async function referrers(t: Test, lab: Lab): Promise<void> {
  await push(lab, 'x/app', '1')
  const subject = describe(TYPES.manifest, manifest())
  const url = `/v2/x/app/referrers/${digestOf(manifest())}`
  t.match((await lab.send('GET', url)).json, { schemaVersion: 2, mediaType: TYPES.index, manifests: [] })
  const typed = manifest({ subject, artifactType: 'application/x-note', annotations: { of: 'a' } })
  const plain = manifest({ subject })
  for (const body of [typed, plain]) {
    const put = await putManifest(lab, 'x/app', digestOf(body), body)
    t.equal(put.headers['oci-subject'], digestOf(manifest()), 'the registry keeps referrers')
  }
  const { json, headers } = await lab.send('GET', url)
  t.equal(headers['content-type'], TYPES.index)
  const found = [
    describe(TYPES.manifest, typed, { artifactType: 'application/x-note', annotations: { of: 'a' } }),
    describe(TYPES.manifest, plain, { artifactType: TYPES.config }),
  ] as { digest: string }[]
  t.same(
    json.manifests,
    found.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
  )
  const filtered = await lab.send('GET', `${url}?artifactType=application/x-note`)
  t.equal(filtered.headers['oci-filters-applied'], 'artifactType')
  t.same(
    (filtered.json.manifests as { digest: string }[]).map(({ digest }) => digest),
    [digestOf(typed)],
  )
  const orphan = manifest({ subject: { ...subject, digest: NOWHERE } })
  t.equal((await putManifest(lab, 'x/app', 'orphan', orphan)).status, 201, 'its subject may come later')
  t.match((await lab.send('GET', `/v2/x/app/referrers/${NOWHERE}`)).json.manifests, [
    { digest: digestOf(orphan) },
  ])
  t.equal((await lab.send('DELETE', `/v2/x/app/manifests/${digestOf(typed)}`)).status, 202)
  t.match((await lab.send('GET', url)).json.manifests, [{ digest: digestOf(plain) }], 'a deleted one is gone')
  t.equal((await lab.send('GET', '/v2/x/app/referrers/latest')).code, 'DIGEST_INVALID')
}

async function deleting(t: Test, lab: Lab): Promise<void> {
  const digest = digestOf(manifest())
  for (const tag of ['1', '2']) await push(lab, 'x/a', tag)
  t.equal((await lab.send('DELETE', '/v2/x/a/manifests/1')).status, 202)
  t.equal((await lab.send('GET', '/v2/x/a/manifests/1')).code, 'MANIFEST_UNKNOWN')
  t.equal((await lab.send('DELETE', '/v2/x/a/manifests/1')).code, 'MANIFEST_UNKNOWN', 'only once')
  t.equal((await lab.send('GET', `/v2/x/a/manifests/${digest}`)).status, 200, 'of a tag only the tag')
  t.equal((await lab.send('DELETE', '/v2/x/a/manifests/2')).status, 202)
  t.equal((await lab.send('GET', `/v2/x/a/manifests/${digest}`)).status, 200, 'even the last tag')
  await push(lab, 'x/a', '3')
  t.equal((await lab.send('DELETE', `/v2/x/a/manifests/${digest}`)).status, 202)
  t.equal((await lab.send('GET', `/v2/x/a/manifests/${digest}`)).code, 'MANIFEST_UNKNOWN')
  t.equal((await lab.send('GET', '/v2/x/a/manifests/3')).code, 'MANIFEST_UNKNOWN', 'its tags go with it')
  t.equal((await lab.send('DELETE', `/v2/x/a/manifests/${digest}`)).code, 'MANIFEST_UNKNOWN')
  const blob = await lab.send('DELETE', `/v2/x/a/blobs/${digestOf(LAYER)}`)
  if (fs.existsSync(path.join(lab.dir, 'oci-layout'))) {
    t.same(
      [blob.status, blob.code],
      [405, 'UNSUPPORTED'],
      'blobs of a layout belong to all of its repositories',
    )
    return
  }
  t.equal(blob.status, 202)
  t.equal((await lab.send('GET', `/v2/x/a/blobs/${digestOf(LAYER)}`)).code, 'BLOB_UNKNOWN')
  t.equal((await lab.send('DELETE', `/v2/x/a/blobs/${digestOf(LAYER)}`)).code, 'BLOB_UNKNOWN')
}

async function refused(t: Test, lab: Lab): Promise<void> {
  const id = '00000000-0000-0000-0000-000000000000'
  const rows: readonly (readonly [method: string, url: string, status: number, code: string])[] = [
    ['GET', '/', 404, 'UNSUPPORTED'],
    ['GET', '/v2/x', 404, 'UNSUPPORTED'],
    ['GET', '/v1/_ping', 404, 'UNSUPPORTED'],
    ['GET', '/v2/A/tags/list', 400, 'NAME_INVALID'],
    ['GET', '/v2/_x/tags/list', 400, 'NAME_INVALID'],
    ['GET', '/v2/../../etc/tags/list', 400, 'NAME_INVALID'],
    ['GET', '/v2/a%2F..%2Fb/tags/list', 400, 'NAME_INVALID'],
    ['GET', '/v2/a%00/tags/list', 400, 'NAME_INVALID'],
    ['GET', '/v2/%E0%A4%A/tags/list', 400, 'UNSUPPORTED'],
    ['GET', `/v2/${'a'.repeat(256)}/tags/list`, 400, 'NAME_INVALID'],
    ['GET', `/v2/${'a/'.repeat(3000)}tags/list`, 414, 'UNSUPPORTED'],
    ['GET', '/v2/blobs/sha256:abc', 400, 'NAME_INVALID'],
    ['GET', '/v2/a/blobs/sha256:abc', 400, 'DIGEST_INVALID'],
    ['HEAD', '/v2/a/blobs/sha256:abc', 400, ''],
    ['GET', `/v2/a/blobs/md5:${'0'.repeat(32)}`, 400, 'DIGEST_INVALID'],
    ['GET', '/v2/a/blobs/..%2f..%2fx', 404, 'UNSUPPORTED'],
    ['GET', `/v2/a/blobs/${NOWHERE}`, 404, 'BLOB_UNKNOWN'],
    ['GET', `/v2/a/manifests/${NOWHERE}`, 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/a/manifests/.not-a-tag', 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/a/manifests/1', 404, 'MANIFEST_UNKNOWN'],
    ['GET', '/v2/a/tags/list', 404, 'NAME_UNKNOWN'],
    ['GET', `/v2/a/blobs/uploads/${id}`, 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['PATCH', '/v2/a/blobs/uploads/..', 404, 'BLOB_UPLOAD_UNKNOWN'],
    ['POST', '/v2/a/manifests/1', 405, 'UNSUPPORTED'],
    ['PUT', '/v2/a/tags/list', 405, 'UNSUPPORTED'],
    ['PATCH', '/v2/', 405, 'UNSUPPORTED'],
    ['GET', '/v2/a/blobs/uploads/', 405, 'UNSUPPORTED'],
  ]
  for (const [method, url, status, code] of rows) {
    const answer = await raw(lab, method, url)
    t.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${method} ${url.slice(0, 60)}`)
    if (code !== '') t.match(answer, `"code":"${code}"`)
  }
  t.match(await raw(lab, 'POST', '/v2/_catalog'), /\r\nAllow: GET, HEAD\r\n/)
  for (const url of ['/v2', '/v2/'])
    t.match(await raw(lab, 'GET', url), /^HTTP\/1.1 200 [\s\S]*registry\/2\.0/)
  t.match(
    await raw(lab, 'GET', '/v2/', `X: ${'x'.repeat(20_000)}\r\n`),
    /^HTTP\/1.1 431 /,
    'headers have a limit',
  )
  t.same(lab.warnings, [], 'nothing of this is a fault of the server')
}

function raw({ server }: Lab, method: string, url: string, headers = ''): Promise<string> {
  const [host, port] = server.address.split(':')
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port: Number(port) })
    let answer = ''
    socket.setEncoding('utf8').on('data', chunk => (answer += chunk))
    socket.on('close', () => resolve(answer)).on('error', reject)
    socket.write(`${method} ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n`)
  })
}

async function readOnly(t: Test, first: Lab): Promise<void> {
  await push(first, 'x/a', '1')
  const { send } = await first.restart({ readOnly: true })
  t.equal((await send('GET', '/v2/x/a/manifests/1')).status, 200)
  const rows = [
    ['POST', '/v2/x/a/blobs/uploads/'],
    ['PUT', '/v2/x/a/manifests/2'],
    ['DELETE', '/v2/x/a/manifests/1'],
    ['DELETE', `/v2/x/a/blobs/${digestOf(LAYER)}`],
  ] as const
  for (const [method, url] of rows) {
    const answer = await send(method, url)
    t.same([answer.status, answer.code], [405, 'UNSUPPORTED'], `${method} ${url}`)
  }
}

async function leaves(t: Test, lab: Lab): Promise<void> {
  const content = Buffer.alloc(32 * 1024 * 1024)
  await putBlob(lab, 'a', content)
  const [host, port] = lab.server.address.split(':')
  await new Promise<void>(resolve => {
    const socket = net.connect({ host, port: Number(port) })
    socket.once('data', () => socket.destroy()).once('close', () => resolve())
    socket.write(`GET /v2/a/blobs/${digestOf(content)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  })
  await lab.server.close(10_000)
  t.same(lab.warnings, [], 'is no fault of the server')
}
