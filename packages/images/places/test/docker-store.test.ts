// The folder of a Docker engine as a place: names, the same manifest as that of an archive, images there and back.
import fs from 'node:fs'
import path from 'node:path'
import { digestOf, verified } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import { type Descriptor, type Manifest, MEDIA_TYPES } from '@pipelayer/oci'
import { handmade, need, tempDir } from '@pipelayer/testkit'
import { applyLayerOverlay } from '@pipelayer/unpacking'
import t, { type Test } from 'tap'
import { dockerStoreImages, parseDockerStore } from '../src/docker-store.js'
import { openPlace, type Place } from '../src/index.js'

const skip = need('root')
const ID = 'a'.repeat(64)
const LAYERS = ['one', 'two'].map(name => handmade([{ name, content: name }]))

const unpack = async (tar: AsyncIterable<Buffer>, dir: string, lowers: readonly string[]): Promise<void> => {
  await applyLayerOverlay(tar, dir, { lowers })
}

function open(t: Test, text: string, more: object = {}): Place {
  const place = openPlace(text, { store: '/none', run: { unpack }, ...more })
  t.teardown(() => place.close())
  return place
}

/** The folder of an engine without images. */
function engine(t: Test): string {
  const root = path.join(tempDir(t, 'engine'), 'docker')
  for (const name of ['image/overlay2/layerdb/sha256', 'image/overlay2/imagedb/content/sha256', 'overlay2/l'])
    fs.mkdirSync(path.join(root, name), { recursive: true })
  return root
}

/** An image in a layout, with the author of its config. */
function imageIn(layout: Layout, author: string, layers: readonly Buffer[] = LAYERS): Descriptor {
  const put = (mediaType: string, content: Buffer | object): Descriptor => {
    const { digest, size } = layout.putBytes(
      Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content)),
    )
    return { mediaType, digest, size }
  }
  const rootfs = { type: 'layers', diff_ids: layers.map(layer => digestOf(layer)) }
  const config = put(MEDIA_TYPES.ociConfig, { os: 'linux', architecture: 'amd64', author, rootfs })
  const mediaType = MEDIA_TYPES.ociManifest
  const list = layers.map(layer => put(MEDIA_TYPES.ociLayer, layer))
  return put(mediaType, { schemaVersion: 2, mediaType, config, layers: list })
}

/** Copies an image as blob-put does. */
async function copy(from: Place, to: Place, digest?: string): Promise<string> {
  const root = await from.read.resolve(digest)
  const { config, layers } = root.document as Manifest
  for (const blob of [config, ...layers])
    if (!(await to.write.hasBlob(blob))) await to.write.putBlob(blob, () => from.read.blob(blob))
  return (await to.write.publish(root)).place
}

t.test('parseDockerStore', async t => {
  t.same(parseDockerStore('/d'), { root: '/d' })
  t.same(parseDockerStore('/d/:'), { root: '/d' }, 'no image')
  t.equal(parseDockerStore('d').root, path.resolve('d'))
  for (const [text, reference, digits, why] of [
    ['/d:app', 'docker.io/library/app:latest', undefined, 'the default tag'],
    ['/d:h:5/a/b:1', 'h:5/a/b:1', undefined, 'the first colon ends ROOT'],
    [`/d:app:1@sha256:${ID}`, `docker.io/library/app@sha256:${ID}`, undefined, 'a digest counts'],
    ['/d:cafe', 'docker.io/library/cafe:latest', 'cafe', 'a name or an id'],
    [`/d:${ID}`, undefined, ID, 'an id'],
    ['/d:sha256:aaaa', undefined, 'aaaa', 'the beginning of an id'],
  ] as const) {
    const { image } = parseDockerStore(text)
    t.equal(image?.reference, reference, why)
    t.equal(image?.digits, digits, why)
  }
  for (const [text, code] of [
    ['', 'PLACE_INVALID'],
    [':app', 'PLACE_INVALID'],
    ['/d:A b', 'REFERENCE_INVALID'],
    ['/d:sha256:x', 'REFERENCE_INVALID'],
  ] as const)
    t.throws(() => parseDockerStore(text), { code }, text)
})

