import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { need, type Scope, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { type ChoiceOptions, choiceOf } from '../src/choice.js'
import { type RegistryRmOptions, registryRm } from '../src/index.js'

const remote = { registries: { retry: { tries: 1, baseMs: 1, maxMs: 1 } } }
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const NOW = new Date('2026-01-01T00:00:00Z')

interface More extends Partial<RegistryRmOptions> {
  readonly records?: readonly AnyRecord[]
  readonly by?: ChoiceOptions
}

async function rm(
  names: readonly string[],
  { records = [], by = {}, ...more }: More = {},
): Promise<AnyRecord[]> {
  const options = { names, choice: choiceOf(by, NOW), dryRun: false, force: false, remote, ...more }
  const written = await collect(registryRm(each(records), options))
  for (const record of written) checkRecord(record)
  return written
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

async function put(url: string, body: string, type: string, method = 'PUT'): Promise<Response> {
  return fetch(url, { method, headers: { 'content-type': type }, ...(body !== '' && { body }) })
}

/** Puts an image without a layer under tags; returns its digest. */
async function fill(host: string, tags: readonly string[], created: string): Promise<string> {
  const config = JSON.stringify({
    created,
    os: 'linux',
    architecture: 'amd64',
    rootfs: { type: 'layers', diff_ids: [] },
  })
  const { createHash } = await import('node:crypto')
  const digest = `sha256:${createHash('sha256').update(config).digest('hex')}`
  const started = await put(`http://${host}/v2/app/blobs/uploads/`, '', 'x/y', 'POST')
  const target = new URL(started.headers.get('location') ?? '')
  target.searchParams.set('digest', digest)
  await put(target.href, config, 'application/octet-stream')
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest, size: config.length },
    layers: [],
  })
  let found = ''
  for (const tag of tags)
    found =
      (await put(`http://${host}/v2/app/manifests/${tag}`, manifest, MANIFEST)).headers.get(
        'docker-content-digest',
      ) ?? ''
  return found
}

async function tagsOf(host: string): Promise<string[]> {
  const answer = (await (await fetch(`http://${host}/v2/app/tags/list`)).json()) as { tags?: string[] | null }
  return (answer.tags ?? []).sort()
}

const shown = (records: readonly AnyRecord[]): unknown[] =>
  records.map(({ type, code, reference, place }) => [
    type,
    code ?? String(reference ?? place).replace(/^.*\//, ''),
  ])

t.test('a registry that deletes no tag alone', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const shared = await fill(host, ['a', 'b'], '2025-01-01T00:00:00Z')
  await fill(host, ['c'], '2025-06-01T00:00:00Z')
  const last = await fill(host, ['d'], '2025-12-31T00:00:00Z')
  t.same(shown(await rm([`${host}/app:c`])), [['reference', 'app:c']], 'a tag that has its manifest alone')
  t.same(await tagsOf(host), ['a', 'b', 'd'])
  const [refused] = await rm([`${host}/app:a`])
  t.match(refused, {
    type: 'failed',
    code: 'TAG_SHARED',
    message: / b; give --force/,
    item: { reference: `${host}/app:a` },
  })
  t.same(await tagsOf(host), ['a', 'b', 'd'], 'nothing is deleted')
  t.same(shown(await rm([`${host}/app:a`], { force: true })), [['reference', 'app:a']])
  t.same(await tagsOf(host), ['d'])
  t.same(shown(await rm([`${host}/app:none`, `${host}/app@${shared}`, `${host}/app@${last}`])), [
    ['failed', 'MANIFEST_UNKNOWN'],
    ['failed', 'MANIFEST_UNKNOWN'],
    ['reference', `app@${last}`],
  ])
  t.same(await tagsOf(host), [])
})

t.test('a choice among the tags', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  await fill(host, ['v1', 'v1-copy'], '2025-01-01T00:00:00Z')
  await fill(host, ['v2'], '2025-12-31T00:00:00Z')
  await fill(host, ['v3'], '2025-12-31T23:00:00Z')
  const rows: readonly [by: ChoiceOptions, chosen: readonly string[], why: string][] = [
    [{ match: '^v1' }, ['v1', 'v1-copy'], 'that match'],
    [{ except: '^v1' }, ['v2', 'v3'], 'that do not'],
    [{ olderThan: '720h' }, ['v1', 'v1-copy'], 'that are old'],
    [{ olderThan: '2h', except: 'copy' }, ['v1', 'v2'], 'by both'],
    [{ match: 'nothing' }, [], 'none'],
  ]
  for (const [by, chosen, why] of rows) {
    const plan = await rm([`${host}/app`], { by, dryRun: true })
    t.same(
      plan.map(({ action, place }) => `${action} ${place}`).sort(),
      chosen.map(tag => `delete docker://${host}/app:${tag}`),
      why,
    )
  }
  t.equal((await tagsOf(host)).length, 4, 'a dry run deletes nothing')
  const records = [
    { type: 'reference', reference: `docker://${host}/app:v2` },
    { type: 'other' },
    { type: 'reference', reference: `${host}/app:v3` },
    { type: 'reference', reference: 'X Y' },
  ]
  t.same(
    shown(await rm([], { records, by: { olderThan: '2h' } })),
    [
      ['reference', 'app:v2'],
      ['other', 'undefined'],
      ['failed', 'USAGE'],
    ],
    'references that come in are chosen too',
  )
  t.equal(
    (await rm([`${host}/app`], { by: { olderThan: '720h' } })).length,
    2,
    'tags of one manifest go together',
  )
  t.same(await tagsOf(host), ['v3'])
})

async function standIn(t: Scope, statusOf: (method: string, url: string) => number): Promise<string> {
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, digest: `sha256:${'0'.repeat(64)}`, size: 2 },
    layers: [],
  })
  const server = http.createServer(({ method = '', url = '' }, answer) => {
    answer.writeHead(method === 'DELETE' ? statusOf(method, url) : 200, { 'content-type': MANIFEST })
    answer.end(method === 'GET' ? manifest : '')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>(resolve => server.close(() => resolve())))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('what registries answer', async t => {
  const asked: string[] = []
  const newer = await standIn(t, (_method, url) => {
    asked.push(url)
    return 202
  })
  t.same(shown(await rm([`${newer}/app:1`])), [['reference', 'app:1']])
  t.same(asked, ['/v2/app/manifests/1'], 'a registry that deletes tags is asked for no more')
  const never = await standIn(t, () => 405)
  t.match(await rm([`${never}/app@sha256:${'a'.repeat(64)}`]), [{ code: 'DIGEST_MISMATCH' }])
  t.match(await rm([`${never}/app:1`], { force: true }), [{ code: 'DELETE_UNSUPPORTED', message: /405/ }])
  const denied = await standIn(t, () => 403)
  t.match(await rm([`${denied}/app:1`]), [{ type: 'failed', code: 'DENIED' }])
})

t.test('the command line', async t => {
  const rows: readonly [names: readonly string[], by: ChoiceOptions][] = [
    [['registry.example/app'], {}],
    [['X Y'], {}],
    [['registry.example/app:1'], { match: '(' }],
    [['registry.example/app:1'], { except: '(' }],
    [['registry.example/app:1'], { olderThan: 'month' }],
    [['registry.example/app:1'], { olderThan: '-1h' }],
  ]
  for (const [names, by] of rows)
    await t.rejects(
      async () => rm(names, { by }),
      { code: 'USAGE', status: 2 },
      `${names} ${JSON.stringify(by)}`,
    )
})
