import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { need, startRegistry, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { Archives, limitTo, openPlace, type Place, parseOci, parsePlace, readDocument } from '../src/index.js'

const RETRY = { tries: 2, baseMs: 1, maxMs: 2 }
const BLOB = Buffer.from('layer')
const LAYER = { mediaType: `${MEDIA_TYPES.ociLayer}+gzip`, digest: digestOf(BLOB), size: BLOB.length }
const CONFIG = { ...LAYER, mediaType: MEDIA_TYPES.ociConfig }
const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, config: CONFIG, layers: [LAYER] }))
const MANIFEST = {
  bytes,
  descriptor: { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length },
}

async function* blob(): AsyncGenerator<Buffer> {
  yield BLOB
}

t.test('parsePlace', async t => {
  const rows: readonly [text: string, transport: string, rest: string, why: string][] = [
    ['debian', 'docker', '//debian', 'a reference'],
    ['h:5000/x:1', 'docker', '//h:5000/x:1', 'a colon of a port'],
    ['docker://h/x', 'docker', '//h/x', 'written out'],
    ['oci:d:t', 'oci', 'd:t', 'a layout'],
    ['oci-archive:-:t', 'oci-archive', '-:t', 'a layout in a tar'],
    ['store:x:1', 'store', 'x:1', 'the store'],
    ['containers-storage:[vfs@/r]a:1', 'containers-storage', '[vfs@/r]a:1', "podman's storage"],
    ['containerd:d:n:x', 'containerd', 'd:n:x', "containerd's folder"],
    ['registry-fs:d:a/b:1', 'registry-fs', 'd:a/b:1', "a registry's folder"],
    ['ocix:1', 'docker', '//ocix:1', 'a name that only begins like a transport'],
  ]
  for (const [text, transport, rest, why] of rows) t.same(parsePlace(text), { transport, rest }, why)
  t.throws(() => parsePlace('docker:x'), { code: 'PLACE_INVALID' })
  for (const text of ['sif:x', 'ostree:x']) {
    t.throws(() => parsePlace(text), { code: 'PLACE_UNSUPPORTED' }, `no image is meant: ${text}`)
  }
})

t.test('parseOci', async t => {
  t.same(parseOci('d'), { directory: 'd' })
  t.same(parseOci('d:'), { directory: 'd' }, 'an empty tag')
  t.same(parseOci('/a/b:h:5/x:1'), { directory: '/a/b', tag: 'h:5/x:1' }, 'the first colon counts')
  t.same(parseOci('d:@2'), { directory: 'd', index: 2 })
  t.throws(() => parseOci(':x'), { code: 'PLACE_INVALID' })
})

// What every place that can be written to has to keep.
async function holds(t: Test, open: () => Place): Promise<void> {
  const place = open()
  t.teardown(() => place.close())
  await t.rejects(place.read.resolve(), { name: 'ToolError', status: 1 }, 'nothing there')
  t.equal(await place.write.hasBlob(LAYER), false)
  t.equal(await place.write.hasManifest(MANIFEST.descriptor), false)
  const wrong = { ...LAYER, digest: digestOf('other') }
  await t.rejects(place.write.putBlob(wrong, blob), { code: 'DIGEST_MISMATCH' })
  await t.rejects(place.write.putBlob({ ...LAYER, size: 2 }, blob), { code: 'SIZE_MISMATCH' })
  t.equal(await place.write.hasBlob(wrong), false, 'wrong bytes are not kept')
  await place.write.putBlob(LAYER, blob)
  await place.write.putBlob(LAYER, blob)
  t.equal(await place.write.hasBlob(LAYER), true)
  await place.write.putManifest(MANIFEST)
  t.equal(await place.write.hasManifest(MANIFEST.descriptor), true)
  await t.rejects(place.read.resolve(), { name: 'ToolError', status: 1 }, 'not named yet')
  t.match(await place.read.resolve(MANIFEST.descriptor.digest), MANIFEST, 'but known by its digest')
  const published = await place.write.publish(MANIFEST)
  t.match(await place.read.resolve(), { ...MANIFEST, document: { kind: 'manifest' } })
  t.same(await readDocument(LAYER, () => place.read.blob(LAYER)), BLOB)
  const again = openPlace(published.place, { store: storeOf(t), registries: { retry: RETRY } })
  t.match(await again.read.resolve(), MANIFEST, 'what publish() says is a place')
  await again.close()
}

const stores = new WeakMap<object, string>()
function storeOf(t: Parameters<typeof tempDir>[0]): string {
  const dir = stores.get(t) ?? path.join(tempDir(t, 'places'), 'store')
  stores.set(t, dir)
  return dir
}

