import fs from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import v8 from 'node:v8'
import vm from 'node:vm'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgPullOptions, imgPull } from '../src/index.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }
const ARM64 = { os: 'linux', architecture: 'arm64' }
const PPC = { os: 'linux', architecture: 'ppc64le' }

/** How many bytes of the heap are still referenced; garbage that is not collected yet does not count. */
function heapInUse(): number {
  v8.setFlagsFromString('--expose-gc')
  vm.runInNewContext('gc')()
  return process.memoryUsage().heapUsed
}

interface Served {
  readonly mediaType: string
  readonly bytes: Buffer
}

/** A registry in memory: `/v2/NAME/manifests/REFERENCE` and blobs by digest. */
class FakeRegistry {
  readonly manifests = new Map<string, Served>()
  readonly blobs = new Map<string, Buffer>()
  readonly referrers = new Map<string, object[]>()
  readonly seen: string[] = []
  /** Returns a status to answer with in place of the content. */
  fault: ((url: string) => number | undefined) | undefined
  host = ''
  connections = 0

  async listen(t: Scope): Promise<this> {
    const server = http.createServer((request, response) => this.#answer(request.url ?? '', response))
    server.on('connection', () => this.connections++)
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    this.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
    return this
  }

  blob(mediaType: string, content: object | string): { mediaType: string; digest: string; size: number } {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    this.blobs.set(digestOf(bytes), bytes)
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }

  /** Keeps a document by its digest, and by a tag. */
  put(
    mediaType: string,
    document: object,
    tag?: string,
  ): { mediaType: string; digest: string; size: number } {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...document }))
    for (const name of [digestOf(bytes), ...(tag === undefined ? [] : [tag])])
      this.manifests.set(name, { mediaType, bytes })
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }

  image(
    text: string,
    more: { tag?: string; platform?: object; fields?: object } = {},
  ): { mediaType: string; digest: string; size: number } {
    const layer = this.blob(`${MEDIA_TYPES.ociLayer}+gzip`, text)
    const rootfs = { type: 'layers', diff_ids: [digestOf(text)] }
    const config = this.blob(MEDIA_TYPES.ociConfig, { ...(more.platform ?? AMD64), rootfs })
    return this.put(MEDIA_TYPES.ociManifest, { config, layers: [layer], ...more.fields }, more.tag)
  }

  #answer(url: string, response: http.ServerResponse): void {
    this.seen.push(url)
    const fault = this.fault?.(url)
    if (fault !== undefined) return void response.writeHead(fault).end()
    const [, kind = '', name = ''] = /\/(manifests|blobs|referrers)\/(.+)$/.exec(url) ?? []
    const manifests = this.referrers.get(name)
    if (kind === 'referrers' && manifests !== undefined) {
      const index = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })
      return void response.writeHead(200, { 'content-type': MEDIA_TYPES.ociIndex }).end(index)
    }
    const manifest = kind === 'manifests' ? this.manifests.get(name) : undefined
    const bytes = kind === 'blobs' ? this.blobs.get(name) : manifest?.bytes
    if (bytes === undefined) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': manifest?.mediaType ?? 'x/y', 'content-length': bytes.length })
    response.end(bytes)
  }
}

function puller(t: Scope, base: Partial<ImgPullOptions> = {}) {
  const store = `${tempDir(t, 'pull')}/store`
  const pull = async (references: string[], more: Partial<ImgPullOptions> = {}): Promise<AnyRecord[]> => {
    const registries = { retry: { tries: 1, baseMs: 1, maxMs: 1 } }
    const records = await collect(
      imgPull(none(), { references, machine: AMD64, store, registries, ...base, ...more }),
    )
    for (const record of records) checkRecord(record)
    return records
  }
  return { store, pull }
}

async function* none(): AsyncGenerator<AnyRecord> {}

const types = (records: readonly AnyRecord[]): string => records.map(({ type }) => type).join(' ')

