import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { imgHistory } from '../src/index.js'
import { textForm } from '../src/text.js'

const platform = { os: 'linux', architecture: 'amd64' }
const LONG = `RUN ${'x'.repeat(60)}`

async function history(store: string, image: string): Promise<AnyRecord[]> {
  const records = await collect(imgHistory({ store, image, platform }))
  for (const record of records) checkRecord(record)
  return records
}

function stored(root: string, entries: readonly object[] | undefined, layers: readonly string[]): void {
  storeImage(Store.open(root), { name: 'docker.io/library/a:1', layers, config: { history: entries } })
}

t.test('steps, the newest first', async t => {
  const root = tempDir(t)
  const entries = [
    { created: '2024-01-01T00:00:00Z', created_by: 'base', author: 'somebody' },
    { created_by: 'ENV a=b', empty_layer: true, comment: 'a remark' },
    { created_by: 'RUN x' },
  ]
  stored(root, entries, ['one', 'two'])
  t.same(
    (await history(root, 'a:1')).map(({ createdBy, digest, emptyLayer, size }) => [
      createdBy,
      digest,
      emptyLayer,
      size,
    ]),
    [
      ['RUN x', digestOf('two'), undefined, 3],
      ['ENV a=b', undefined, true, undefined],
      ['base', digestOf('one'), undefined, 3],
    ],
  )
})

t.test('a history that does not fit the layers', async t => {
  const rows: readonly [entries: readonly object[] | undefined, shown: readonly unknown[], why: string][] = [
    [undefined, [['two'], ['one']], 'none'],
    [[{ created_by: 'only' }], [['two'], ['one'], [undefined, 'only']], 'one entry for two layers'],
    [[{ created_by: 1, empty_layer: true }], [['two'], ['one'], [undefined]], 'a text that is none'],
  ]
  for (const [entries, shown, why] of rows) {
    const root = tempDir(t)
    stored(root, entries, ['one', 'two'])
    const texts = new Map(['one', 'two'].map(text => [digestOf(text), text]))
    const found = (await history(root, 'a:1')).map(({ digest, createdBy }) =>
      createdBy === undefined ? [texts.get(String(digest))] : [texts.get(String(digest)), createdBy],
    )
    t.same(found, shown, why)
  }
})

t.test('the table', async t => {
  const root = tempDir(t)
  const entries = [
    { created: '2024-01-01T00:00:00Z', created_by: 'base', comment: 'a\x1b[31m remark' },
    { created: 'no time', created_by: LONG },
  ]
  stored(root, entries, ['one', 'two'])
  const table = async (full: boolean): Promise<string> => {
    const form = textForm({ format: 'text', full, now: new Date('2024-01-01T05:00:00Z') })
    const shown = (await history(root, 'a:1')).map(record => form?.record(record) ?? '')
    return shown.join('') + form?.end({ type: 'end' })
  }
  const lines = (await table(false)).split('\n').map(line => line.replace(/ {2,}/g, '  '))
  t.same(lines, [
    'LAYER  CREATED  CREATED BY  SIZE  COMMENT',
    `${digestOf('two').slice(7, 19)}  no time  ${LONG.slice(0, 44)}\u2026  3B`,
    `${digestOf('one').slice(7, 19)}  5 hours ago  base  3B  a\\x1b[31m remark`,
    '',
  ])
  t.match(await table(true), new RegExp(`^${digestOf('two')} .*${LONG} `, 'm'))
  t.equal(textForm({ format: 'records', full: false, now: new Date() }), undefined)
})

t.test('an image that is not there', async t => {
  const root = tempDir(t)
  Store.open(root)
  await t.rejects(history(root, 'none:1'), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(history(`${root}/none`, 'a:1'), { code: 'LAYOUT_MISSING' })
})