t.test('a layout', async t => {
  const dir = tempDir(t, 'places')
  await holds(t, () => openPlace(`oci:${dir}/out:1`, { store: storeOf(t) }))
})

t.test('the store', async t => {
  await holds(t, () => openPlace('store:app:1', { store: storeOf(t) }))
})

t.test("a registry's folder", async t => {
  const dir = tempDir(t, 'places')
  await holds(t, () => openPlace(`registry-fs:${dir}/r:a/b:1`, { store: storeOf(t) }))
  const rows: readonly [rest: string, reference: string, why: string][] = [
    [':library/debian:12', 'docker.io/library/debian:12', "Docker Hub's own"],
    [':team/app', 'docker.io/team/app:latest', 'latest, unless said'],
    [':app:1', 'localhost/app:1', 'not docker.io/library/app'],
    [':quay.io/team/app:1', 'localhost/quay.io/team/app:1', 'a domain that became part of the name'],
    [`:app@${LAYER.digest}`, `localhost/app@${LAYER.digest}`, 'a digest'],
  ]
  for (const [rest, reference, why] of rows)
    t.equal(openPlace(`registry-fs:${dir}${rest}`, { store: '' }).reference, reference, why)
  for (const rest of ['', ':x', dir, `${dir}:`, `${dir}:h:5000/x:1`])
    t.throws(() => openPlace(`registry-fs:${rest}`, { store: '' }), { code: 'PLACE_INVALID' }, rest)
  for (const rest of [':../x', ':A', ':_uploads', ':a:b:c'])
    t.throws(() => openPlace(`registry-fs:${dir}${rest}`, { store: '' }), { code: 'REFERENCE_INVALID' }, rest)
  const pinned = openPlace(`registry-fs:${dir}/r:a/b@${LAYER.digest}`, { store: '' })
  await t.rejects(pinned.write.publish(MANIFEST), { code: 'DIGEST_MISMATCH' })
  const given = openPlace(`registry-fs:${dir}/new:a`, { store: '' })
  t.equal(await given.write.hasBlob(LAYER), false)
  t.notOk(existsSync(`${dir}/new`), 'nothing is made by looking')
  await given.write.putBlob(LAYER, blob)
  await given.close()
  t.notOk(existsSync(`${dir}/new/docker/registry/v2/blobs`), 'what was not published leaves nothing')
})

t.test('a registry', { skip: need('docker-registry') }, async t => {
  const { host } = await startRegistry(t)
  await holds(t, () =>
    openPlace(`docker://${host}/a/b:1`, { store: storeOf(t), registries: { retry: RETRY } }),
  )
})

