// --search: Docker Hub by a stand-in for it, registries with a search of their own, and catalogs.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import path from 'node:path'
import type { RemoteOptions } from '@pipelayer/places'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { need, type Scope, serve, startRegistry, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type RegistryLsOptions, registryLs, searchTable } from '../src/index.js'
import { searchSubjectOf } from '../src/search.js'

const retry = { tries: 1, baseMs: 1, maxMs: 1 }
const FOUND = [
  { name: 'nginx', description: 'Official build of Nginx.', star_count: 20_000, is_official: true },
  { name: 'bitnami/nginx', description: '', star_count: 0, is_official: false },
]

async function find(
  search: string,
  { remote = { registries: { retry } }, ...more }: Partial<RegistryLsOptions> = {},
): Promise<AnyRecord[]> {
  const records = await collect(registryLs({ name: '', search, remote, ...more }))
  for (const record of records) checkRecord(record)
  return records
}

const names = (records: readonly AnyRecord[]): unknown[] =>
  records.map(record => String(record.reference ?? record.code).replace(/^127\.0\.0\.1:\d+\//, ''))

/** A proxy on loopback that leads every address to a server which answers as Docker Hub does. */
async function hub(t: Scope, asked: string[]): Promise<RemoteOptions> {
  const dir = tempDir(t, 'hub')
  const [key, cert] = ['key', 'cert'].map(name => path.join(dir, name)) as [string, string]
  const subject = ['-subj', '/CN=stand-in', '-addext', 'subjectAltName=DNS:index.docker.io']
  const made = ['-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...made, ...subject], { stdio: 'ignore' })
  const authority = fs.readFileSync(cert, 'utf8')
  const server = https.createServer({ key: fs.readFileSync(key), cert: authority }, (request, response) => {
    asked.push(String(request.url))
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ results: FOUND }))
  })
  const proxy = http.createServer().on('connect', (request, socket) => {
    asked.push(String(request.url))
    const { port } = server.address() as AddressInfo
    const inner = net.connect(port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    inner.pipe(socket).pipe(inner)
  })
  for (const one of [server, proxy]) {
    await new Promise<void>(resolve => one.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      one.close()
      one.closeAllConnections()
    })
  }
  const { port } = proxy.address() as AddressInfo
  return {
    env: { HTTPS_PROXY: `http://127.0.0.1:${port}` },
    registries: { retry, tls: { authorities: [authority] } },
  }
}

t.test('Docker Hub', { skip: need('openssl') }, async t => {
  const asked: string[] = []
  const remote = await hub(t, asked)
  t.same(await find('nginx', { remote }), [
    {
      type: 'reference',
      reference: 'docker.io/library/nginx',
      description: 'Official build of Nginx.',
      stars: 20_000,
      official: true,
    },
    { type: 'reference', reference: 'docker.io/bitnami/nginx', stars: 0 },
  ])
  t.same(asked, ['index.docker.io:443', '/v1/search?q=nginx&n=25'])
  for (const [search, name, limit, target] of [
    ['a b&c', 'docker.io', 1, '/v1/search?q=a+b%26c&n=1'],
    ['library/x', 'index.docker.io', 100, '/v1/search?q=x&n=100'],
    ['docker.io/team/x', '', undefined, '/v1/search?q=team%2Fx&n=25'],
  ] as const) {
    const found = await find(search, { remote, name, limit })
    t.equal(found.length, limit === 1 ? 1 : 2, 'no more than was asked for')
    t.equal(asked.at(-1), target)
  }
  t.same(names(await find('nginx', { remote, filter: 'bitnami/*' })), ['docker.io/bitnami/nginx'], 'filtered')
})

t.test('a registry without a search is looked through', { skip: need('docker-registry') }, async t => {
  const { host, storage } = await startRegistry(t)
  for (const name of ['team/nginx', 'nginx-old', 'other', 'a/nginx'])
    fs.mkdirSync(path.join(storage, 'docker/registry/v2/repositories', name, '_layers'), { recursive: true })
  t.same(names(await find('Nginx', { name: host })), ['a/nginx', 'nginx-old', 'team/nginx'])
  t.same(names(await find('nginx', { name: `docker://${host}/`, limit: 2 })), ['a/nginx', 'nginx-old'])
  t.same(names(await find(`${host}/nginx`, { match: '^team' })), ['team/nginx'], 'the host before the word')
  t.same(await find('nothing', { name: host }), [])
})

