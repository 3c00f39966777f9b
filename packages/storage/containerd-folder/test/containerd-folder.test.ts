import fs from 'node:fs'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type BoltTree, boltFile, ContainerdStore, storeImage, tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { ContainerdFolder, fullName, isNamespace } from '../src/index.js'

t.test('names and blobs of a namespace', async t => {
  const store = new ContainerdStore(tempDir(t, 'containerd'))
  const docker = store.namespace('moby')
  const app = storeImage(docker, { name: 'docker.io/library/app:1' })
  const other = storeImage(docker, { name: 'odd name', layers: ['a', 'b'] })
  const folder = new ContainerdFolder(store.root)
  t.equal(folder.namespace, 'moby', 'the only one that has images')
  t.same([...folder.images().keys()], ['docker.io/library/app:1', 'odd name'])
  t.equal(folder.readBlob(app.digest).length, app.size)
  for (const name of ['docker.io/library/app:1', 'app:1', app.digest])
    t.match(folder.resolve(name), [{ digest: app.digest, size: app.size, mediaType: app.mediaType }], name)
  t.match(folder.resolve('odd name'), [{ digest: other.digest }])
  t.same(folder.resolve('app'), [], 'app is app:latest')
  t.same(folder.resolve('ODD'), [])
})

t.test('which namespace is read', async t => {
  const store = new ContainerdStore(tempDir(t, 'containerd'))
  const at = (namespace?: string): ContainerdFolder => new ContainerdFolder(store.root, namespace)
  store.namespace('empty')
  store.write()
  t.throws(() => at().images(), {
    code: 'MANIFEST_UNKNOWN',
    message: /there is no image in containerd's folder/,
  })
  storeImage(store.namespace('k8s.io'), { name: 'a:1' })
  t.equal(at().namespace, 'k8s.io')
  storeImage(store.namespace('default'), { name: 'b:1' })
  const message = /several namespaces have images, say which: default, k8s.io$/
  t.throws(() => at().images(), { code: 'REFERENCE_AMBIGUOUS', message })
  t.same([...at('default').images().keys()], ['b:1'])
  t.same([...at('k8s.io').images().keys()], ['a:1'])
  for (const name of ['none', 'empty', 'version'])
    t.throws(() => at(name).images(), {
      code: 'MANIFEST_UNKNOWN',
      message: new RegExp(`there is no image in namespace ${name} of .*: default, k8s.io has images$`),
    })
})

t.test('folders that are none', async t => {
  const dir = tempDir(t, 'containerd')
  const at =
    (root: string): (() => unknown) =>
    () =>
      new ContainerdFolder(root).images()
  const missing = { code: 'FOLDER_MISSING', message: /is no folder of containerd: it has no "io.*meta.db"$/ }
  t.throws(at(`${dir}/none`), missing)
  fs.writeFileSync(`${dir}/file`, '')
  t.throws(at(`${dir}/file`), missing)
  const store = new ContainerdStore(`${dir}/docker/containerd/daemon`)
  storeImage(store.namespace('moby'), { name: 'a:1' })
  t.throws(at(`${dir}/docker`), {
    code: 'FOLDER_MISSING',
    message: /: Docker's is ".*\/docker\/containerd\/daemon"$/,
  })
  fs.rmSync(store.metadata)
  fs.mkdirSync(store.metadata)
  t.throws(at(store.root), { code: 'FILE_INVALID' })
})

t.test('databases that lie', async t => {
  const store = new ContainerdStore(tempDir(t, 'containerd'))
  const { digest, size } = storeImage(store.namespace('n'), { name: 'a:1' })
  const good = { digest, mediatype: MEDIA_TYPES.ociManifest, size: Buffer.from([2 * 60]) }
  const write = (tree: BoltTree): void =>
    fs.writeFileSync(store.metadata, boltFile({ v1: { n: { images: tree } } }))
  const images = (): unknown => [...new ContainerdFolder(store.root).images().values()]
  write({ a: { target: good } })
  t.match(images(), [{ size: 60 }])
  t.ok(size > 60)
  const rows: readonly [image: BoltTree | string, message: RegExp, why: string][] = [
    ['text', /image "a" has no valid digest/, 'a value in place of a bucket'],
    [{}, /no valid digest/, 'no target'],
    [{ target: { ...good, digest: 'sha256:12' } }, /no valid digest/, 'a short digest'],
    [{ target: { ...good, digest: '../../etc/passwd' } }, /no valid digest/, 'a path'],
    [{ target: { ...good, mediatype: '' } }, /no valid media type/, 'no type'],
    [{ target: { ...good, size: '' } }, /no valid size/, 'an empty size'],
    [{ target: { ...good, size: Buffer.from([1]) } }, /no valid size/, 'a negative size'],
    [{ target: { ...good, size: Buffer.alloc(30, 0xff) } }, /no valid size/, 'a size without end'],
    [
      { target: { ...good, size: Buffer.from([...Buffer.alloc(8, 0xff), 0x7f]) } },
      /no valid size/,
      'a size of 2^62',
    ],
    [{ target: { ...good, size: Buffer.from([2, 2]) } }, /no valid size/, 'bytes behind the size'],
  ]
  for (const [image, message, why] of rows) {
    write({ a: image })
    t.throws(images, { code: 'METADATA_INVALID', message }, why)
  }
  fs.writeFileSync(store.metadata, 'no database')
  t.throws(images, { code: 'BOLT_INVALID' })
})

t.test('a damaged database gives an error of its own, or names', async t => {
  const store = new ContainerdStore(tempDir(t, 'containerd'))
  for (let n = 0; n < 30; n++) storeImage(store.namespace('n'), { name: `image:${n}`, layers: [`${n}`] })
  const file = fs.readFileSync(store.metadata)
  const codes = new Set(['BOLT_INVALID', 'METADATA_INVALID', 'MANIFEST_UNKNOWN', 'REFERENCE_AMBIGUOUS'])
  const flips = fc.array(fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 6,
  })
  fc.assert(
    fc.property(flips, list => {
      const bytes = Buffer.from(file)
      for (const [at, by] of list) bytes.writeUInt8((bytes[at] ?? 0) ^ by, at)
      fs.writeFileSync(store.metadata, bytes)
      try {
        new ContainerdFolder(store.root).images()
      } catch (error) {
        if (!codes.has(String((error as { code?: string }).code))) throw error
      }
    }),
    { numRuns: 500 },
  )
})

t.test('isNamespace, fullName', async t => {
  for (const name of ['default', 'k8s.io', 'a-b_c.d', 'x'.repeat(76)]) t.ok(isNamespace(name), name)
  for (const name of ['', 'a/b', '.a', 'a.', 'a..b', 'a b', 'x'.repeat(77)]) t.notOk(isNamespace(name), name)
  t.equal(fullName('app'), 'docker.io/library/app:latest')
  t.equal(fullName('No Name'), undefined)
  t.equal(fullName(`sha256:${'a'.repeat(64)}`), undefined)
})
