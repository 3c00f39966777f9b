import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { splitTar } from '@pipelayer/tar-split'
import { handmade, PodmanStore, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { openPlace, type Place, placesIn, readDocument } from '../src/index.js'
import { usualStorage } from '../src/storage-conf.js'
import { fullNames, parseStorage } from '../src/storage-name.js'

const BASE = handmade([{ name: 'a', content: 'base' }])
const TOP = handmade([{ name: 'b', content: 'top' }])
const ID = 'a'.repeat(64)

function newStore(t: Test, driver?: 'overlay' | 'vfs'): PodmanStore {
  return new PodmanStore(tempDir(t, 'storage'), splitTar, driver)
}

function at(store: PodmanStore, name = ''): Place {
  return openPlace(`containers-storage:[${store.root}]${name}`, { store: '' })
}

t.test('parseStorage', async t => {
  const root = { root: '/r', additional: [] }
  const rows: readonly [rest: string, parts: object, why: string][] = [
    ['', {}, 'the usual storage'],
    ['a:1', { reference: 'a:1' }, 'an image of the usual storage'],
    ['[]a', { reference: 'a' }, 'empty brackets'],
    ['[/r]', { storage: root }, 'a root alone'],
    ['[/r]quay.io/b/a:1', { storage: root, reference: 'quay.io/b/a:1' }, 'a root and an image'],
    [
      '[overlay@/r+/run]a',
      { storage: { ...root, driver: 'overlay' }, reference: 'a' },
      'driver and folder of the run',
    ],
    [
      '[vfs@/r:x=y,vfs.imagestore=/s]a',
      { storage: { root: '/r', driver: 'vfs', additional: ['/s'] }, reference: 'a' },
      'options',
    ],
    [`@${ID}`, { id: ID }, 'an id'],
    [ID, { id: ID }, 'an id without a mark'],
    [`sha256:${ID}`, { id: ID }, 'an id as podman shows it'],
    [`a:1@${ID}`, { id: ID }, 'an id behind a name decides'],
    ['@abcdef', { id: 'abcdef' }, 'the beginning of an id'],
    ['abcdef', { reference: 'abcdef', id: 'abcdef' }, 'a name, or the beginning of an id'],
    [`a@sha256:${ID}`, { reference: `a@sha256:${ID}` }, 'the digest of a manifest'],
  ]
  for (const [rest, parts, why] of rows) t.same(parseStorage(rest), parts, why)
  for (const rest of ['[/r', '[overlay@]a', '[vfs@+/run]a'])
    t.throws(() => parseStorage(rest), { code: 'PLACE_INVALID' }, rest)
  for (const rest of ['A', 'a b', '@abc'])
    t.throws(() => parseStorage(rest), { code: 'REFERENCE_INVALID' }, rest)
  t.same(fullNames('a'), ['docker.io/library/a:latest', 'localhost/a:latest'])
  t.same(fullNames('b/a:1'), ['docker.io/b/a:1', 'localhost/b/a:1'])
  t.same(fullNames('docker.io/library/a'), ['docker.io/library/a:latest'])
  t.same(fullNames('localhost/a'), ['localhost/a:latest'])
})

for (const isDocker of [false, true])
  t.test(`an image that was pulled, of ${isDocker ? 'Docker' : 'OCI'}`, async t => {
    const store = newStore(t)
    const annotations = isDocker ? {} : { annotations: { 'org.opencontainers.image.title': 'a' } }
    const made = await store.add({
      names: ['docker.io/library/a:1'],
      layers: [BASE, TOP],
      isDocker,
      ...annotations,
    })
    const place = at(store, 'a:1')
    const { descriptor, bytes, document } = await place.read.resolve()
    t.equal(descriptor.digest, digestOf(bytes))
    t.match(document, {
      kind: 'manifest',
      mediaType: MEDIA_TYPES.ociManifest,
      config: { digest: `sha256:${made.id}`, size: made.config.length, mediaType: MEDIA_TYPES.ociConfig },
      layers: [BASE, TOP].map(tar => ({
        mediaType: MEDIA_TYPES.ociLayer,
        digest: digestOf(tar),
        size: tar.length,
      })),
      ...annotations,
    })
    t.equal(document.annotations === undefined, isDocker)
    if (document.kind !== 'manifest') throw new Error('it is a manifest')
    for (const [index, layer] of document.layers.entries()) {
      const bytes = await readDocument(layer, () => place.read.blob(layer))
      t.same(bytes, [BASE, TOP][index], 'a layer is a plain tar')
      t.equal(await place.read.blobSize?.(layer.digest), layer.size)
    }
    t.same(await readDocument(document.config, () => place.read.blob(document.config)), made.config)
    t.equal(await place.read.blobSize?.(document.config.digest), made.config.length)
    t.equal(await place.read.blobSize?.(digestOf('none')), undefined)
    const again = await at(store, 'a:1').read.resolve()
    t.same(again.bytes, bytes, 'it is always the same')
    t.equal(
      (await at(store).read.resolve(descriptor.digest)).descriptor.digest,
      descriptor.digest,
      'by its digest alone',
    )
    await t.rejects(place.read.resolve(digestOf('none')), { code: 'MANIFEST_UNKNOWN' })
  })

t.test('an image that was built keeps its manifest', async t => {
  const store = newStore(t, 'vfs')
  const made = await store.add({ names: ['localhost/a:1'], layers: [BASE], isBuilt: true })
  t.same((await at(store, 'localhost/a:1').read.resolve()).bytes, made.manifest)
})

t.test('names of images', async t => {
  const store = newStore(t)
  const hub = await store.add({ names: ['docker.io/library/a:1', 'quay.io/b/a:2'], layers: [BASE] })
  const own = await store.add({ names: ['localhost/own:1'], layers: [BASE, TOP] })
  const none = await store.add({ layers: [TOP] })
  const digest = `sha256:${none.id}`
  const manifest = digestOf(hub.manifest)
  const rows: readonly [name: string, id: string, reference: string | undefined][] = [
    ['a:1', hub.id, 'docker.io/library/a:1'],
    ['docker.io/library/a:1', hub.id, 'docker.io/library/a:1'],
    ['quay.io/b/a:2', hub.id, 'quay.io/b/a:2'],
    ['own:1', own.id, 'localhost/own:1'],
    [`a@${manifest}`, hub.id, `docker.io/library/a@${manifest}`],
    [`@${none.id}`, none.id, undefined],
    [digest, none.id, undefined],
    [`@${none.id.slice(0, 12)}`, none.id, undefined],
  ]
  for (const [name, id, reference] of rows) {
    const place = at(store, name)
    const { document } = await place.read.resolve()
    t.equal(document.kind === 'manifest' && document.config.digest, `sha256:${id}`, name)
    t.equal(place.reference, reference)
  }
  for (const name of ['none:1', `b@${manifest}`, `a@${digestOf('x')}`, '@000000'])
    await t.rejects(at(store, name).read.resolve(), {
      code: 'MANIFEST_UNKNOWN',
      message: /there is no image .*: there is docker.io\/library\/a:1, localhost\/own:1, @/,
    })
  await t.rejects(at(store).read.resolve(), { code: 'REFERENCE_AMBIGUOUS', message: /localhost\/own:1/ })
  const text = `containers-storage:[${store.root}]`
  const names = ['docker.io/library/a:1', 'quay.io/b/a:2', 'localhost/own:1', `@${none.id}`]
  t.same(
    placesIn(text),
    names.map(name => text + name),
  )
  t.same(placesIn(`${text}a:1`), [`${text}a:1`])
  t.equal(at(store, 'a:1').text, text)
  t.equal(
    openPlace(`containers-storage:[vfs@${store.root}+/run]a`, { store: '' }).text,
    `containers-storage:[vfs@${store.root}]`,
  )
})

t.test('images that are not read, or disagree with themselves', async t => {
  const store = newStore(t)
  await store.add({ names: ['docker.io/library/a:1'], layers: [BASE, TOP] })
  const [image] = store.images
  const rows: readonly [
    change: (file: string) => void,
    error: { readonly code: string; readonly message: RegExp },
    why: string,
  ][] = [
    [
      file =>
        fs.writeFileSync(
          file,
          JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] }),
        ),
      { code: 'MEDIA_TYPE_UNSUPPORTED', message: /a:1 in containers-storage:.* is a list of manifests/ },
      'a list of manifests',
    ],
    [
      file =>
        fs.writeFileSync(file, String(fs.readFileSync(file)).replace(MEDIA_TYPES.ociConfig, 'application/x')),
      { code: 'MEDIA_TYPE_UNSUPPORTED', message: /is no container image: its config is application\/x/ },
      'an artifact',
    ],
    [
      () => (store.images = [{ ...image, layer: store.layers[0]?.id }]),
      { code: 'STORAGE_INVALID', message: /it has 1 layers, and its config names 2/ },
      'a layer is missing',
    ],
    [
      () => (store.layers = store.layers.map(layer => ({ ...layer, 'diff-digest': digestOf('x') }))),
      { code: 'STORAGE_INVALID', message: /which its config does not say/ },
      'another diffID',
    ],
  ]
  for (const [change, error, why] of rows) {
    const { images, layers } = store
    store.images = [{ ...image, 'big-data-digests': {} }]
    const file = store.path('overlay-images', String(image?.id), 'manifest')
    const before = fs.readFileSync(file)
    change(file)
    store.write()
    await t.rejects(at(store, 'a:1').read.resolve(), error, why)
    fs.writeFileSync(file, before)
    Object.assign(store, { images, layers })
  }
  store.images = [{ ...image, 'big-data-digests': {} }]
  store.write()
  const config = store.path(
    'overlay-images',
    String(image?.id),
    `=${Buffer.from(`sha256:${image?.id}`).toString('base64')}`,
  )
  fs.appendFileSync(config, ' ')
  await t.rejects(
    at(store, 'a:1').read.resolve(),
    { code: 'SIZE_MISMATCH' },
    'another config than the manifest names',
  )
})