t.test('answers', async t => {
  const json = (value: unknown): string => JSON.stringify(value)
  const catalog = json({ repositories: ['x/in-the-catalog'] })
  const one = (more: object): string => json({ results: [{ name: 'x', ...more }] })
  const host = 'evil.example'
  const rows: readonly [
    status: number,
    body: string,
    type: string,
    outcome: readonly unknown[] | { readonly code: string; readonly [field: string]: unknown },
    why: string,
  ][] = [
    [200, one({}), 'application/json', ['x'], 'a name alone'],
    [200, one({ description: 5, star_count: -1, is_official: 'yes' }), '', ['x'], 'fields of other types'],
    [200, json({ results: null }), '', [], 'an empty list, as Go writes it'],
    [200, json({}), '', [], 'none'],
    [
      200,
      json({ results: [{ name: '../x' }, { name: 'X' }, { name: 'y' }] }),
      '',
      ['REFERENCE_INVALID', 'REFERENCE_INVALID', 'y'],
      'names that are none',
    ],
    [
      200,
      json({ results: [{ name: `${host}/x` }] }),
      '',
      [`${host}/x`],
      'a name that looks like another host stays here',
    ],
    [200, '<html>', 'text/html; charset=utf-8', ['x/in-the-catalog'], 'a web page'],
    [404, '404 page not found', 'text/plain', ['x/in-the-catalog'], 'no such address'],
    [405, '', '', ['x/in-the-catalog'], 'nor such a method'],
    [200, 'oops', '', { code: 'LISTING_INVALID' }, 'no JSON'],
    [200, json({ results: {} }), '', { code: 'LISTING_INVALID' }, 'no list'],
    [200, json({ results: [{}] }), '', { code: 'LISTING_INVALID', message: /no name/ }, 'no name'],
    [200, json({ results: ['x'] }), '', { code: 'LISTING_INVALID' }, 'no object'],
    [200, ' '.repeat(5 * 1024 * 1024), '', { code: 'LISTING_INVALID', message: /more than/ }, 'a flood'],
    [403, '', '', { code: 'DENIED' }, 'a refusal'],
    [500, '', '', { code: 'SERVER_ERROR', status: 75 }, 'a registry in trouble'],
  ]
  for (const [status, body, type, outcome, why] of rows) {
    const { url } = await serve(t, (request, response) => {
      if (request.url?.startsWith('/v1/')) response.writeHead(status, { 'content-type': type }).end(body)
      else response.end(catalog)
    })
    const found = find('x', { name: url.slice('http://'.length) })
    if ('length' in outcome) t.same(names(await found), outcome, why)
    else await t.rejects(found, outcome, why)
  }
  const { url } = await serve(t, (_request, response) => {
    response.end(json({ results: [{ name: 'x', description: `${'d'.repeat(3000)}`, star_count: 2 ** 60 }] }))
  })
  const [record] = await find('x', { name: url.slice('http://'.length) })
  t.same([String(record?.description).length, record?.stars], [1000, undefined], 'bounds')
  const none = await serve(t, (_request, response) => response.writeHead(404).end())
  await t.rejects(find('x', { name: none.url.slice('http://'.length) }), { code: 'CATALOG_UNSUPPORTED' })
})

t.test('command lines', async t => {
  const subject = (search: string, name = '', limit?: number) =>
    searchSubjectOf({ search, name, limit, remote: {} })
  t.same(subject('nginx'), { domain: 'docker.io', word: 'nginx', limit: 25 })
  t.same(subject('quay.io/app'), { domain: 'quay.io', word: 'app', limit: 25 })
  t.same(subject('localhost/app'), { domain: 'localhost', word: 'app', limit: 25 })
  t.same(subject('team/app', 'h:5', 3), { domain: 'h:5', word: 'team/app', limit: 3 })
  for (const [search, name, limit] of [
    ['', '', 1],
    ['  ', '', 1],
    ['quay.io/', '', 1],
    ['x', 'h.example/a', 1],
    ['x', 'H_!', 1],
    ['x', '', 0],
    ['x', '', 101],
    ['x', '', 1.5],
  ] as const)
    t.throws(() => subject(search, name, limit), { code: 'USAGE', status: 2 }, `${search} ${name} ${limit}`)
  for (const more of [{ tags: true }, { referrers: true }, { artifactType: 'x' }])
    await t.rejects(find('x', more), { code: 'USAGE', status: 2 })
  const remote = { registries: { retry } }
  await t.rejects(collect(registryLs({ name: 'h.example', limit: 5, remote })), {
    code: 'USAGE',
    message: /--limit/,
  })
})

t.test('on a terminal', async t => {
  const form = searchTable()
  const records = [
    {
      type: 'reference',
      reference: 'docker.io/library/nginx',
      description: 'Official',
      stars: 20,
      official: true,
    },
    { type: 'reference', reference: 'h.example/x', description: `\x1b[31m\n${'long '.repeat(20)}` },
    { type: 'failed', message: 'no' },
  ]
  for (const record of records) t.equal(form.record(record), '')
  const lines = form.end({ type: 'end' } as never).split('\n')
  t.match(lines[0], /^NAME +DESCRIPTION +STARS +OFFICIAL$/)
  t.match(lines[1], /^nginx +Official +20 +\[OK\]$/)
  t.match(lines[2], /^h\.example\/x +\\x1b\[31m long long .*…$/)
  t.equal(lines.length, 4)
})
