import fs from 'node:fs'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgRmOptions, imgRm } from '../src/index.js'
import { LINES } from '../src/text.js'

async function rm(
  root: string,
  images: readonly string[],
  more: Partial<ImgRmOptions> & { readonly records?: readonly AnyRecord[] } = {},
): Promise<AnyRecord[]> {
  const { records = [], ...options } = more
  const written = await collect(imgRm(each(records), { store: root, images, ...options }))
  for (const record of written) checkRecord(record)
  return written
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

const names = (store: Store): unknown[] =>
  store.index().manifests.map(entry => entry.annotations?.['org.opencontainers.image.ref.name'])

/** `a:1` and `a:2` are one image; `b:1` shares a layer with it. */
function filled(root: string): Store {
  const store = Store.open(root)
  const image = storeImage(store, { name: 'docker.io/library/a:1', layers: ['shared', 'own'] })
  store.tag({ ...image }, 'docker.io/library/a:2')
  storeImage(store, { name: 'docker.io/library/b:1', layers: ['shared', 'other'] })
  return store
}

t.test('the last name says what becomes unreferenced', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const [first] = await rm(root, ['a:1'])
  t.match(first, { reference: 'store:docker.io/library/a:1', removed: true })
  t.notOk(first && 'unreferenced' in first, 'another name is left')
  const [last] = await rm(root, ['a:2'])
  const unreferenced = (last?.unreferenced ?? []) as { digest: string }[]
  const digests = unreferenced.map(({ digest }) => digest)
  t.equal(digests.length, 3, 'manifest, config and one layer')
  t.ok(digests.includes(digestOf('own')))
  t.notOk(digests.includes(digestOf('shared')))
  t.same(names(store), ['docker.io/library/b:1'])
  t.ok(store.hasBlob(digestOf('own')), 'nothing is deleted')
})

t.test('several at a time', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const records = await rm(root, ['a:1', 'none:1', 'b:1', 'a:2', 'a:1', 'X Y'])
  t.same(
    records.map(({ type, code, name, unreferenced }) => [type, code ?? name, (unreferenced as [])?.length]),
    [
      ['reference', 'docker.io/library/a:1', undefined],
      ['reference', 'docker.io/library/b:1', 3],
      ['reference', 'docker.io/library/a:2', 4],
      ['failed', 'MANIFEST_UNKNOWN', undefined],
      ['failed', 'REFERENCE_INVALID', undefined],
    ],
    'those that can be removed are, and a shared blob counts for the first image',
  )
  t.same(names(store), [])
})

t.test('by digest or id', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const [entry] = store.resolve('docker.io/library/a:1')
  const digest = entry?.digest ?? ''
  t.match(await rm(root, [digest]), [{ type: 'failed', code: 'IMAGE_NAMED', message: /a:1, .*a:2/ }])
  t.equal(names(store).length, 3)
  t.equal((await rm(root, [digest.slice(7, 19)], { force: true })).length, 2)
  t.same(names(store), ['docker.io/library/b:1'])
  const [other] = store.index().manifests
  t.equal((await rm(root, [other?.digest ?? ''])).length, 1, 'an image with one name')
})

t.test('a dry run removes nothing', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const planned = await rm(root, ['a:1', 'a:2'], { dryRun: true })
  t.equal(names(store).length, 3)
  t.same(planned, await rm(root, ['a:1', 'a:2']), 'it says what would be removed')
})

t.test('references that come in', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const records = [
    { type: 'reference', reference: 'store:docker.io/library/a:1' },
    { type: 'other', field: 1 },
    { type: 'reference', reference: 'b:1' },
  ]
  const written = await rm(root, ['a:2'], { records })
  t.same(
    written.map(record => record.name ?? record.type),
    ['other', 'docker.io/library/a:2', 'docker.io/library/a:1', 'docker.io/library/b:1'],
  )
  t.same(names(store), [])
})

t.test('damage does not keep an image', async t => {
  const root = tempDir(t)
  const store = filled(root)
  const [entry] = store.resolve('docker.io/library/b:1')
  fs.writeFileSync(store.blobPath(entry?.digest ?? ''), 'x')
  t.match(await rm(root, ['b:1']), [{ removed: true, unreferenced: [] }])
  await t.rejects(rm(`${root}/none`, ['a:1']), { code: 'LAYOUT_MISSING' })
})

t.test('lines for a terminal', async t => {
  const root = tempDir(t)
  filled(root)
  const lines = (await rm(root, ['a:1', 'a:2'])).map(LINES.record).join('')
  t.match(
    lines,
    /^Untagged: a:1\nUntagged: a:2\nUnreferenced: sha256:[0-9a-f]{64} \(3 blobs, \d+B; img-gc deletes them\)\n$/,
  )
  t.equal(LINES.record({ type: 'failed' }), '')
})