t.test('several platforms', async t => {
  const registry = await new FakeRegistry().listen(t)
  const entries = [AMD64, ARM64, PPC].map(platform => ({
    ...registry.image(platform.architecture, { platform }),
    platform,
    annotations: { of: platform.architecture },
  }))
  const whole = registry.put(MEDIA_TYPES.ociIndex, { manifests: entries, annotations: { k: 'v' } }, 'many')
  const alone = registry.image('alone', { tag: 'alone' })
  const { pull, store } = puller(t)
  const name = `${registry.host}/a/b:many`
  const two = await pull([name], { platforms: ['linux/ppc64le', 'linux/amd64'] })
  const root = two.at(-1)
  t.match(root, { type: 'index', root: true, reference: name })
  t.same(
    JSON.parse(fs.readFileSync(String(root?.path), 'utf8')),
    {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: [entries[0], entries[2]],
      annotations: { k: 'v' },
    },
    'its entries in their order, all else as it was',
  )
  t.match(Store.open(store).resolve(name), [{ digest: root?.digest }])
  const all = ['linux/arm64', 'linux/amd64', 'linux/ppc64le']
  t.equal((await pull([name], { platforms: all })).at(-1)?.digest, whole.digest, 'all of it: the same bytes')
  t.match(
    (await pull([name], { platforms: ['linux/amd64', 'linux/amd64'] })).at(-1),
    { type: 'index' },
    'twice the same',
  )
  t.match(
    (await pull([`${registry.host}/a/b:alone`], { platforms: all })).at(-1),
    { digest: alone.digest },
    'no index',
  )
  await t.rejects(pull([name], { platforms: ['linux/amd64', 'linux/s390x'] }), { code: 'PLATFORM_NOT_FOUND' })
  await t.rejects(pull([name], { platforms: ['linux/amd64', 'a/b/c/d'] }), {
    code: 'PLATFORM_INVALID',
    status: 2,
  })
})

t.test('a name pinned to the digest of an index', async t => {
  const registry = await new FakeRegistry().listen(t)
  const entries = [AMD64, ARM64, PPC].map(platform => ({
    ...registry.image(platform.architecture, { platform }),
    platform,
  }))
  const [amd] = entries
  const index = registry.put(MEDIA_TYPES.ociIndex, { manifests: entries })
  const outer = registry.put(MEDIA_TYPES.ociIndex, { manifests: [{ ...index, platform: AMD64 }] })
  const warnings: string[] = []
  const warn = (_message: string, code = ''): void => void warnings.push(code)
  const { pull, store } = puller(t, { warn })
  for (const { digest } of [index, outer]) {
    const name = `${registry.host}/a/b@${digest}`
    await pull([name])
    const [named] = Store.open(store).resolve(name)
    t.equal(named?.digest, amd?.digest, 'the manifest of the platform has the name')
    t.equal((await pull([`store:${name}`])).at(-1)?.digest, amd?.digest, 'and is read back by it')
    t.ok(Store.open(store).hasBlob(digest), 'since the index is there')
    fs.rmSync(Store.open(store).blobPath(digest))
    await t.rejects(
      pull([`store:${name}`]),
      { code: 'MANIFEST_UNKNOWN' },
      'without the index it is no such image',
    )
    await pull([name])
    t.equal((await pull([`store:${name}`])).at(-1)?.digest, amd?.digest, 'another pull brings it')
  }
  const name = `${registry.host}/a/two@${index.digest}`
  await pull([name], { platforms: ['linux/amd64', 'linux/arm64'] })
  t.same(Store.open(store).resolve(name), [], 'a new index of two platforms is not what was named')
  t.same(warnings, ['NAME_PINNED'], 'and that is said')
  await pull([name], { allPlatforms: true })
  t.equal(Store.open(store).resolve(name)[0]?.digest, index.digest)
})

t.test('what is damaged in the store', async t => {
  const registry = await new FakeRegistry().listen(t)
  const image = registry.image('a layer', { tag: '1' })
  const name = `${registry.host}/a/b:1`
  const rows: readonly [type: string, verify: boolean, isMended: boolean, why: string][] = [
    ['manifest', false, true, 'a manifest'],
    ['config', false, true, 'a config'],
    ['layer', false, false, 'a layer counts by its size'],
    ['layer', true, true, 'a layer, with --verify'],
  ]
  for (const [type, verify, isMended, why] of rows) {
    const warnings: string[] = []
    const warn = (message: string, code = ''): void => void warnings.push(`${code} ${message}`)
    const { pull, store } = puller(t, { warn, verify })
    const record = (await pull([name])).find(one => one.type === type)
    const file = String(record?.path)
    const asked = registry.seen.length
    await pull([name])
    t.equal(registry.seen.slice(asked).filter(url => url.includes('/blobs/')).length, 0, `right: ${why}`)
    fs.writeFileSync(file, Buffer.alloc(Number(record?.size), 'x'))
    t.equal((await pull([name])).at(-1)?.digest, image.digest, `the pull goes well: ${why}`)
    t.equal(digestOf(fs.readFileSync(file)) === record?.digest, isMended, `mended: ${why}`)
    if (type === 'manifest' || !isMended) continue
    t.match(warnings.join(), `BLOB_DAMAGED blob ${record?.digest} in the store was damaged`, `told: ${why}`)
    fs.writeFileSync(file, Buffer.alloc(Number(record?.size), 'x'))
    await t.rejects(pull([`store:${name}`]), { code: 'BLOB_UNKNOWN' }, `the store alone: ${why}`)
    t.equal(fs.readdirSync(`${store}/damaged`).length, 1, `it is kept: ${why}`)
    await pull([name])
    t.equal(digestOf(fs.readFileSync(file)), record?.digest, `and pulled again: ${why}`)
  }
})

