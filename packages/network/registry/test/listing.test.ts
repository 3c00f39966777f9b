import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import t from 'tap'
import { Budget, certificateDirs, certificatesFor, parseWarning, Registry } from '../src/index.js'
import { parseLinks } from '../src/link.js'
import { isExcepted, proxyFor } from '../src/no-proxy.js'
import { DESCRIPTOR, FAST, MANIFEST, repository, TYPE } from './repository.js'
import { answer, type Handler, serve } from './server.js'

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

const page = (tags: unknown, link?: string): Handler =>
  answer(200, { 'content-type': 'application/json', ...(link && { link }) }, JSON.stringify({ tags }))

t.test('tags, page by page', async t => {
  const { repo, seen } = await repository(t, (request, response) => {
    const isFirst = !request.url.includes('last=')
    const next = '</v2/a/b/tags/list?last=2&n=2>; rel="next"'
    page(isFirst ? ['1', '2'] : ['3'], isFirst ? next : undefined)(request, response)
  })
  t.same(await all(repo.tags()), ['1', '2', '3'])
  t.same(
    seen.map(({ url }) => url),
    ['/v2/a/b/tags/list?n=1000', '/v2/a/b/tags/list?last=2&n=2'],
  )
})

t.test('lists of a hostile registry', async t => {
  let count = 0
  const endless: Handler = (request, response) =>
    page([], `</v2/a/b/tags/list?last=${count++}>; rel=next`)(request, response)
  const rows: readonly [handler: Handler, code: string | undefined, why: string][] = [
    [page(null), undefined, "Go's empty list"],
    [page([], '</path>; rel="prev"'), undefined, 'another relation'],
    [page(['1'], '</v2/a/b/tags/list?n=1000>; rel="next"'), 'LISTING_ENDLESS', 'a page that follows itself'],
    [endless, 'LISTING_ENDLESS', 'always another page'],
    [page(['1'], '<http://169.254.169.254/latest>; rel="next"'), 'LINK_INVALID', 'another host'],
    [page(['1'], '<http://u:p@HOST/v2/>; rel="next"'), 'LINK_INVALID', 'credentials in the address'],
    [page(['1'], '<http://[>; rel="next"'), 'LINK_INVALID', 'no address'],
    [page(['1'], '<unclosed'), 'LINK_INVALID', 'no link'],
    [page({ a: 1 }), 'LISTING_INVALID', 'an object for a list'],
    [page('x'), 'LISTING_INVALID', 'a string for a list'],
    [page([1]), 'LISTING_INVALID', 'a number for a tag'],
    [answer(200, {}, '<html>login</html>'), 'LISTING_INVALID', 'a page to log in'],
    [answer(200, {}, Buffer.alloc(17 * 1024 * 1024, 32)), 'LISTING_INVALID', 'a huge page'],
    [answer(404), 'NAME_UNKNOWN', 'no such repository'],
    [answer(403), 'DENIED', 'forbidden'],
  ]
  for (const [handler, code, why] of rows) {
    const { repo } = await repository(t, handler)
    if (code === undefined) await all(repo.tags())
    else await t.rejects(all(repo.tags()), { code, status: 1 }, why)
  }
})

t.test('the catalog', async t => {
  const names = answer(200, {}, '{"repositories":["a","b/c"]}')
  const token = answer(200, {}, '{"token":"good"}')
  const { host, seen } = await serve(t, (request, response) => {
    if (request.url.startsWith('/token')) return token(request, response)
    if (request.headers.authorization === 'Bearer good') return names(request, response)
    const realm = `Bearer realm="http://${request.headers.host}/token",service="s"`
    answer(401, { 'www-authenticate': realm })(request, response)
  })
  const registry = new Registry({ domain: host, retry: FAST })
  t.teardown(() => registry.close())
  t.same(await all(registry.repositories()), ['a', 'b/c'])
  const asked = seen.find(({ url }) => url.startsWith('/token'))
  t.match(asked?.url, /scope=registry%3Acatalog%3A\*/)
  await registry.ping()
  const none = await serve(t, answer(404))
  const empty = new Registry({ domain: none.host, retry: FAST })
  t.teardown(() => empty.close())
  await t.rejects(all(empty.repositories()), { code: 'CATALOG_UNSUPPORTED' })
})

