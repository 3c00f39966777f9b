import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { need, type Scope, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { filterOf } from '../src/filter.js'
import { LINES, type RegistryLsOptions, registryLs } from '../src/index.js'
import { subjectOf } from '../src/subject.js'

const remote = { registries: { retry: { tries: 1, baseMs: 1, maxMs: 1 } } }
const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

async function ls(name: string, more: Partial<RegistryLsOptions> = {}): Promise<AnyRecord[]> {
  const records = await collect(registryLs({ name, remote, ...more }))
  for (const record of records) checkRecord(record)
  return records
}

const references = (records: readonly AnyRecord[]): unknown[] =>
  records.map(record => String(record.reference ?? record.code).replace(/^127\.0\.0\.1:\d+\//, ''))

async function put(url: string, method: string, body: string | undefined, type: string): Promise<Response> {
  return fetch(url, { method, headers: { 'content-type': type }, ...(body !== undefined && { body }) })
}

/** Puts an image without a layer; returns its digest. */
async function fill(host: string, path: string, tag: string, more: object = {}): Promise<string> {
  const started = await put(`http://${host}/v2/${path}/blobs/uploads/`, 'POST', '', 'x/y')
  const target = new URL(started.headers.get('location') ?? '')
  target.searchParams.set('digest', EMPTY)
  await put(target.href, 'PUT', '', 'application/octet-stream')
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: EMPTY, size: 0 }
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [], ...more })
  const answer = await put(`http://${host}/v2/${path}/manifests/${tag}`, 'PUT', manifest, MANIFEST)
  return answer.headers.get('docker-content-digest') ?? ''
}

t.test('a real registry', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const digest = await fill(host, 'team/app', '1.0')
  for (const tag of ['1.1', 'latest']) await fill(host, 'team/app', tag)
  await fill(host, 'tools/x', '7')
  const subject = { mediaType: MANIFEST, digest, size: 1 }
  const sig = await fill(host, 'team/app', 'sig', { subject, artifactType: 'a/sig' })
  const manifests = [{ ...subject, digest: sig, artifactType: 'a/sig', annotations: { k: 'v' } }]
  const index = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests })
  await put(`http://${host}/v2/team/app/manifests/${digest.replace(':', '-')}`, 'PUT', index, INDEX)
  const rows: readonly [name: string, more: Partial<RegistryLsOptions>, found: string[], why: string][] = [
    [host, {}, ['team/app', 'tools/x'], 'the catalog'],
    [host, { filter: 'team/*' }, ['team/app'], 'filtered'],
    [`${host}/tools/x`, {}, ['tools/x:7'], 'tags'],
    [`docker://${host}/tools/x/`, {}, ['tools/x:7'], 'written as a place'],
    [`${host}/team/app`, { filter: '1.*' }, ['team/app:1.0', 'team/app:1.1'], 'tags by a glob'],
    [`${host}/team/app`, { match: '^[0-9.]+$', filter: '*.1' }, ['team/app:1.1'], 'by both'],
    [host, { tags: true, match: ':(7|latest)$' }, ['team/app:latest', 'tools/x:7'], 'all tags'],
    [
      host,
      { tags: true, filter: '*/*:[17]*' },
      ['team/app:1.0', 'team/app:1.1', 'tools/x:7'],
      'of both parts',
    ],
    [
      host,
      { tags: true, filter: 'to*/x' },
      ['tools/x:7'],
      'without a colon, repositories with all their tags',
    ],
    [host, { tags: true, filter: 'tools/x*7' }, [], 'a star of the path is not one of the tag'],
    [`${host}/team/app@${digest}`, { referrers: true }, [`team/app@${sig}`], 'referrers, by the tag'],
    [`${host}/team/app:1.0`, { referrers: true }, [`team/app@${sig}`], 'referrers of a tag'],
    [`${host}/team/app:1.0`, { referrers: true, artifactType: 'b/c' }, [], 'of another type'],
    [`${host}/tools/x:7`, { referrers: true }, [], 'none; the same manifest elsewhere'],
  ]
  for (const [name, more, found, why] of rows) t.same(references(await ls(name, more)).sort(), found, why)
  const [record] = await ls(`${host}/team/app:1.0`, { referrers: true })
  t.match(record, { artifactType: 'a/sig', mediaType: MANIFEST, annotations: { k: 'v' }, subject: digest })
  await t.rejects(ls(`${host}/none`), { code: 'NAME_UNKNOWN', status: 1 })
  await t.rejects(ls(`${host}/none:1`, { referrers: true }), { code: 'MANIFEST_UNKNOWN' })
})

