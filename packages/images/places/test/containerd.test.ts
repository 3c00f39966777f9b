import fs from 'node:fs'
import { Layout } from '@pipelayer/layout'
import { ContainerdStore, storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { parseContainerd } from '../src/containerd.js'
import { openPlace, type Place, placesIn, readDocument } from '../src/index.js'

const ARM64 = { os: 'linux', architecture: 'arm64' }

function at(store: ContainerdStore, name = ''): Place {
  return openPlace(`containerd:${store.root}${name}`, { store: '' })
}

function newStore(t: Test): ContainerdStore {
  return new ContainerdStore(tempDir(t, 'containerd'))
}

t.test('parseContainerd', async t => {
  const digest = `sha256:${'a'.repeat(64)}`
  const rows: readonly [rest: string, parts: object, why: string][] = [
    ['/c', {}, 'only the folder'],
    ['/c:', {}, 'an empty namespace'],
    ['/c:k8s.io', { namespace: 'k8s.io' }, 'a namespace'],
    ['/c:k8s.io:', { namespace: 'k8s.io' }, 'an empty reference'],
    ['/c:moby:a:1', { namespace: 'moby', reference: 'a:1' }, 'a namespace and a reference'],
    ['/c::a:1', { reference: 'a:1' }, 'no namespace'],
    ['/c:docker.io/library/a:1', { reference: 'docker.io/library/a:1' }, 'what no namespace is called'],
    [`/c:${digest}`, { digest }, 'a digest'],
    [`/c:moby:${digest}`, { namespace: 'moby', digest }, 'a namespace and a digest'],
    ['/c:moby:h:5000/x:1', { namespace: 'moby', reference: 'h:5000/x:1' }, 'a port'],
  ]
  for (const [rest, parts, why] of rows) t.same(parseContainerd(rest), { root: '/c', ...parts }, why)
  for (const rest of ['', ':moby', ':'])
    t.throws(() => parseContainerd(rest), { code: 'PLACE_INVALID', message: /expected containerd:ROOT/ })
})

t.test('an image by its names', async t => {
  const store = newStore(t)
  const holder = store.namespace('default')
  const { digest } = storeImage(holder, { name: 'docker.io/library/app:1', layers: ['one', 'two'] })
  for (const name of ['', ':default', ':default:app:1', ':docker.io/library/app:1', `:${digest}`]) {
    const { read } = at(store, name)
    const { descriptor, document } = await read.resolve()
    t.equal(descriptor.digest, digest, name)
    const layers = document.kind === 'manifest' ? document.layers : []
    t.equal(layers.length, 2)
    for (const layer of layers) {
      t.equal(await read.blobSize?.(layer.digest), layer.size)
      t.equal((await readDocument(layer, () => read.blob(layer))).length, layer.size)
    }
  }
  t.equal(at(store, ':default:app:1').reference, 'docker.io/library/app:1', 'its full name')
  t.equal(at(store, `:default:${digest}`).reference, undefined)
  t.equal(at(store, `:default:moby-dangling@${digest}`).reference, undefined, 'an image that lost its names')
  t.equal(at(store, ':default:app:1').text, `containerd:${store.root}:default`)
  await t.rejects(at(store, ':default:none').read.resolve(), {
    code: 'MANIFEST_UNKNOWN',
    message: /there is no image "none" in containerd:.*:default$/,
  })
  storeImage(holder, { name: 'b:1' })
  await t.rejects(at(store).read.resolve(), {
    code: 'REFERENCE_AMBIGUOUS',
    message: /app:1, b:1|b:1, .*app:1/,
  })
})

t.test('blobs need no names', async t => {
  const store = newStore(t)
  const { digest, size, mediaType } = storeImage(store.namespace('one'), { name: 'a:1' })
  storeImage(store.namespace('two'), { name: 'a:1' })
  const { read } = at(store)
  t.equal(
    (await read.resolve(digest)).descriptor.size,
    size,
    'as where a record says that a blob is from here',
  )
  t.equal(
    (await readDocument({ digest, size, mediaType }, () => read.blob({ digest, size, mediaType }))).length,
    size,
  )
})

t.test('what was pulled for one platform', async t => {
  const store = newStore(t)
  const holder = store.namespace('default')
  const amd64 = storeImage(holder, { layers: ['amd64'] })
  const arm64 = storeImage(holder, { layers: ['arm64'], platform: ARM64 })
  const attestation = storeImage(holder, {
    layers: ['sbom'],
    platform: { os: 'unknown', architecture: 'unknown' },
  })
  storeIndex(holder, [amd64, arm64, attestation], 'docker.io/library/app:1')
  const place = at(store, ':default:app:1')
  t.match((await place.read.resolve()).document, { kind: 'index' })
  fs.rmSync(store.blobPath(arm64.digest))
  const only = {
    code: 'BLOB_UNKNOWN',
    message: /no blob sha256:.*: image app:1 was pulled for linux\/amd64 only$/,
  }
  await t.rejects(place.read.resolve(arm64.digest), only)
  const { document } = await place.read.resolve(amd64.digest)
  const layer = document.kind === 'manifest' ? document.layers[0] : undefined
  if (layer === undefined) throw new Error('there is one layer')
  fs.rmSync(store.blobPath(layer.digest))
  const gone = { code: 'BLOB_UNKNOWN', message: /"ctr --namespace default content fetch NAME"$/ }
  await t.rejects(
    readDocument(layer, () => place.read.blob(layer)),
    gone,
    'layers that were discarded',
  )
  fs.writeFileSync(store.blobPath(amd64.digest), 'damaged')
  await t.rejects(place.read.resolve(arm64.digest), gone, 'a damaged manifest is no platform')
  await t.rejects(place.read.resolve(amd64.digest), { code: 'DIGEST_MISMATCH' })
  await t.rejects(
    at(store).read.resolve(arm64.digest),
    { message: /no blob sha256:\S+ in "\S+"$/ },
    'no name is known',
  )
})

t.test('all images of a namespace', async t => {
  const store = newStore(t)
  const holder = store.namespace('k8s.io')
  const pause = storeImage(holder, { name: 'registry.k8s.io/pause:3.9' })
  store.tag('k8s.io', `registry.k8s.io/pause@${pause.digest}`, pause)
  store.tag('k8s.io', `sha256:${'0'.repeat(64)}`, pause)
  store.tag('k8s.io', 'registry.k8s.io/pause:latest', pause)
  const pinned = storeImage(holder, { layers: ['pinned'] })
  store.tag('k8s.io', `h.example/pinned@${pinned.digest}`, pinned)
  store.tag('k8s.io', `sha256:${'1'.repeat(64)}`, pinned)
  const unnamed = storeImage(holder, { layers: ['unnamed'] })
  store.tag('k8s.io', `sha256:${'2'.repeat(64)}`, unnamed)
  const names = [
    `h.example/pinned@${pinned.digest}`,
    'registry.k8s.io/pause:3.9',
    'registry.k8s.io/pause:latest',
    unnamed.digest,
  ].map(name => `containerd:${store.root}:k8s.io:${name}`)
  t.same(placesIn(`containerd:${store.root}:k8s.io`), names, 'by tags where there are some')
  t.same(placesIn(`containerd:${store.root}`), names, 'of the only namespace')
  for (const name of names) t.ok((await openPlace(name, { store: '' }).read.resolve()).bytes, name)
  for (const text of [...names, 'debian:12', 'oci:dir', `containerd:${store.root}:k8s.io:x`])
    t.same(placesIn(text), [text], `one image: ${text}`)
  storeImage(store.namespace('moby'), { name: 'a:1' })
  t.throws(() => placesIn(`containerd:${store.root}`), { code: 'REFERENCE_AMBIGUOUS' })
})

t.test('it is not written', async t => {
  const store = newStore(t)
  const image = storeImage(store.namespace('default'), { name: 'a:1' })
  const { write, readOnly } = at(store, ':default:a:1')
  const why = {
    code: 'PLACE_INVALID',
    message:
      /cannot write to containerd:.*only containerd may write.*oci-archive:FILE and "ctr images import FILE"/,
  }
  t.match(readOnly, why.message)
  for (const call of [write.hasBlob, write.hasManifest]) t.throws(() => call(image), why)
  t.throws(() => write.publish({ descriptor: image, bytes: Buffer.alloc(0) }), why)
  t.throws(() => Layout.open(`${store.root}/io.containerd.content.v1.content`), { code: 'LAYOUT_MISSING' })
})