t.test('referrers', async t => {
  const subject = digestOf(MANIFEST)
  const entry = (artifactType: string): object => ({
    ...DESCRIPTOR,
    digest: digestOf(artifactType),
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType,
  })
  const index = (...entries: object[]): string =>
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries })
  const type = { 'content-type': MEDIA_TYPES.ociIndex }
  const sigs = index(entry('a/sig'), entry('a/sbom'))
  const old: Handler = (request, response) => {
    const isTag = request.url.endsWith(`/manifests/${subject.replace(':', '-')}`)
    answer(isTag ? 200 : 404, type, isTag ? sigs : '')(request, response)
  }
  const next = `</v2/a/b/referrers/${subject}?page=2>; rel="next"`
  const paged: Handler = (request, response) =>
    (request.url.includes('page=2')
      ? answer(200, type, index(entry('a/sbom')))
      : answer(200, { ...type, link: next }, sigs))(request, response)
  const rows: readonly [handler: Handler, filter: string | undefined, found: number | string, why: string][] =
    [
      [answer(200, type, sigs), undefined, 2, 'the API'],
      [answer(200, type, sigs), 'a/sig', 1, 'a filter that the registry left to us'],
      [paged, undefined, 2, 'two pages, one entry in both'],
      [old, undefined, 2, 'a registry without the API: the tag'],
      [old, 'a/sbom', 1, 'the tag, filtered'],
      [answer(404), undefined, 0, 'neither'],
      [answer(200, type, index()), undefined, 0, 'none'],
      [answer(200, TYPE, MANIFEST), undefined, 'MEDIA_TYPE_MISMATCH', 'a manifest for an index'],
      [answer(200, {}, '<html>'), undefined, 'MANIFEST_INVALID', 'a web page'],
      [answer(401), undefined, 'UNAUTHORIZED', 'refused'],
    ]
  for (const [handler, filter, found, why] of rows) {
    const { repo } = await repository(t, handler)
    const run = repo.referrers(subject, filter)
    if (typeof found === 'number') t.equal((await run).length, found, why)
    else await t.rejects(run, { code: found }, why)
  }
})

t.test('a manifest with a subject', async t => {
  const subject = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf('subject'), size: 7 }
  const document = { ...JSON.parse(String(MANIFEST)), subject, annotations: { k: 'v' } }
  const manifest = { bytes: Buffer.from(JSON.stringify(document)), mediaType: MEDIA_TYPES.ociManifest }
  const tag = `/v2/a/b/manifests/${subject.digest.replace(':', '-')}`
  const other = { ...subject, digest: digestOf('other') }
  const old = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [other] })
  const rows: readonly [
    listed: boolean,
    list: string | undefined,
    entries: number | undefined,
    why: string,
  ][] = [
    [true, undefined, undefined, 'the registry keeps the list'],
    [false, undefined, 1, 'the first of a list under the tag'],
    [false, old, 2, 'beside what is there'],
  ]
  for (const [listed, list, entries, why] of rows) {
    const { repo, seen } = await repository(t, (request, response) => {
      if (request.method === 'PUT') {
        return answer(201, listed ? { 'oci-subject': subject.digest } : {})(request, response)
      }
      answer(
        list === undefined ? 404 : 200,
        { 'content-type': MEDIA_TYPES.ociIndex },
        list,
      )(request, response)
    })
    await repo.putManifest('1', manifest)
    const put = seen.find(({ method, url }) => method === 'PUT' && url === tag)
    const found = put && JSON.parse(String(put.body)).manifests
    t.equal(found?.length, entries, why)
    const digest = digestOf(manifest.bytes)
    if (entries !== undefined)
      t.match(found.at(-1), { digest, annotations: { k: 'v' }, artifactType: MEDIA_TYPES.ociConfig })
  }
})

t.test('links and warnings', async t => {
  const bad = [
    '\\',
    '</a',
    '</a>; rel="next" x="y"',
    '</a>; r&d=x',
    '</a>; rel=a\\b',
    '</a>; rel="b',
    '</a> </b>',
  ]
  for (const header of bad) t.throws(() => parseLinks(header), { code: 'LINK_INVALID' }, header)
  t.same(
    parseLinks(' , </a>; rel=x;; TITLE="a, \\"b\\"" , /b').map(({ target, params }) => [target, ...params]),
    [['/a', ['rel', 'x'], ['title', 'a, "b"']], ['/b']],
    'empty elements, names in capitals, commas in quotes',
  )
  t.equal(parseWarning('299 - "50%25 of \\"quota\\""'), '50% of "quota"')
  for (const header of ['', '199 - "x"', '299 - x', '299 - ""', '299 - "%0d"', '299 - "a\u0085b"'])
    t.equal(parseWarning(header), undefined, JSON.stringify(header))
  const warnings: string[] = []
  const warned = answer(200, { ...TYPE, warning: '299 - "moving soon"' }, MANIFEST)
  const { repo, host } = await repository(t, warned, { warn: text => warnings.push(text) })
  await repo.getManifest('1')
  await repo.getManifest('2')
  t.same(warnings, [`${host} says: moving soon`], 'once')
})

