// FROM: which image a name gives, and what happens if the store has a wrong or damaged blob of it.

import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { BaseImage } from '@pipelayer/planning'
import { Store } from '@pipelayer/store'
import { type Scope, serve, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BaseOptions, resolveBase } from '../src/resolve-base.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }
const TAR = Buffer.alloc(1024)

interface Lab {
  readonly store: Store
  readonly host: string
  readonly asked: readonly string[]
  readonly warnings: string[]
  /** Keeps an image in the registry. */
  image(author: string): Image
  /** An index of images, in the registry. */
  index(images: readonly Image[]): Descriptor
  from(text: string, more?: Partial<BaseOptions>): Promise<BaseImage>
}

interface Image {
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layer: Descriptor
}

async function lab(t: Scope): Promise<Lab> {
  const blobs = new Map<string, { readonly mediaType: string; readonly bytes: Buffer }>()
  const tags = new Map<string, string>()
  const { url, asked } = await serve(t, (request, response) => {
    const name = /\/(?:manifests|blobs)\/(.+)$/.exec(request.url ?? '')?.[1] ?? ''
    const found = blobs.get(tags.get(name) ?? name)
    if (found === undefined) return void response.writeHead(404).end()
    const headers = { 'content-type': found.mediaType, 'content-length': found.bytes.length }
    response.writeHead(200, headers).end(found.bytes)
  })
  const keep = (mediaType: string, content: Buffer | object): Descriptor => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    blobs.set(digestOf(bytes), { mediaType, bytes })
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  const store = Store.open(path.join(tempDir(t, 'base'), 'store'))
  const warnings: string[] = []
  const options = {
    store,
    pull: false,
    platform: AMD64,
    env: {},
    signal: new AbortController().signal,
    registries: { retry: { tries: 1, baseMs: 1, maxMs: 1 } },
    warn: (message: string, code = ''): void => void warnings.push(`${code} ${message}`),
  }
  return {
    store,
    host: url.replace('http://', ''),
    asked,
    warnings,
    image: author => {
      const layer = keep(`${MEDIA_TYPES.ociLayer}+gzip`, gzipSync(TAR))
      const rootfs = { type: 'layers', diff_ids: [digestOf(TAR)] }
      const config = keep(MEDIA_TYPES.ociConfig, { ...AMD64, author, config: {}, rootfs })
      const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] }
      const manifest = keep(MEDIA_TYPES.ociManifest, document)
      tags.set(author, manifest.digest)
      return { manifest, config, layer }
    },
    index: images => {
      const manifests = images.map(({ manifest }) => ({ ...manifest, platform: AMD64 }))
      return keep(MEDIA_TYPES.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })
    },
    from: (text, more = {}) => resolveBase(text, { ...options, ...more }),
  }
}

const authorOf = ({ config }: BaseImage): unknown => config.author

t.test('FROM a name pinned by digest that the store gives to another image', async t => {
  const { store, host, image, from } = await lab(t)
  const [theirs, evil] = [image('theirs'), image('evil')]
  await from(`${host}/app:evil`)
  const name = `${host}/app@${theirs.manifest.digest}`
  const rows: readonly [names: readonly string[], why: string][] = [
    [[name], 'under the name'],
    [[theirs.manifest.digest], 'under the digest alone'],
    [[name, theirs.manifest.digest], 'under both'],
  ]
  for (const [names, why] of rows) {
    const manifests = names.map(refName => ({ ...evil.manifest, annotations: { [REF_NAME]: refName } }))
    fs.writeFileSync(path.join(store.root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
    t.equal(authorOf(await from(name)), 'theirs', why)
    const named = store.resolve(name).map(({ digest }) => digest)
    t.notOk(named.includes(evil.manifest.digest), `the store gives nobody the other one: ${why}`)
  }
})

t.test('FROM a name pinned to the digest of an index', async t => {
  const { store, host, image, index, from, asked } = await lab(t)
  const one = image('one')
  const name = `${host}/app@${index([one]).digest}`
  t.equal(authorOf(await from(name)), 'one')
  const before = asked.length
  t.equal(authorOf(await from(name)), 'one')
  t.equal(asked.length, before, 'the second time it is in the store')
  t.equal(store.resolve(name)[0]?.digest, one.manifest.digest)
})

const damages: readonly [what: keyof Image, pull: boolean][] = [
  ['manifest', false],
  ['manifest', true],
  ['config', false],
  ['config', true],
]

t.test('FROM an image of which a document in the store is damaged', async t => {
  for (const [what, pull] of damages) {
    const { store, host, image, from, warnings } = await lab(t)
    const descriptor = image('one')[what]
    await from(`${host}/app:one`)
    const file = store.blobPath(descriptor.digest)
    fs.writeFileSync(file, Buffer.alloc(descriptor.size, 'x'))
    const why = `${what}${pull ? ', --pull' : ''}`
    t.equal(authorOf(await from(`${host}/app:one`, { pull })), 'one', why)
    t.equal(digestOf(fs.readFileSync(file)), descriptor.digest, `it is fetched again: ${why}`)
    if (!pull) t.match(warnings.join(), /DIGEST_MISMATCH .*asking the registry/, `and that is said: ${why}`)
    fs.writeFileSync(file, Buffer.alloc(descriptor.size, 'x'))
    await t.rejects(from(`store:${host}/app:one`), { code: 'DIGEST_MISMATCH' }, `the store alone: ${why}`)
  }
})

t.test('layers that turn out to be damaged when they are read', async t => {
  const { store, host, image, from, warnings } = await lab(t)
  const { layer } = image('one')
  const base = await from(`${host}/app:one`)
  t.notOk(await base.mend(), 'nothing is wrong')
  const file = store.blobPath(layer.digest)
  fs.writeFileSync(file, Buffer.alloc(layer.size, 'x'))
  t.ok(await base.mend(), 'it is fetched again')
  t.equal(digestOf(fs.readFileSync(file)), layer.digest)
  t.match(warnings.join(), /BLOB_DAMAGED/, 'and that is said')
  fs.writeFileSync(file, Buffer.alloc(layer.size, 'x'))
  const own = await from(`store:${host}/app:one`)
  await t.rejects(own.mend(), { code: 'BLOB_DAMAGED', message: layer.digest }, 'the store alone')
  t.notOk(store.hasBlob(layer.digest), 'it counts as missing')
  t.equal(authorOf(await from(`${host}/app:one`)), 'one')
  t.equal(digestOf(fs.readFileSync(file)), layer.digest, 'so the next build brings it')
})