t.test('without a store', async t => {
  const registry = await new FakeRegistry().listen(t)
  registry.image('layer', { tag: '1' })
  const { pull, store } = puller(t, { noStore: true })
  const records = await pull([`${registry.host}/a/b:1`])
  t.equal(types(records), 'layer config manifest')
  for (const record of records) t.match(record, { path: undefined, from: [`docker://${registry.host}/a/b`] })
  const data = Buffer.from(String(records.at(-1)?.data), 'base64')
  t.equal(digestOf(data), records.at(-1)?.digest, 'the manifest is in its record')
  t.notOk(fs.existsSync(store), 'nothing is written')
  t.notOk(
    registry.seen.some(url => url.includes(digestOf('layer'))),
    'no layer is fetched',
  )
})

t.test('of the store, without a store', async t => {
  const registry = await new FakeRegistry().listen(t)
  registry.image('layer', { tag: '1' })
  const { pull } = puller(t)
  const name = `${registry.host}/a/b:1`
  const kept = await pull([name])
  const named = await pull([`store:${name}`], { noStore: true })
  for (const record of named) t.match(record, { path: undefined, from: [`store:${record.digest}`] })
  t.equal(named.at(-1)?.digest, kept.at(-1)?.digest)
})

t.test('referrers', async t => {
  const registry = await new FakeRegistry().listen(t)
  const image = registry.image('app', { tag: '1' })
  const sbom = registry.image('sbom', { fields: { subject: image } })
  const onSbom = registry.image('signature of sbom', { fields: { subject: sbom } })
  const tagged = registry.image('cosign', { tag: `${image.digest.replace(':', '-')}.sig` })
  registry.referrers.set(image.digest, [sbom])
  registry.referrers.set(sbom.digest, [onSbom, image])
  const { pull } = puller(t)
  const reference = `${registry.host}/a/b`
  const roots = (await pull([`${reference}:1`], { referrers: true })).filter(({ root }) => root === true)
  t.match(roots, [
    { digest: image.digest, reference: `${reference}:1`, subject: undefined },
    { digest: sbom.digest, reference: `${reference}@${sbom.digest}`, subject: image.digest },
    {
      digest: tagged.digest,
      reference: `${reference}:${image.digest.replace(':', '-')}.sig`,
      subject: image.digest,
    },
    { digest: onSbom.digest, subject: sbom.digest },
  ])
  t.equal(new Set(roots.map(record => record.image)).size, 4, 'each an image of its own')
  t.equal((await pull([`${reference}:1`])).filter(({ root }) => root === true).length, 1, 'only when asked')
  registry.fault = url => (url.includes('/referrers/') ? 403 : undefined)
  await t.rejects(pull([`${reference}:1`], { referrers: true }), { code: 'DENIED' })
})

t.test('mirrors', async t => {
  const [own, mirror] = [await new FakeRegistry().listen(t), await new FakeRegistry().listen(t)]
  for (const registry of [own, mirror]) registry.image('layer', { tag: '1' })
  const digest = own.image('layer').digest
  const warnings: string[] = []
  const endpoints = (resolves: boolean) => [
    { domain: mirror.host, path: 'hub/a', resolves },
    { domain: own.host, path: 'a', resolves: true },
  ]
  const route = (resolves: boolean, blocked = false): Partial<ImgPullOptions> => ({
    registries: {
      retry: { tries: 1, baseMs: 1, maxMs: 1 },
      route: ({ domain }) =>
        domain === own.host ? { rule: 'rule', blocked, endpoints: endpoints(resolves) } : undefined,
    },
    warn: (message: string) => void warnings.push(message),
    noStore: true,
  })
  const run = async (options: Partial<ImgPullOptions>): Promise<AnyRecord | undefined> =>
    (await puller(t).pull([`${own.host}/a:1`], options)).at(-1)
  t.match(await run(route(true)), {
    digest,
    from: [`docker://${mirror.host}/hub/a`, `docker://${own.host}/a`],
  })
  t.same(own.seen, [], 'the mirror served all')
  t.match(
    await run(route(false)),
    { digest, from: [`docker://${own.host}/a`] },
    'who may not resolve is not asked',
  )
  mirror.fault = () => 500
  t.match(await run(route(true)), { digest, from: [`docker://${own.host}/a`] }, 'a broken mirror')
  t.match(warnings.at(-1), /docker:\/\/.*\/hub\/a did not serve: .*; asking the next host/)
  mirror.fault = url => (url.includes('/blobs/') ? 404 : undefined)
  t.match(await run({ ...route(true), noStore: false }), { digest }, 'a mirror without the blobs')
  await t.rejects(run(route(true, true)), { code: 'REGISTRY_BLOCKED', status: 1 })
  mirror.manifests.set('1', { mediaType: MEDIA_TYPES.ociManifest, bytes: Buffer.from('{}') })
  t.match(await run(route(true)), { digest }, 'a mirror that talks nonsense')
  own.fault = () => 404
  await t.rejects(run(route(true)), { code: 'MANIFEST_UNKNOWN' }, 'the last host has the last word')
})