t.test('names that are none, and repositories that cannot be listed', async t => {
  const host = await serve(t, {
    '/v2/_catalog?n=1000': '{"repositories":["good","../bad","Bad","locked"]}',
    '/v2/good/tags/list?n=1000': '{"tags":["1","no tag","../x"]}',
  })
  t.same(references(await ls(host)), ['good', 'REFERENCE_INVALID', 'REFERENCE_INVALID', 'locked'])
  const all = await ls(host, { tags: true })
  t.equal(references(all)[0], 'good:1')
  t.same(
    all.map(({ type }) => type),
    ['reference', ...Array(5).fill('failed')],
  )
  t.match(all.at(-1), { tool: 'registry-ls', code: 'NAME_UNKNOWN', item: { reference: `${host}/locked` } })
  for (const filter of ['go*', 'go*:1', '[a-g]*:1', 'g[o:]*:1', 'go\\od:1'])
    t.same(
      references(await ls(host, { tags: true, filter, match: 'good:1' })),
      ['good:1'],
      `${filter}: what the pattern leaves out is not asked for, and cannot fail`,
    )
  const usage = { code: 'USAGE', status: 2, message: /--tags/ }
  await t.rejects(ls(host, { filter: 'go*:1' }), usage, 'no repository has a colon in its name')
})

t.test('a catalog of many pages is not held', async t => {
  const host = await serve(t, undefined)
  let count = 0
  for await (const record of registryLs({ name: host, remote })) {
    t.ok(record.reference)
    if (++count === 25) break
  }
  t.equal(count, 25, 'the reader left, and nothing goes on')
})

async function serve(t: Scope, answers: Readonly<Record<string, string>> | undefined): Promise<string> {
  let page = 0
  const server = http.createServer(({ url = '' }, response) => {
    const body = answers === undefined ? JSON.stringify({ repositories: [`r${page}`] }) : answers[url]
    const link = answers === undefined ? { link: `</v2/_catalog?last=${page++}>; rel="next"` } : {}
    response.writeHead(body === undefined ? 404 : 200, link).end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('on a terminal', async t => {
  t.equal(LINES.record({ type: 'reference', reference: 'h/a' }), 'h/a\n')
  t.equal(LINES.record({ type: 'reference', reference: 'no\u001b' }).includes('\u001b'), false)
  t.equal(LINES.record({ type: 'failed', message: 'no' }), '', 'said on stderr')
  t.equal(LINES.end(), '')
})

t.test('what is meant', async t => {
  const rows: readonly [name: string, more: object, found: object | undefined, why: string][] = [
    ['h.example', {}, { domain: 'h.example' }, 'a host'],
    ['localhost', {}, { domain: 'localhost' }, 'this host'],
    ['h:5000', {}, { domain: 'h:5000' }, 'a port'],
    ['h.example/', {}, { domain: 'h.example' }, 'a slash too many'],
    ['h.example/a/b', {}, { domain: 'h.example', path: 'a/b' }, 'a repository'],
    ['debian', {}, { domain: 'docker.io', path: 'library/debian' }, 'of the Hub'],
    ['h.example/a:1', {}, undefined, 'one image'],
    ['h.example/a:1', { referrers: true }, { path: 'a', tag: '1' }, 'its referrers'],
    ['h.example', { referrers: true }, undefined, 'a registry has none'],
    ['h.example/a', { tags: true }, undefined, 'tags of a repository'],
    ['h.example/a', { artifactType: 'x' }, undefined, 'a type of nothing'],
    ['', {}, undefined, 'nothing'],
    ['H.Example/A', {}, undefined, 'no name'],
  ]
  for (const [name, more, found, why] of rows) {
    const run = (): unknown => subjectOf({ name, ...more })
    if (found === undefined) t.throws(run, { code: 'USAGE', status: 2 }, why)
    else t.match(run(), found, why)
  }
})

t.test('patterns', async t => {
  const rows: readonly [glob: string, name: string, matches: boolean][] = [
    ['*', 'a', true],
    ['*', 'a/b', false],
    ['**', 'a/b', true],
    ['a?', 'ab', true],
    ['a?', 'a/', false],
    ['[a-c]1', 'b1', true],
    ['[!a-c]1', 'b1', false],
    ['1.*', '1x0', false],
    ['\\*', '*', true],
    ['\\*', 'a', false],
    ['a+b(c)', 'a+b(c)', true],
    ['', '', true],
    ['[', '[', true],
  ]
  for (const [glob, name, matches] of rows)
    t.equal(filterOf({ filter: glob })(name), matches, `${glob} ${name}`)
  t.throws(() => filterOf({ match: '(' }), { code: 'USAGE', status: 2 })
  t.throws(() => filterOf({ filter: '[z-a]' }), { code: 'USAGE', status: 2 })
})
