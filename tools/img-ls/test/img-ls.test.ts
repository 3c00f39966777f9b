import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { imgLs } from '../src/index.js'
import { textForm } from '../src/text.js'

const ARM = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const created = (time: string): object => ({ config: { created: time } })

async function ls(store: string, patterns: readonly string[] = []): Promise<AnyRecord[]> {
  const records = await collect(imgLs({ store, patterns }))
  for (const record of records) checkRecord(record)
  return records
}

/** A store with four images. */
function filled(store: Store): void {
  const a = storeImage(store, { layers: ['a'], ...created('2024-01-01T00:00:00Z') })
  const b = storeImage(store, { layers: ['bb'], platform: ARM, ...created('2024-01-01T00:00:00Z') })
  storeIndex(store, [a, b], 'ghcr.io/team/multi:2')
  storeImage(store, { name: 'docker.io/library/old:1', layers: ['o'], ...created('2020-01-01T00:00:00Z') })
  storeImage(store, {
    name: 'docker.io/library/new:1',
    layers: ['n'],
    ...created('2025-01-01T00:00:00+01:00'),
  })
  store.tag({ ...storeImage(store, { layers: ['nameless'] }) })
}

t.test('images are listed, the newest first', async t => {
  const root = tempDir(t)
  filled(Store.open(root))
  const records = await ls(root)
  t.same(
    records.map(({ name, platforms }) => [name, platforms]),
    [
      ['docker.io/library/new:1', ['linux/amd64']],
      ['ghcr.io/team/multi:2', ['linux/amd64', 'linux/arm64/v8']],
      ['docker.io/library/old:1', ['linux/amd64']],
      [undefined, ['linux/amd64']],
    ],
  )
  t.equal(records[0]?.reference, 'store:docker.io/library/new:1', 'a place that other programs read')
  t.match(String(records[3]?.reference), /^store:sha256:/, 'without a name, the digest')
})

t.test('what several names and several images share', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const image = storeImage(store, { name: 'docker.io/library/a:1', layers: ['shared', 'own'] })
  store.tag({ ...image }, 'docker.io/library/a:2')
  storeImage(store, { name: 'docker.io/library/b:1', layers: ['shared', 'own', 'more'] })
  const [one, two, other] = await ls(root)
  t.same([one?.name, two?.name], ['docker.io/library/a:1', 'docker.io/library/a:2'], 'a row for each name')
  t.equal(one?.contentSize, two?.contentSize)
  const [config = ''] = (one?.configs ?? []) as string[]
  const bytes = image.size + (store.blobSize(config) ?? 0) + 'sharedown'.length
  t.equal(one?.contentSize, bytes, 'all of its blobs')
  t.ok(Number(other?.contentSize) > bytes, 'shared ones count for each image')
})

t.test('a second list reads no documents', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  filled(store)
  const first = await ls(root)
  for (const { digest } of store.index().manifests) fs.rmSync(store.blobPath(digest))
  t.same(await ls(root), first, 'what was read is remembered')
  fs.rmSync(path.join(root, 'summaries'), { recursive: true })
  t.ok((await ls(root)).every(({ type, code }) => type === 'failed' && code === 'BLOB_UNKNOWN'))
})

t.test('patterns', async t => {
  const root = tempDir(t)
  filled(Store.open(root))
  storeImage(Store.open(root), { name: 'not a reference' })
  const rows: readonly [patterns: readonly string[], names: readonly string[], why: string][] = [
    [['old:1'], ['docker.io/library/old:1'], 'a name'],
    [['old'], ['docker.io/library/old:1'], 'any tag'],
    [['*'], ['docker.io/library/new:1', 'docker.io/library/old:1'], 'stops at a slash'],
    [['ghcr.io/*/*:2', 'new'], ['docker.io/library/new:1', 'ghcr.io/team/multi:2'], 'one of several'],
    [['docker.io/library/old:1'], ['docker.io/library/old:1'], 'a full name'],
    [['not a reference'], ['not a reference'], 'the name of another program'],
    [['nothing'], [], 'no image'],
  ]
  for (const [patterns, names, why] of rows)
    t.same(
      (await ls(root, patterns)).map(({ name }) => name),
      names,
      why,
    )
  await t.rejects(ls(root, ['[']), { code: 'PATTERN_INVALID' })
})

t.test('no store is no image', async t => {
  const root = path.join(tempDir(t), 'none')
  t.same(await ls(root), [])
  t.notOk(fs.existsSync(root), 'and none is made')
  fs.mkdirSync(root)
  fs.writeFileSync(path.join(root, 'oci-layout'), 'x')
  await t.rejects(ls(root), { code: 'LAYOUT_INVALID' })
})

t.test('an image that is damaged does not hide the others', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  filled(store)
  const { digest } = storeImage(store, { name: 'docker.io/library/bad:1', layers: ['bad'] })
  fs.writeFileSync(store.blobPath(digest), '{}')
  const records = await ls(root)
  t.equal(records.length, 5)
  t.match(records[4], {
    type: 'failed',
    code: 'DIGEST_MISMATCH',
    item: { digest },
    message: /library\/bad:1/,
  })
})

t.test('the table', async t => {
  const root = tempDir(t)
  filled(Store.open(root))
  const table = async (full: boolean): Promise<string> => {
    const form = textForm({ format: 'text', full, now: new Date('2025-01-15T00:00:00Z') })
    const shown = (await ls(root)).map(record => form?.record(record) ?? '')
    return shown.join('') + form?.end({ type: 'end' })
  }
  const lines = (await table(false)).split('\n')
  const plain = (line: string): string =>
    line
      .replace(/[0-9a-f]{12}/, 'DIGEST')
      .replace(/ [\d.]+k?B/, ' SIZE')
      .replace(/ {2,}/g, '  ')
  t.same(lines.map(plain), [
    'NAME  DIGEST  PLATFORM  SIZE  CREATED',
    'new:1  DIGEST  linux/amd64  SIZE  2 weeks ago',
    'ghcr.io/team/multi:2  DIGEST  linux/amd64,linux/arm64/v8  SIZE  12 months ago',
    'old:1  DIGEST  linux/amd64  SIZE  5 years ago',
    '<none>  DIGEST  linux/amd64  SIZE',
    '',
  ])
  const columns = new Set(lines.slice(0, 4).map(line => line.search(/PLATFORM|linux/)))
  t.equal(columns.size, 1, 'the columns are aligned')
  t.match(await table(true), /^new:1 +sha256:[0-9a-f]{64} .* 2025-01-01T00:00:00\+01:00$/m)
  t.equal(textForm({ format: 'records', full: false, now: new Date() }), undefined)
})
