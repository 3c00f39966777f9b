import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { imgTag } from '../src/index.js'

async function tag(
  root: string,
  source: string,
  names: readonly string[],
  verify = false,
): Promise<AnyRecord[]> {
  const records = await collect(imgTag({ store: root, source, names, verify }))
  for (const record of records) checkRecord(record)
  return records
}

const names = (store: Store): unknown[] =>
  store
    .index()
    .manifests.map(entry => [entry.annotations?.['org.opencontainers.image.ref.name'], entry.digest])
    .sort()

t.test('an image gets names', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const { digest } = storeImage(store, { name: 'docker.io/library/a:1', layers: ['a'] })
  const other = storeImage(store, { name: 'docker.io/library/b:1', layers: ['b'] })
  const records = await tag(root, 'a:1', ['a:2', 'registry.example/x/y', 'store:b:1'])
  t.same(
    records.map(({ reference }) => reference),
    ['store:docker.io/library/a:2', 'store:registry.example/x/y:latest', 'store:docker.io/library/b:1'],
  )
  t.same(names(store), [
    ['docker.io/library/a:1', digest],
    ['docker.io/library/a:2', digest],
    ['docker.io/library/b:1', digest],
    ['registry.example/x/y:latest', digest],
  ])
  await tag(root, digest.slice(7, 19), ['by-id'])
  t.equal(store.resolve('docker.io/library/by-id:latest')[0]?.digest, digest)
  await t.rejects(tag(root, other.digest, ['again']), { code: 'MANIFEST_UNKNOWN' }, 'its name moved')
})

t.test('an image without a name, and annotations of the index', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const image = storeImage(store)
  store.tag({ ...image, annotations: { key: 'kept' } })
  await tag(root, image.digest, ['now:1'])
  t.match(store.index().manifests, [
    { annotations: { key: 'kept', 'org.opencontainers.image.ref.name': 'docker.io/library/now:1' } },
  ])
  t.equal(store.index().manifests.length, 1, 'the entry without a name is replaced')
})

t.test('what is refused leaves the names as they are', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  storeImage(store, { name: 'docker.io/library/a:1', layers: ['one'] })
  const { digest } = storeImage(store, { name: 'docker.io/library/broken:1', layers: ['two'] })
  fs.rmSync(store.blobPath(digestOf('two')))
  const before = names(store)
  const pinned = `b@${digest}`
  const rows: readonly [source: string, name: string, code: string][] = [
    ['none:1', 'b:1', 'MANIFEST_UNKNOWN'],
    ['a:1', 'B:1', 'REFERENCE_INVALID'],
    ['a:1', pinned, 'USAGE'],
    ['broken:1', 'b:1', 'IMAGE_INCOMPLETE'],
  ]
  for (const [source, name, code] of rows) await t.rejects(tag(root, source, ['c:1', name]), { code }, code)
  t.same(names(store), before)
  fs.writeFileSync(store.blobPath(digestOf('one')), 'eno')
  await tag(root, 'a:1', ['unread:1'])
  await t.rejects(
    tag(root, 'a:1', ['read:1'], true),
    { code: 'IMAGE_INCOMPLETE' },
    '--verify reads the layers',
  )
  const none = path.join(root, 'none')
  await t.rejects(tag(none, 'a:1', ['b:1']), { code: 'LAYOUT_MISSING' })
})