t.test('which proxy', async t => {
  const env = { HTTPS_PROXY: 'http://s:1', http_proxy: 'http://p:2', HTTP_PROXY: 'http://x:3' }
  t.equal(proxyFor(new URL('https://h.example'), env), 'http://s:1')
  t.equal(proxyFor(new URL('http://h.example'), env), 'http://p:2', 'lower case wins')
  t.equal(proxyFor(new URL('https://h.example'), { http_proxy: 'http://p:2' }), 'http://p:2')
  t.equal(proxyFor(new URL('http://h.example'), { HTTPS_PROXY: 'http://s:1' }), undefined)
  t.equal(proxyFor(new URL('http://h.example'), { ...env, no_proxy: '*' }), undefined)
  const rows: readonly [noProxy: string, url: string, excepted: boolean, why: string][] = [
    ['h.example', 'https://h.example', true, 'the host'],
    ['h.example', 'https://r.h.example', true, 'a subdomain'],
    ['h.example', 'https://xh.example', false, 'whole labels only'],
    ['.h.example', 'https://r.h.example', true, 'a domain'],
    ['.h.example', 'https://h.example', false, 'the domain itself'],
    ['*.h.example', 'https://r.h.example', true, 'a star'],
    ['H.Example', 'https://h.example', true, 'in capitals'],
    ['a.example, h.example', 'https://h.example', true, 'a list'],
    ['h.example:5000', 'https://h.example:5000', true, 'with its port'],
    ['h.example:5000', 'https://h.example', false, 'another port'],
    ['h.example:443', 'https://h.example', true, 'the port of the scheme'],
    ['10.0.0.0/8', 'https://10.1.2.3', true, 'a range'],
    ['10.0.0.0/8', 'https://11.1.2.3', false, 'outside it'],
    ['10.0.0.0/8', 'https://h.example', false, 'names are not resolved'],
    ['10.0.0.0/99', 'https://10.1.2.3', false, 'no range'],
    ['fd00::/8', 'https://[fd00::1]', true, 'a range of IPv6'],
    ['fd00::1', 'https://[fd00::1]', true, 'an address of IPv6'],
    ['', 'https://h.example', false, 'nothing'],
    [',:5,/', 'https://h.example:5', false, 'crumbs'],
  ]
  for (const [noProxy, url, excepted, why] of rows) t.equal(isExcepted(new URL(url), noProxy), excepted, why)
})

t.test('certificates of a registry', async t => {
  const dir = t.testdir({
    first: { 'h:5000': { 'ca.crt': 'CA', 'b.crt': 'B', 'x.cert': 'CERT', 'x.key': 'KEY', note: '' } },
    second: { 'h:5000': { 'ca.crt': 'other' }, half: { 'x.cert': 'CERT' }, none: {} },
  })
  const dirs = ['missing', 'first', 'second'].map(name => path.join(dir, name))
  t.same(certificatesFor('h:5000', dirs), {
    authorities: ['B', 'CA'],
    identity: { cert: 'CERT', key: 'KEY' },
  })
  t.same(certificatesFor('other', dirs), {})
  t.same(certificatesFor('none', dirs), {})
  t.throws(() => certificatesFor('half', dirs), { code: 'CERTIFICATE_INVALID' }, 'without its key')
  fs.mkdirSync(path.join(dir, 'first', 'dir', 'a.crt'), { recursive: true })
  t.throws(() => certificatesFor('dir', dirs), { code: 'EISDIR' })
  t.same(certificateDirs({ HOME: '/h' })[0], '/h/.config/containers/certs.d')
})

t.test('a budget of requests', async t => {
  const budget = new Budget(50)
  const start = performance.now()
  await Promise.all([...Array(6)].map(() => budget.turn('a')))
  const spent = performance.now() - start
  t.ok(spent >= 95, `six turns at 50 a second take 100 ms: ${spent}`)
  const slow = new Budget(0.001)
  await slow.turn('a')
  await slow.turn('b')
  t.pass('each host has its own')
  await t.rejects(slow.turn('b', AbortSignal.abort()), { name: 'AbortError' })
})
