import fs from 'node:fs'
import http from 'node:http'
import { digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/layout'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, RecordWriter, type Scope, startRegistry, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { type BlobPutOptions, blobPut } from '../src/index.js'

const RETRY = { tries: 2, baseMs: 1, maxMs: 2 }

async function* stream(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord> {
  yield* records
}

async function put(
  place: string,
  records: readonly AnyRecord[],
  more: Partial<BlobPutOptions> = {},
): Promise<AnyRecord[]> {
  const out = await collect(
    blobPut(stream(records), { store: '/nowhere', registries: { retry: RETRY }, place, ...more }),
  )
  for (const record of out) checkRecord(record)
  return out
}

const actions = (records: readonly AnyRecord[]): unknown[] =>
  records.filter(({ type }) => type === 'plan').map(({ action }) => action)

t.test('a dry run', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const writer = new RecordWriter(tempDir(t, 'dry'))
  const image = writer.image('1', ['a', 'b'], 'docker.io/library/app:1')
  const place = `docker://${host}/a/b:1`
  const plan = await put(place, image, { dryRun: true })
  t.same(actions(plan), ['put', 'put', 'put', 'put'])
  t.same(
    plan.filter(({ type }) => type !== 'plan'),
    image,
    'the stream passes as it came',
  )
  t.match(
    plan.find(({ type }) => type === 'plan'),
    { tool: 'blob-put', place },
  )
  t.equal((await fetch(`http://${host}/v2/a/b/tags/list`)).status, 404, 'nothing was put')
  await put(place, plan)
  t.equal(
    (await fetch(`http://${host}/v2/a/b/manifests/1`, { headers: { accept: MEDIA_TYPES.ociManifest } }))
      .status,
    200,
    'the plan is what is executed',
  )
  t.same(actions(await put(place, image, { dryRun: true })), ['skip', 'skip', 'skip', 'put'], 'what is there')
  const near = image.map(record => ({ ...record, from: [`docker://${host}/a/b`] }))
  t.same(actions(await put(`docker://${host}/c:1`, near, { dryRun: true })), [
    'mount',
    'mount',
    'mount',
    'put',
  ])
})

t.test('from registry to registry, with nothing between', { skip: need('docker-registry') }, async t => {
  const [a, b] = [await startRegistry(t), await startRegistry(t)]
  const dir = tempDir(t, 'between')
  const image = new RecordWriter(dir).image('1', ['some layer', 'another'])
  await put(`docker://${a.host}/x:1`, image)
  const away = ['docker://127.0.0.1:1/x', `docker://${a.host}/x`]
  const records: AnyRecord[] = image.map(({ path: _path, ...record }) => ({ ...record, from: away }))
  const warnings: string[] = []
  await put(`oci:${dir}/copy:1`, records, { warn: message => void warnings.push(message) })
  t.match(warnings.join(), /asking docker:/, 'the first place is gone, the second one has it')
  for (const { digest, size } of image) t.ok(Layout.open(`${dir}/copy`).hasBlob(String(digest), Number(size)))
  const root = records.at(-1)
  await put(`docker://${b.host}/y:1`, records)
  const copied = await fetch(`http://${b.host}/v2/y/manifests/1`, {
    headers: { accept: MEDIA_TYPES.ociManifest },
  })
  t.equal(digestOf(Buffer.from(await copied.arrayBuffer())), root?.digest, 'the same digest')
})

t.test('a manifest that its record carries', async t => {
  const dir = tempDir(t, 'data')
  const image = new RecordWriter(dir).image('1', ['layer'])
  const { path: _path, ...root } = image.at(-1) ?? { type: '' }
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: bareOf(image[1]),
    layers: [bareOf(image[0])],
  }
  const data = Buffer.from(JSON.stringify(document)).toString('base64')
  await put(`oci:${dir}/out:1`, [...image.slice(0, -1), { ...root, data } as AnyRecord])
  t.equal(Layout.open(`${dir}/out`).resolve('1')[0]?.digest, root.digest)
  const wrong = { ...root, data: Buffer.from('{}').toString('base64') } as AnyRecord
  await t.rejects(put(`oci:${dir}/out:2`, [...image.slice(0, -1), wrong]), { code: 'SIZE_MISMATCH' })
})

function bareOf(record: AnyRecord | undefined): object {
  return { mediaType: record?.mediaType, digest: record?.digest, size: record?.size }
}

t.test('layers go to a registry before their image is whole', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const dir = tempDir(t, 'ahead')
  const image = new RecordWriter(dir).image('1', ['one layer', 'two'])
  const blob = async (name: string, record: AnyRecord | undefined): Promise<number> =>
    (await fetch(`http://${host}/v2/${name}/blobs/${record?.digest}`, { method: 'HEAD' })).status
  const tagged = async (name: string): Promise<number> =>
    (await fetch(`http://${host}/v2/${name}/tags/list`)).status
  const send = (name: string, records: AsyncIterable<AnyRecord>): Promise<AnyRecord[]> =>
    collect(
      blobPut(records, {
        store: '/nowhere',
        registries: { retry: RETRY },
        place: `docker://${host}/${name}:1`,
      }),
    )
  const slow = async function* (name: string): AsyncGenerator<AnyRecord> {
    const [first, ...rest] = image
    if (first !== undefined) yield first
    await waitUntil('the first layer is there', async () => (await blob(name, first)) === 200)
    t.equal(await tagged(name), 404, 'and nothing names it')
    yield* rest
  }
  const out = await send('slow', slow('slow'))
  t.match(out.at(-1), { type: 'manifest', from: [`docker://${host}/slow`] })
  t.equal(await tagged('slow'), 200)
  const cut = async function* (): AsyncGenerator<AnyRecord> {
    yield* slow('cut')
    throw new ToolError('INPUT_CUT', 'cut')
  }
  await t.rejects(send('cut', cut()), { code: 'INPUT_CUT' })
  t.equal(await tagged('cut'), 404, 'a stream that is cut publishes nothing')
  fs.writeFileSync(String(image[1]?.path), 'bad')
  // Either side may notice first: we while sending, or the registry when all bytes are there.
  await t.rejects(send('bad', slow('bad')), { code: /^DIGEST_(MISMATCH|INVALID)$/ }, 'told with the image')
  t.equal(await tagged('bad'), 404)
})