t.test('it is not written', async t => {
  const { write, readOnly } = at(newStore(t), 'a:1')
  t.match(
    readOnly,
    /cannot write to containers-storage:.*"podman load --input FILE".*"podman pull oci-archive:FILE"/,
  )
  t.throws(() => write.hasBlob({ mediaType: 'x', digest: digestOf('x'), size: 1 }), { code: 'PLACE_INVALID' })
})

t.test('the usual storage of a user', async t => {
  const home = { HOME: '/home/u', USER: 'u' }
  const conf = (text: string): string => `[storage]\n${text}\n`
  const options = '[storage.options]\nadditionalimagestores = [\n "/s1",\n "/s2",\n]'
  const rows: readonly [
    uid: number,
    env: Record<string, string>,
    files: Record<string, string>,
    found: object,
    why: string,
  ][] = [
    [0, {}, {}, { root: '/var/lib/containers/storage', additional: [] }, 'root'],
    [
      0,
      {},
      { '/etc/containers/storage.conf': conf('graphroot = "/g"') },
      { root: '/g' },
      'the file of the system',
    ],
    [
      0,
      {},
      { '/usr/share/containers/storage.conf': conf('graphroot = "/g"') },
      { root: '/g' },
      'the file of the distribution',
    ],
    [
      0,
      {},
      { '/etc/containers/storage.conf': '', '/usr/share/containers/storage.conf': conf('graphroot = "/g"') },
      { root: '/var/lib/containers/storage' },
      'an empty file counts',
    ],
    [
      0,
      {},
      { '/etc/containers/storage.conf': conf(options) },
      { additional: ['/s1', '/s2'] },
      'additional storages',
    ],
    [0, { STORAGE_DRIVER: 'vfs' }, {}, { driver: 'vfs' }, 'a driver'],
    [1000, home, {}, { root: '/home/u/.local/share/containers/storage' }, 'a user'],
    [
      1000,
      { ...home, XDG_DATA_HOME: '/d' },
      {},
      { root: '/d/containers/storage' },
      'a user with another folder',
    ],
    [
      1000,
      home,
      { '/etc/containers/storage.conf': conf('graphroot = "/g"\nrootless_storage_path = "/x/$USER-$UID"') },
      { root: '/x/u-1000' },
      'the file of the system has a path for users',
    ],
    [
      1000,
      home,
      { '/home/u/.config/containers/storage.conf': conf('graphroot = "/own"') },
      { root: '/own' },
      'the file of the user',
    ],
    [
      1000,
      { ...home, CONTAINERS_STORAGE_CONF: '/c', XDG_CONFIG_HOME: '/other' },
      { '/c': conf('graphroot = "/by-name"'), '/other/containers/storage.conf': conf('graphroot = "/own"') },
      { root: '/by-name' },
      'the file that the environment names',
    ],
    [
      0,
      { ...home, _CONTAINERS_USERNS_CONFIGURED: 'done', _CONTAINERS_ROOTLESS_UID: '1000' },
      {},
      { root: '/home/u/.local/share/containers/storage' },
      'inside of podman unshare',
    ],
  ]
  for (const [uid, env, files, found, why] of rows)
    t.match(usualStorage({ uid, env, readFile: file => files[file] }), found, why)
  const at = (env: Record<string, string>, text: string): unknown =>
    usualStorage({ uid: 1000, env, readFile: () => text })
  t.throws(() => at(home, '['), { code: 'STORAGE_CONF_INVALID', message: /storage.conf/ })
  t.throws(() => at({}, ''), { code: 'PLACE_INVALID', message: /HOME is not set/ })
  const dir = tempDir(t, 'storage')
  const store = new PodmanStore(path.join(dir, 'own'), splitTar)
  await store.add({ names: ['docker.io/library/a:1'], layers: [BASE] })
  fs.writeFileSync(path.join(dir, 'storage.conf'), conf(`graphroot = ${JSON.stringify(store.root)}`))
  const env = { CONTAINERS_STORAGE_CONF: path.join(dir, 'storage.conf'), HOME: dir }
  const usual = openPlace('containers-storage:a:1', { store: '', env })
  t.equal((await usual.read.resolve()).document.kind, 'manifest')
  t.same(placesIn('containers-storage:', { env }), ['containers-storage:docker.io/library/a:1'])
  const none = openPlace('containers-storage:b:1', { store: '', env })
  await t.rejects(none.read.resolve(), {
    message: /in the storage of this user: there is docker.io\/library\/a:1/,
  })
})