t.test('layouts of others', async t => {
  const dir = tempDir(t, 'places')
  const layout = Layout.open(`${dir}/l`, { create: true })
  layout.putBytes(bytes)
  const at = (name: string): Place => openPlace(`oci:${dir}/l${name}`, { store: dir })
  await t.rejects(at('').read.resolve(), { code: 'MANIFEST_UNKNOWN' }, 'an empty index')
  layout.tag(MANIFEST.descriptor)
  t.match(await at('').read.resolve(), MANIFEST, 'an only image needs no name')
  layout.tag({ ...MANIFEST.descriptor }, 'a')
  layout.tag({ ...MANIFEST.descriptor }, 'b')
  await t.rejects(at('').read.resolve(), { code: 'REFERENCE_AMBIGUOUS', message: /a, b$/ }, 'several do')
  t.match(await at(':@1').read.resolve(), MANIFEST, 'by number')
  await t.rejects(at(':@9').read.resolve(), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(at(':@0').write.publish(MANIFEST), { code: 'PLACE_INVALID' }, 'a number is not a name')
  layout.tag({ ...MANIFEST.descriptor, size: 1 }, 'size')
  await t.rejects(at(':size').read.resolve(), { code: 'SIZE_MISMATCH' })
  layout.tag({ ...MANIFEST.descriptor, mediaType: MEDIA_TYPES.ociIndex }, 'type')
  await t.rejects(at(':type').read.resolve(), { code: 'MANIFEST_INVALID' })
  const typed = Buffer.from(
    JSON.stringify({ ...JSON.parse(String(bytes)), mediaType: MEDIA_TYPES.dockerManifest }),
  )
  layout.tag({ ...layout.putBytes(typed), mediaType: MEDIA_TYPES.ociManifest }, 'docker')
  const told: unknown[] = []
  const warn = (...warning: unknown[]): void => void told.push(warning)
  for (const open of [`oci:${dir}/l:docker`, `store:${digestOf(typed)}`]) {
    const place = openPlace(open, { store: `${dir}/l`, warn })
    const { descriptor } = await place.read.resolve()
    t.equal(descriptor.mediaType, MEDIA_TYPES.dockerManifest, `${open}: what the document says counts`)
  }
  for (const each of told)
    t.match(each, [
      /says it is .*docker.*, but was offered as .*oci.*: read as what it says$/,
      'MEDIA_TYPE_MISMATCH',
    ])
  t.ok(told.length > 0)
  layout.tag({ ...layout.putBytes(typed), mediaType: MEDIA_TYPES.ociIndex }, 'docker')
  await t.rejects(at(':docker').read.resolve(), { code: 'MEDIA_TYPE_MISMATCH' }, 'a manifest is no index')
  layout.tag({ ...MANIFEST.descriptor, mediaType: 'application/json' }, 'other')
  await t.rejects(
    at(':other').read.resolve(),
    { code: 'MEDIA_TYPE_UNSUPPORTED' },
    'an index may list anything',
  )
  await t.rejects(at(':a b').write.publish(MANIFEST), { code: 'PLACE_INVALID' }, 'no name of image-spec')
  t.match(
    await at(':x/a__b:1').write.publish(MANIFEST),
    {},
    'a reference is a name, whatever image-spec says',
  )
  await t.rejects(openPlace(`oci:${dir}/none`, { store: dir }).read.resolve(), { code: 'LAYOUT_MISSING' })
})

t.test('a layout that gives something else under a name pinned by digest', async t => {
  const dir = tempDir(t, 'places')
  const layout = Layout.open(`${dir}/l`, { create: true })
  layout.putBytes(bytes)
  const pinned = `h.example/app@sha256:${'0'.repeat(64)}`
  const planted = { ...MANIFEST.descriptor, annotations: { 'org.opencontainers.image.ref.name': pinned } }
  writeFileSync(`${dir}/l/index.json`, JSON.stringify({ schemaVersion: 2, manifests: [planted] }))
  const options = { store: `${dir}/l` }
  for (const text of [`oci:${dir}/l:${pinned}`, `store:${pinned}`]) {
    const why = { code: 'MANIFEST_UNKNOWN', message: /what has this name is sha256:.*no index sha256:000/ }
    await t.rejects(openPlace(text, options).read.resolve(), why, `read: ${text}`)
    await t.rejects(
      openPlace(text, options).write.publish(MANIFEST),
      { code: 'DIGEST_MISMATCH' },
      `written: ${text}`,
    )
    const deferred = openPlace(text, { ...options, run: { archives: new Archives() } })
    await t.rejects(deferred.write.publish(MANIFEST), { code: 'DIGEST_MISMATCH' }, `name deferred: ${text}`)
  }
  t.match(await openPlace(`oci:${dir}/l:@0`, options).read.resolve(), MANIFEST, 'by its place in the index')
})

t.test('nothing is made by looking', async t => {
  const dir = tempDir(t, 'places')
  const place = openPlace(`oci:${dir}/out:1`, { store: dir })
  t.equal(await place.write.hasBlob(LAYER), false)
  t.throws(() => Layout.open(`${dir}/out`), { code: 'LAYOUT_MISSING' })
})

t.test('a blob is mounted from a neighbour', async t => {
  const seen: string[] = []
  const server = createServer(({ method, url }, response) => {
    seen.push(`${method} ${url}`)
    response.writeHead(201).end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void server.close().closeAllConnections())
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const place = openPlace(`docker://${host}/a:1`, { store: '' })
  await place.write.putBlob(LAYER, blob, [
    'oci:/x',
    `docker://${host}/a`,
    'docker://other.example/b',
    `docker://${host}/c/d`,
  ])
  await place.close()
  t.same(seen.length, 1, 'one request, no upload')
  t.match(seen[0], /^POST .*from=c%2Fd$/)
})

t.test('readDocument', async t => {
  await t.rejects(readDocument({ ...LAYER, size: 5_000_000 }, blob), { code: 'DOCUMENT_TOO_LARGE' })
  await t.rejects(readDocument({ ...LAYER, size: 2 }, blob), { code: 'SIZE_MISMATCH' })
  t.same(await readDocument(LAYER, blob), BLOB)
})

t.test('limitTo', async t => {
  const limit = limitTo(2)
  const order: string[] = []
  let running = 0
  let most = 0
  const task =
    (name: string, fails = false) =>
    async (): Promise<string> => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setImmediate(resolve))
      running--
      order.push(name)
      if (fails) throw new Error(name)
      return name
    }
  const runs = [limit(task('a')), limit(task('b', true)), limit(task('c')), limit(task('d'))]
  const results = await Promise.allSettled(runs)
  t.same(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  )
  t.same(order, ['a', 'b', 'c', 'd'], 'in the order in which they came')
  t.equal(most, 2)
})
