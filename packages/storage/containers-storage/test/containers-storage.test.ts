import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { splitTar } from '@pipelayer/tar-split'
import { handmade, hard, link, PodmanStore, tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { bigDataFile } from '../src/big-data.js'
import { ContainersStorage } from '../src/index.js'

const BASE = handmade([
  { name: 'usr/', type: 'dir' },
  { name: 'usr/lib/', type: 'dir' },
  link('lib', 'usr/lib'),
  { name: 'lib/through', content: 'a file whose name leads through a symlink\n' },
  { name: 'etc/', type: 'dir' },
  { name: 'etc/word', content: 'hello\n' },
  hard('etc/same', 'etc/word'),
])
const TOP = handmade([
  { name: 'etc/', type: 'dir' },
  { name: 'etc/.wh.word' },
  { name: 'etc/new', content: 'x' },
])
const NAMES = ['docker.io/library/a:1']

function storageOf(store: PodmanStore): ContainersStorage {
  return new ContainersStorage({ root: store.root })
}

async function tarOf(storage: ContainersStorage, at = 0): Promise<Buffer> {
  const [image] = storage.images()
  const layer = image && storage.layersOf(image)[at]
  if (layer === undefined) throw new Error('there is a layer')
  const chunks: Buffer[] = []
  for await (const chunk of storage.layerTar(layer)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

for (const driver of ['overlay', 'vfs'] as const)
  t.test(`images and layers of ${driver}`, async t => {
    const store = new PodmanStore(tempDir(t, 'storage'), splitTar, driver)
    const made = await store.add({ names: NAMES, layers: [BASE, TOP] })
    const storage = storageOf(store)
    const [image] = storage.images()
    if (image === undefined) throw new Error('there is an image')
    t.match(image, { id: made.id, names: NAMES })
    t.same(storage.document(image, 'manifest'), made.manifest)
    t.same(storage.document(image, `sha256:${made.id}`), made.config)
    t.same(
      storage.layersOf(image).map(({ id, diffID, size }) => [id, diffID, size]),
      made.layerIDs.map((id, n) => [id, made.diffIDs[n], [BASE, TOP][n]?.length]),
    )
    t.same(await tarOf(storage, 0), BASE, 'bit for bit')
    t.same(await tarOf(storage, 1), TOP)
    t.match(storage.layersWith(made.diffIDs[1] ?? ''), [{ id: made.layerIDs[1] }])
    store.layers = store.layers.map(({ 'diff-size': _, ...layer }) => layer)
    store.write()
    const again = storageOf(store)
    const [unsized] = again.layersOf(again.images()[0] ?? image)
    t.equal(unsized && (await again.layerSize(unsized)), BASE.length, 'the size by the headers')
  })

t.test('an additional storage', async t => {
  const dir = tempDir(t, 'storage')
  const own = new PodmanStore(path.join(dir, 'own'), splitTar)
  const shared = new PodmanStore(path.join(dir, 'shared'), splitTar, 'vfs')
  const { layerIDs } = await shared.add({ names: ['docker.io/library/b:1'], layers: [BASE] })
  await own.add({ names: NAMES, layers: [TOP] })
  // The image of one storage stands upon a layer of the other.
  own.layers = own.layers.map(layer => ({ ...layer, parent: layerIDs[0] }))
  own.write()
  const storage = new ContainersStorage({ root: own.root, additional: [shared.root, `${dir}/none`] })
  t.same(
    storage.images().flatMap(({ names }) => names),
    [...NAMES, 'docker.io/library/b:1'],
  )
  t.same(await tarOf(storage, 0), BASE)
  t.same(await tarOf(storage, 1), TOP)
})

t.test('folders that are none', async t => {
  const dir = tempDir(t, 'storage')
  const images = (root: string, driver?: string): unknown =>
    new ContainersStorage({ root, ...(driver && { driver }) }).images()
  t.throws(() => images(`${dir}/none`), {
    code: 'FOLDER_MISSING',
    message: /podman info shows it as "graphRoot"/,
  })
  t.throws(() => images(dir), { code: 'FOLDER_MISSING' })
  fs.mkdirSync(`${dir}/btrfs-images`)
  const other = {
    code: 'DRIVER_UNSUPPORTED',
    message: /its driver is btrfs, and only overlay and vfs.*podman save/,
  }
  t.throws(() => images(dir), other)
  t.throws(() => images(dir, 'btrfs'), other)
  fs.mkdirSync(`${dir}/vfs-images`)
  t.same(images(dir), [], 'the driver that is known')
  t.throws(() => images(dir, 'overlay'), {
    code: 'FOLDER_MISSING',
    message: /no storage of the driver overlay/,
  })
  fs.mkdirSync(`${dir}/vfs-images/images.json`)
  t.throws(() => images(dir), { code: 'FILE_INVALID' })
})

async function broken(
  t: Test,
): Promise<{ readonly store: PodmanStore; readonly tar: () => Promise<Buffer> }> {
  const store = new PodmanStore(tempDir(t, 'storage'), splitTar)
  await store.add({ names: NAMES, layers: [BASE, TOP] })
  return { store, tar: () => tarOf(storageOf(store)) }
}

t.test('lists that lie', async t => {
  const { store, tar } = await broken(t)
  const [base, top] = store.layers
  const [image] = store.images
  const rows: readonly [change: () => void, code: string, message: RegExp, why: string][] = [
    [
      () => store.images.push({ ...image, id: '../../etc' }),
      'STORAGE_INVALID',
      /has the id/,
      'an id that leads out',
    ],
    [
      () => store.images.push({ id: 'x', names: 'a' }),
      'STORAGE_INVALID',
      /no list of texts/,
      'names that are a text',
    ],
    [
      () => (store.images = [{ ...image, layer: 'none' }]),
      'STORAGE_INVALID',
      /layer none, which is not there/,
      'no layer',
    ],
    [
      () => (store.layers = [{ ...base, parent: top?.id }, top ?? {}]),
      'STORAGE_INVALID',
      /lies above itself/,
      'layers in a circle',
    ],
    [() => (store.layers = [{ ...base, id: 7 }]), 'STORAGE_INVALID', /has the id 7/, 'a number as id'],
    [
      () => (store.layers = [{ ...base, flags: { incomplete: true } }, top ?? {}]),
      'LAYER_UNSUPPORTED',
      /it is incomplete/,
      'a layer whose writer died',
    ],
  ]
  for (const [change, code, message, why] of rows) {
    const { images, layers } = store
    store.images = [...images]
    change()
    store.write()
    await t.rejects(tar(), { code, message }, why)
    Object.assign(store, { images, layers })
  }
  for (const text of ['[{"id"', '{}', '[1]', '"x"']) {
    fs.writeFileSync(store.path('overlay-images', 'images.json'), text)
    await t.rejects(tar(), { code: 'STORAGE_INVALID', message: /images.json/ }, text)
  }
  fs.writeFileSync(store.path('overlay-images', 'images.json'), 'null')
  t.same(storageOf(store).images(), [], 'as Go writes an empty list')
})

t.test('layers that were changed, or are kept in another form', async t => {
  const id = (store: PodmanStore): string => String(store.layers[0]?.id)
  const lines = (name: string): Buffer =>
    gzipSync(JSON.stringify({ type: 1, name, size: 6, payload: 'AAAAAAAAAAA=', position: 0 }))
  const rows: readonly [change: (store: PodmanStore) => void, code: string, message: RegExp, why: string][] =
    [
      [
        s => fs.writeFileSync(`${s.folder(id(s))}/etc/word`, 'HELLO\n'),
        'CHECKSUM_MISMATCH',
        /etc\/word/,
        'other bytes',
      ],
      [
        s => fs.writeFileSync(`${s.folder(id(s))}/etc/word`, ''),
        'SIZE_MISMATCH',
        /etc\/word/,
        'another size',
      ],
      [s => fs.rmSync(`${s.folder(id(s))}/etc/word`), 'FILE_MISSING', /no file "etc\/word"/, 'no file'],
      [s => fs.rmSync(s.folder(id(s)), { recursive: true }), 'ENOENT', /cannot read/, 'no folder'],
      [
        s => fs.writeFileSync(s.headers(id(s)), lines('../../x')),
        'PATH_ESCAPES',
        /leaves the root/,
        'a name that leads out',
      ],
      [s => fs.writeFileSync(s.headers(id(s)), lines('etc')), 'FILE_MISSING', /no file "etc"/, 'a directory'],
      [s => fs.writeFileSync(s.headers(id(s)), lines('lib')), 'FILE_MISSING', /no file "lib"/, 'a symlink'],
      [
        s => fs.writeFileSync(s.headers(id(s)), gzipSync('{"type"')),
        'TAR_SPLIT_INVALID',
        /no JSON/,
        'headers that were cut',
      ],
      [
        s => fs.rmSync(s.headers(id(s))),
        'LAYER_UNSUPPORTED',
        /which has the headers of its tar.*podman save/,
        'no headers',
      ],
      [
        s => {
          fs.rmSync(s.headers(id(s)))
          s.layers = s.layers.map(layer => ({ ...layer, 'toc-digest': `sha256:${'a'.repeat(64)}` }))
          s.write()
        },
        'LAYER_UNSUPPORTED',
        /fetched in part \(zstd:chunked\)/,
        'a partial pull',
      ],
      [
        s => fs.mkdirSync(path.join(s.folder(id(s)), '..', 'composefs-data')),
        'LAYER_UNSUPPORTED',
        /kept by composefs/,
        'composefs',
      ],
    ]
  for (const [change, code, message, why] of rows) {
    const { store, tar } = await broken(t)
    change(store)
    await t.rejects(tar(), { code, message }, why)
  }
})

t.test('documents that are missing or changed', async t => {
  const { store } = await broken(t)
  const storage = storageOf(store)
  const [image] = storage.images()
  if (image === undefined) throw new Error('there is an image')
  t.throws(() => storage.document(image, 'signatures'), {
    code: 'BLOB_UNKNOWN',
    message: /has no document "signatures"/,
  })
  const file = store.path('overlay-images', image.id, 'manifest')
  fs.writeFileSync(file, '{}')
  t.throws(() => storage.document(image, 'manifest'), { code: 'DIGEST_MISMATCH' })
  fs.writeFileSync(file, Buffer.alloc(5 * 1024 * 1024))
  t.throws(() => storage.document(image, 'manifest'), { code: 'FILE_TOO_LARGE' })
  fs.rmSync(file)
  t.throws(() => storage.document(image, 'manifest'), { code: 'BLOB_UNKNOWN' })
})

t.test('lists with flipped bytes give an error of their own, or images', async t => {
  const { store, tar } = await broken(t)
  const files = ['images', 'layers'].map(what => store.path(`overlay-${what}`, `${what}.json`))
  const before = files.map(file => fs.readFileSync(file))
  const codes =
    /^(STORAGE_INVALID|LAYER_UNSUPPORTED|BLOB_UNKNOWN|DIGEST_MISMATCH|ENOENT|FOLDER_MISSING|FILE_MISSING)$/
  await fc.assert(
    fc.asyncProperty(fc.nat(1), fc.nat(), fc.integer({ min: 1, max: 255 }), async (which, at, by) => {
      for (const [index, file] of files.entries()) {
        const bytes = Buffer.from(before[index] ?? '')
        const place = at % bytes.length
        if (index === which) bytes.writeUInt8((bytes[place] ?? 0) ^ by, place)
        fs.writeFileSync(file, bytes)
      }
      await tar().catch(error => {
        if (!codes.test(error.code) && error.message !== 'there is a layer') throw error
      })
    }),
    { numRuns: 300 },
  )
})

t.test('bigDataFile', async t => {
  // Keys of small letters, digits and dots stay as they are, whatever their last character is; others are written as base64.
  const rows: readonly [key: string, file: string][] = [
    ['manifest', 'manifest'],
    ['sha256:ab', '=c2hhMjU2OmFi'],
    ['manifest-sha256:ab', '=bWFuaWZlc3Qtc2hhMjU2OmFi'],
    ['a.b1', 'a.b1'],
    ['A', 'A'],
    ['Ab', '=QWI='],
  ]
  for (const [key, file] of rows) t.equal(bigDataFile(key), file)
})
