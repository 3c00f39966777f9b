import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { Store } from '@pipelayer/store'
import { storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import {
  checkWhole,
  findImage,
  nameOf,
  placeOf,
  removeEntries,
  Summaries,
  shortName,
  unreferencedOf,
} from '../src/index.js'

const ARM = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const CREATED = '2024-01-02T03:04:05Z'
const hex = (digest: string, digits: number): string => digest.slice(7, 7 + digits)

t.test('an image is found by name, digest and id', async t => {
  const store = Store.open(tempDir(t))
  const app = storeImage(store, { name: 'docker.io/library/app:1', layers: ['a'] })
  store.tag({ ...app }, 'docker.io/library/app:latest')
  storeImage(store, { name: 'ghcr.io/x/y:2', layers: ['b'] })
  storeImage(store, { name: 'raw name', layers: ['c'] })
  const config = JSON.parse(store.readBlob(app.digest).toString()).config.digest as string
  const find = (text: string): unknown => {
    const { entries, name } = findImage(store, text, new Summaries(store))
    return [name, entries.length, entries[0]?.digest === app.digest]
  }
  const rows: readonly [text: string, found: unknown, why: string][] = [
    ['app:1', ['docker.io/library/app:1', 1, true], 'a short name'],
    ['app', ['docker.io/library/app:latest', 1, true], 'latest'],
    ['docker.io/library/app:1', ['docker.io/library/app:1', 1, true], 'a full name'],
    ['store:app:1', ['docker.io/library/app:1', 1, true], 'as a place'],
    ['ghcr.io/x/y:2', ['ghcr.io/x/y:2', 1, false], 'of another registry'],
    ['raw name', ['raw name', 1, false], 'a name of another program'],
    [app.digest, [undefined, 2, true], 'the digest, which has two names'],
    [`store:${app.digest}`, [undefined, 2, true], 'the digest as a place'],
    [hex(app.digest, 12), [undefined, 2, true], 'first digits of the digest'],
    [`sha256:${hex(app.digest, 8)}`, [undefined, 2, true], 'first digits with the algorithm'],
    [hex(config, 12), [undefined, 2, true], "Docker's image id"],
  ]
  for (const [text, found, why] of rows) t.same(find(text), found, why)
  t.throws(() => find('app:2'), { code: 'MANIFEST_UNKNOWN' })
  t.throws(() => find('000000000000'), { code: 'MANIFEST_UNKNOWN' })
  t.throws(() => find('a b'), { code: 'REFERENCE_INVALID' })
  storeImage(store, { name: `docker.io/library/${hex(app.digest, 12)}:latest`, layers: ['d'] })
  t.same(
    find(hex(app.digest, 12)),
    [`docker.io/library/${hex(app.digest, 12)}:latest`, 1, false],
    'a name goes first',
  )
})

t.test('digits that several images begin with', async t => {
  const store = Store.open(tempDir(t))
  // Digests that begin alike are made by hand, so their blobs are not there.
  const digests = Array.from({ length: 2 }, (_item, index) => `sha256:abcd${String(index).padEnd(60, '0')}`)
  for (const digest of digests)
    store.tag(
      { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 },
      `name-${digest.slice(11, 12)}`,
    )
  t.throws(() => findImage(store, 'abcd', new Summaries(store)), {
    code: 'REFERENCE_AMBIGUOUS',
    message: new RegExp(digests.join(', ')),
  })
  t.equal(findImage(store, 'abcd1', new Summaries(store)).entries[0]?.digest, digests[1])
})

t.test('names', async t => {
  const entry = (name: string | undefined): Parameters<typeof placeOf>[0] => ({
    mediaType: 'x/y',
    digest: digestOf('x'),
    size: 1,
    ...(name !== undefined && { annotations: { 'org.opencontainers.image.ref.name': name } }),
  })
  t.equal(nameOf(entry('a:1')), 'a:1')
  t.equal(nameOf(entry(undefined)), undefined)
  t.equal(shortName('docker.io/library/a:1'), 'a:1')
  t.equal(shortName('docker.io/x/a:1'), 'x/a:1')
  t.equal(shortName('1.0'), '1.0', 'not docker.io/library/1.0:latest')
  t.equal(placeOf(entry('docker.io/library/a:1')), 'store:docker.io/library/a:1')
  t.equal(placeOf(entry('1.0')), `store:${digestOf('x')}`, 'store:1.0 would be another name')
  t.equal(placeOf(entry(undefined)), `store:${digestOf('x')}`)
})

t.test('a summary', async t => {
  const store = Store.open(tempDir(t))
  const first = storeImage(store, { layers: ['shared', 'a'], config: { created: CREATED } })
  const second = storeImage(store, {
    layers: ['shared'],
    platform: ARM,
    config: { created: '2023-01-01T00:00:00Z' },
  })
  const attestation = storeImage(store, {
    layers: ['att'],
    platform: { os: 'unknown', architecture: 'unknown' },
  })
  const index = storeIndex(store, [first, second, attestation], 'docker.io/library/multi:1')
  const [entry] = store.index().manifests
  if (entry === undefined) throw new Error('no entry')
  const summary = new Summaries(store).of(entry)
  const size = (digest: string): number => store.blobSize(digest) ?? 0
  const documents = [index, first, second, attestation].reduce((sum, each) => sum + each.size, 0)
  const configs = [first, second, attestation].map(
    ({ digest }) => JSON.parse(store.readBlob(digest).toString()).config.digest as string,
  )
  const layers = ['shared', 'a', 'att'].reduce((sum, text) => sum + text.length, 0)
  t.same(summary, {
    contentSize: documents + layers + configs.reduce((sum, digest) => sum + size(digest), 0),
    created: CREATED,
    platforms: ['linux/amd64', 'linux/arm64/v8'],
    configs: configs.slice(0, 2),
  })
})

t.test('summaries are remembered, as long as they are true', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const image = storeImage(store, { name: 'docker.io/library/a:1' })
  const gone = storeImage(store, { name: 'docker.io/library/b:1', layers: ['b'] })
  const file = path.join(root, 'summaries/images.json')
  const read = (): Summaries => {
    const summaries = new Summaries(store)
    for (const entry of store.index().manifests) summaries.of(entry)
    summaries.save()
    return summaries
  }
  read()
  t.same(
    Object.keys(JSON.parse(fs.readFileSync(file, 'utf8')).images).sort(),
    [image.digest, gone.digest].sort(),
  )
  fs.rmSync(store.blobPath(image.digest))
  t.doesNotThrow(read, 'the documents are not read again')
  for (const damaged of [
    '{',
    '[]',
    '{"form":1,"images":[]}',
    '{"form":1,"images":{"x":{}}}',
    '{"form":0,"images":{}}',
  ]) {
    fs.writeFileSync(file, damaged)
    t.throws(read, { code: 'BLOB_UNKNOWN' }, `read again after ${damaged}`)
  }
  removeEntries(
    store,
    store.index().manifests.filter(({ digest }) => digest === gone.digest),
  )
  storeImage(store, { name: 'docker.io/library/a:1' })
  read()
  t.same(
    Object.keys(JSON.parse(fs.readFileSync(file, 'utf8')).images),
    [image.digest],
    'what is gone is forgotten',
  )
})