/**
 * A registry that accepts everything. It returns all bytes of bodies that it ever got, and how often a manifest came.
 */
async function believer(t: Scope): Promise<{ host: string; got: () => string; manifests: () => number }> {
  let got = ''
  let manifests = 0
  const server = http.createServer(({ method = '', url = '' }, response) => {
    if (method === 'HEAD') return void response.writeHead(404).end()
    if (method === 'POST') return void response.writeHead(202, { location: '/up' }).end()
    if (url.includes('/manifests/')) manifests++
    return void response.writeHead(201).end()
  })
  server.on('request', request => request.on('data', (chunk: Buffer) => (got += chunk.toString('latin1'))))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return { host: `127.0.0.1:${port}`, got: () => got, manifests: () => manifests }
}

t.test('a record that names a private file as the path of a blob', async t => {
  const MIB = 1024 * 1024
  const rows: readonly [bytes: number, from: boolean, why: string][] = [
    [400, false, 'a small one'],
    [3 * MIB, false, 'one of several chunks'],
    [20 * MIB, false, 'one that is remembered while it goes'],
    [3 * MIB, true, 'in a layout, in place of a blob'],
  ]
  for (const [size, inLayout, why] of rows) {
    const { host, got } = await believer(t)
    const dir = tempDir(t, 'private')
    const secret = `${dir}/id_ed25519`
    fs.writeFileSync(secret, Buffer.alloc(size, 'PRIVATE KEY '))
    const layer = { ...new RecordWriter(dir).blob('layer', 'x/y', 'x'), size, path: secret }
    const layout = Layout.open(`${dir}/layout`, { create: true })
    if (inLayout) fs.copyFileSync(secret, layout.placeOf(layer.digest))
    const away = inLayout ? { ...layer, path: undefined, from: [`oci:${dir}/layout`] } : layer
    const image = new RecordWriter(dir).image('1', [])
    const [config, root] = image as [AnyRecord, AnyRecord]
    const manifest = { schemaVersion: 2, config: bareOf(config), layers: [bareOf(layer)] }
    const written = new RecordWriter(dir).blob('manifest', MEDIA_TYPES.ociManifest, manifest)
    const records = [
      { ...away, image: '1' },
      { ...config },
      { ...root, ...written, image: '1' },
    ] as AnyRecord[]
    for (const place of [`docker://${host}/a:1`, `docker://${host}/`]) {
      const named = records.map(record => ({ ...record, reference: 'h.example/a:1' }))
      const run = put(place, named, { store: `${dir}/store` })
      await t.rejects(run, { code: 'DIGEST_MISMATCH' }, `refused: ${why}`)
      t.notMatch(got(), /PRIVATE/, `nothing of it leaves: ${why}`)
    }
  }
})

t.test('a blob of other bytes is no success where a registry checks nothing', async t => {
  const { host, manifests } = await believer(t)
  const dir = tempDir(t, 'believer')
  const store = Store.open(`${dir}/store`)
  const image = new RecordWriter(`${store.root}/blobs/sha256`).image('1', ['layer'])
  for (let count = 0; count < 15; count++) {
    fs.writeFileSync(String(image[0]?.path), 'LAYER')
    await t.rejects(put(`docker://${host}/a:1`, image, { store: store.root }), { code: 'DIGEST_MISMATCH' })
  }
  t.equal(manifests(), 0, 'nothing is named')
})

t.test('what refers to an image follows it', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const writer = new RecordWriter(tempDir(t, 'refer'))
  const image = writer.image('1', ['a'], 'h.example/app:1')
  const subject = image.at(-1)?.digest
  const signature = writer.image('2', ['signature'])
  const digest = signature.at(-1)?.digest
  const root = { ...signature.at(-1), reference: `h.example/app@${digest}`, subject } as AnyRecord
  const out = await put(`docker://${host}/mine:2`, [...image, ...signature.slice(0, -1), root])
  t.match(out.at(-1), { reference: `${host}/mine@${digest}` }, 'in the same repository, by its digest')
  const accept = { headers: { accept: MEDIA_TYPES.ociManifest } }
  t.equal((await fetch(`http://${host}/v2/mine/manifests/${digest}`, accept)).status, 200)
})

t.test('no blob twice in a run', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  const seen: string[] = []
  const proxy = http.createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    const headers = { ...request.headers, host: request.headers.host ?? '' }
    const away = http.request(`http://${host}${request.url}`, { method: request.method, headers }, answer => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    request.pipe(away)
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const { port } = proxy.address() as { port: number }
  const writer = new RecordWriter(tempDir(t, 'twice'))
  const images = ['one', 'two', 'three'].flatMap((name, index) =>
    writer.image(String(index), ['same'], `h.example/${name}:1`),
  )
  await put(`docker://127.0.0.1:${port}/p/`, images)
  const uploads = seen.filter(line => line.startsWith('PUT') && line.includes('/blobs/uploads/'))
  t.equal(uploads.length, 2, `a layer and a config, once: ${uploads}`)
  t.equal(seen.filter(line => line.includes('mount=')).length, 4, 'mounted elsewhere')
})