t.test('images side by side', async t => {
  const registry = await new FakeRegistry().listen(t)
  const shared = registry.blob(`${MEDIA_TYPES.ociLayer}+gzip`, 'shared')
  const count = 40
  for (let i = 0; i < count; i++) {
    const own = registry.blob(`${MEDIA_TYPES.ociLayer}+gzip`, `own ${i}`)
    const rootfs = { type: 'layers', diff_ids: [digestOf('shared'), digestOf(`own ${i}`)] }
    const config = registry.blob(MEDIA_TYPES.ociConfig, { ...AMD64, rootfs })
    registry.put(MEDIA_TYPES.ociManifest, { config, layers: [shared, own] }, `t${i}`)
  }
  const { store, pull } = puller(t)
  const references = Array.from({ length: count }, (_, i) => `${registry.host}/a${i}/b:t${i}`)
  const records = await pull([...references, `${registry.host}/a/b:none`, references[0] ?? ''])
  t.same(
    records.flatMap(({ root, type, reference }) =>
      root || type === 'failed' ? [reference ?? 'failed'] : [],
    ),
    [...references, 'failed', references[0]],
    'in the order of the references',
  )
  const keys = records.flatMap(({ image }) => (typeof image === 'string' ? [image] : []))
  t.equal(keys.filter((key, i) => key !== keys[i - 1]).length, count + 1, 'those of each image together')
  t.equal(registry.seen.filter(url => url.includes(shared.digest)).length, 1, 'a blob of all is fetched once')
  t.ok(registry.connections <= 16, `over ${registry.connections} connections`)
  t.equal(Store.open(store).index().manifests.length, count, 'all are named')
})

t.test('a registry that answers garbage costs its own image only', async t => {
  const registry = await new FakeRegistry().listen(t)
  registry.image('good', { tag: '1' })
  const broken = net.createServer(socket => socket.once('data', () => socket.end('this is no HTTP\r\n\r\n')))
  await new Promise<void>(resolve => broken.listen(0, '127.0.0.1', resolve))
  t.teardown(() => broken.close())
  const bad = `127.0.0.1:${(broken.address() as AddressInfo).port}`
  const { pull } = puller(t)
  const records = await pull([`${bad}/a/b:1`, `${registry.host}/a/b:1`])
  t.equal(types(records), 'failed layer config manifest')
  t.match(records[0], { code: 'RESPONSE_INVALID', message: /the answer is not HTTP/ })
})

t.test('thousands of references in one run', async t => {
  const registry = await new FakeRegistry().listen(t)
  const count = 2000
  for (let i = 0; i < count; i++) registry.image(`layer ${i}`, { tag: `t${i}` })
  const references = async function* (): AsyncGenerator<AnyRecord> {
    for (let i = 0; i < count; i++) {
      yield { type: 'reference', reference: `${registry.host}/a/b:${i % 100 === 99 ? 'missing' : `t${i}`}` }
    }
  }
  const store = `${tempDir(t, 'many')}/store`
  const options = {
    references: ['-'],
    machine: AMD64,
    store,
    noStore: true,
    registries: { retry: { tries: 1 } },
  }
  let roots = 0
  let failed = 0
  let early = 0
  for await (const record of imgPull(references(), options)) {
    registry.seen.length = 0
    if (record.root === true) roots++
    if (record.type === 'failed') failed++
    if (roots === 500 && record.root === true) early = heapInUse()
  }
  const grown = heapInUse() - early
  t.same([roots, failed], [count * 0.99, count * 0.01], 'one that fails costs itself only')
  t.ok(grown < 10 * 1024 * 1024, `memory does not grow with their number: ${grown} bytes`)
})