t.test('an index of which a platform is missing is not remembered', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const here = storeImage(store, { layers: ['a'] })
  const other = storeImage(Store.open(tempDir(t)), { layers: ['b'], platform: ARM })
  storeIndex(store, [here, other], 'docker.io/library/multi:1')
  const summaries = new Summaries(store)
  const [entry] = store.index().manifests
  t.same(entry && summaries.of(entry).platforms, ['linux/amd64'])
  summaries.save()
  t.notOk(fs.existsSync(path.join(root, 'summaries/images.json')))
})

t.test('a damaged image has no summary and no config', async t => {
  const store = Store.open(tempDir(t))
  const { digest } = storeImage(store, { name: 'docker.io/library/a:1' })
  fs.writeFileSync(store.blobPath(digest), '{}')
  const [entry] = store.index().manifests
  if (entry === undefined) throw new Error('no entry')
  t.throws(() => new Summaries(store).of(entry), { code: 'DIGEST_MISMATCH' })
  t.same(new Summaries(store).configsOf(entry), [])
})

t.test('indexes that lie too deep are refused', async t => {
  const store = Store.open(tempDir(t))
  let inner = storeImage(store)
  for (let depth = 0; depth < 7; depth++)
    inner = storeIndex(store, [inner], depth === 6 ? 'deep:1' : undefined)
  const [entry] = store.index().manifests
  t.throws(() => entry && new Summaries(store).of(entry), {
    code: 'MANIFEST_INVALID',
    message: /levels deep/,
  })
})

t.test('whether an image is whole', async t => {
  const store = Store.open(tempDir(t))
  storeImage(store, { name: 'docker.io/library/a:1', layers: ['one', 'two'] })
  const [entry] = store.index().manifests
  if (entry === undefined) throw new Error('no entry')
  await checkWhole(store, entry, { verify: true })
  const file = store.blobPath(digestOf('two'))
  fs.writeFileSync(file, 'owt')
  await checkWhole(store, entry, { verify: false })
  await t.rejects(checkWhole(store, entry, { verify: true }), {
    code: 'IMAGE_INCOMPLETE',
    message: /is damaged/,
  })
  fs.rmSync(file)
  await t.rejects(checkWhole(store, entry, { verify: false }), {
    code: 'IMAGE_INCOMPLETE',
    message: /is missing/,
  })
})

t.test('what nothing needs any more', async t => {
  const store = Store.open(tempDir(t))
  const a = storeImage(store, { name: 'a', layers: ['shared', 'one'] })
  const b = storeImage(store, { name: 'b', layers: ['shared', 'two', 'common'] })
  const c = storeImage(store, { name: 'c', layers: ['common', 'three'] })
  const entries = store.index().manifests
  const layersOf = (found: readonly { readonly digest: string }[] = []): string[] => {
    const digests = new Set(found.map(({ digest }) => digest))
    return ['shared', 'one', 'two', 'common', 'three'].filter(text => digests.has(digestOf(text)))
  }
  const [first, second] = unreferencedOf(store, entries.slice(0, 2), entries.slice(2))
  t.same(layersOf(first), ['shared', 'one'], 'what two of them share counts for the first')
  t.same(layersOf(second), ['two'], 'what another image needs stays')
  t.ok(
    first?.some(({ digest }) => digest === a.digest),
    'the manifest too',
  )
  fs.rmSync(store.blobPath(digestOf('one')))
  t.same(
    layersOf(unreferencedOf(store, entries.slice(0, 1), entries.slice(1))[0]),
    [],
    'what is not there is not named',
  )
  removeEntries(store, entries.slice(0, 1))
  t.same(
    store.index().manifests.map(({ digest }) => digest),
    [b.digest, c.digest],
  )
})