t.test('images there and back', { skip }, async t => {
  const root = engine(t)
  const dir = tempDir(t, 'layout')
  const layout = Layout.open(`${dir}/l`, { create: true })
  const [one, two] = [imageIn(layout, 'one'), imageIn(layout, 'two')]
  const from = open(t, `oci:${dir}/l`)
  const place = open(t, `docker-store:${root}:app:1`)
  t.match(place, { text: `docker-store:${root}`, reference: 'docker.io/library/app:1' })
  const put = await copy(from, place, one.digest)
  t.equal(put, `docker-store:${root}:docker.io/library/app:1`)
  const only = open(t, `docker-store:${root}`)
  const found = await only.read.resolve()
  t.equal((await only.read.resolve(found.descriptor.digest)).descriptor.digest, found.descriptor.digest)
  const { config, layers } = found.document as Manifest
  t.same(
    layers.map(({ digest, size, mediaType }) => [digest, size, mediaType]),
    LAYERS.map(layer => [digestOf(layer), layer.length, MEDIA_TYPES.ociLayer]),
  )
  for (const blob of [...layers, config]) {
    // A place of a record is opened without an image, and asked for a blob at once.
    const other = open(t, `docker-store:${root}`)
    t.equal(await other.read.blobSize?.(blob.digest), blob.size)
    for await (const _ of verified(other.read.blob(blob) as AsyncIterable<Buffer>, blob));
  }
  const unnamed = await copy(from, open(t, `docker-store:${root}`), two.digest)
  t.match(unnamed, /:sha256:[0-9a-f]{64}$/)
  const byID = await open(t, unnamed).read.resolve()
  t.equal(
    await copy(open(t, unnamed), open(t, `docker-store:${root}:b/c:2`)),
    `docker-store:${root}:docker.io/b/c:2`,
  )
  t.not(byID.descriptor.digest, found.descriptor.digest)
  t.equal(
    (await only.read.resolve(byID.descriptor.digest)).descriptor.digest,
    byID.descriptor.digest,
    'a manifest by its digest, whatever the name',
  )
  await t.rejects(open(t, `docker-store:${root}`).read.resolve(), {
    code: 'REFERENCE_AMBIGUOUS',
    message: /docker.io\/b\/c:2, docker.io\/library\/app:1$/,
  })
  t.same(dockerStoreImages(root), [
    `docker-store:${root}:docker.io/b/c:2`,
    `docker-store:${root}:docker.io/library/app:1`,
  ])
  t.same(dockerStoreImages(`${root}:app:1`), [`docker-store:${root}:app:1`], 'a name is one image')
  const none = digestOf('none')
  await t.rejects(only.read.resolve(none), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(open(t, `docker-store:${root}:none`).read.resolve(), { code: 'MANIFEST_UNKNOWN' })
  t.equal(await only.read.blobSize?.(none), undefined)
  const missing = only.read.blob({ mediaType: 'x/y', digest: none, size: 1 })
  await t.rejects(missing[Symbol.asyncIterator]().next(), { code: 'BLOB_UNKNOWN' })
})

t.test('the manifest is that of an archive', { skip }, async t => {
  const root = engine(t)
  const dir = tempDir(t, 'layout')
  const layout = Layout.open(`${dir}/l`, { create: true })
  const image = imageIn(layout, 'me')
  const from = open(t, `oci:${dir}/l`)
  await copy(from, open(t, `docker-store:${root}:app:1`), image.digest)
  const { config } = (await from.read.resolve(image.digest)).document as Manifest
  // An archive as engines before 25 save it has no manifest, either.
  const entry = { Config: 'c.json', RepoTags: ['app:1'], Layers: ['0/layer.tar', '1/layer.tar'] }
  const files = [
    { name: 'manifest.json', content: JSON.stringify([entry]) },
    { name: 'c.json', content: fs.readFileSync(layout.blobPath(config.digest), 'utf8') },
    ...LAYERS.map((layer, index) => ({ name: `${index}/layer.tar`, content: layer.toString('latin1') })),
  ]
  fs.writeFileSync(`${dir}/a.tar`, handmade(files))
  const saved = await open(t, `docker-archive:${dir}/a.tar`).read.resolve()
  const stored = await open(t, `docker-store:${root}`).read.resolve()
  t.equal(stored.bytes.toString(), saved.bytes.toString())
})

t.test('what is not put', { skip }, async t => {
  const root = engine(t)
  const dir = tempDir(t, 'layout')
  const layout = Layout.open(`${dir}/l`, { create: true })
  const images = [imageIn(layout, 'one'), imageIn(layout, 'two')]
  const from = open(t, `oci:${dir}/l`)
  const index = (manifests: readonly Descriptor[]): { descriptor: Descriptor; bytes: Buffer } => {
    const mediaType = MEDIA_TYPES.ociIndex
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
    return { descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes }
  }
  const to = open(t, `docker-store:${root}:app:1`)
  for (const { digest } of images) {
    const manifest = await from.read.resolve(digest)
    const { config, layers } = manifest.document as Manifest
    for (const blob of [config, ...layers]) await to.write.putBlob(blob, () => from.read.blob(blob))
    t.notOk(await to.write.hasManifest(manifest.descriptor))
    await to.write.putManifest(manifest)
  }
  await t.rejects(to.write.publish(index(images)), {
    code: 'MEDIA_TYPE_UNSUPPORTED',
    message: /^cannot put an index of 2 images to docker-store:.*app:1: .* choose one by --platform$/,
  })
  await t.rejects(to.write.publish(index([])), {
    code: 'MEDIA_TYPE_UNSUPPORTED',
    message: /no container image/,
  })
  await to.write.publish(index(images.slice(0, 1)))
  t.equal(dockerStoreImages(root).length, 1, 'an index of one image is that image')
  const pinned = open(t, `docker-store:${root}:app@${digestOf('other')}`)
  await t.rejects(copy(from, pinned, images[0]?.digest), { code: 'DIGEST_MISMATCH' })
  const name = `docker-store:${root}:app@${images[1]?.digest}`
  await copy(from, open(t, name), images[1]?.digest)
  t.same(dockerStoreImages(root).slice(1), [name.replace(':app', ':docker.io/library/app')])
  await t.rejects(copy(from, open(t, `docker-store:${root}:${ID}`), images[0]?.digest), {
    code: 'PLACE_INVALID',
    message: /give a name$/,
  })
  await t.rejects(copy(from, open(t, `docker-store:${root}:x:1`, { run: {} }), images[0]?.digest), {
    code: 'PLACE_INVALID',
  })
})

t.test('verify reads the layers that are there', { skip }, async t => {
  const root = engine(t)
  const dir = tempDir(t, 'layout')
  const layout = Layout.open(`${dir}/l`, { create: true })
  const image = imageIn(layout, 'me')
  const from = open(t, `oci:${dir}/l`)
  await copy(from, open(t, `docker-store:${root}:app:1`), image.digest)
  await copy(from, open(t, `docker-store:${root}:app:2`, { verify: true }), image.digest)
  for (const id of fs.readdirSync(path.join(root, 'overlay2')).filter(name => name !== 'l')) {
    const file = path.join(root, 'overlay2', id, 'diff/one')
    if (fs.existsSync(file)) fs.writeFileSync(file, 'eno')
  }
  await copy(from, open(t, `docker-store:${root}:app:3`), image.digest)
  await t.rejects(copy(from, open(t, `docker-store:${root}:app:4`, { verify: true }), image.digest), {
    code: 'CHECKSUM_MISMATCH',
    message: /the file "one" was changed since it was unpacked/,
  })
})
