import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { RecordWriter, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { blobWant } from '../src/index.js'

t.test('what a store lacks', async t => {
  const dir = tempDir(t, 'want')
  const writer = new RecordWriter(dir)
  const image = writer.image('1', ['lower', 'upper'], 'docker.io/library/app:1')
  const digests = image.map(({ digest }) => digest)
  const rows: readonly { has: number[]; wanted: number[]; why: string }[] = [
    { has: [], wanted: [0, 1, 2, 3], why: 'an empty store lacks all' },
    { has: [0], wanted: [1, 2, 3], why: 'a layer that is there' },
    { has: [0, 1, 2, 3], wanted: [3], why: 'the root is always wanted: it says that the store was asked' },
  ]
  for (const { has, wanted, why } of rows) {
    const root = path.join(tempDir(t, 'store'), 'store')
    const store = Store.open(root)
    for (const index of has) store.putBytes(fs.readFileSync(String(image[index]?.path)))
    const out = await want(image, root)
    t.same(
      out.filter(({ type }) => type === 'want').map(({ digest }) => digest),
      wanted.map(index => digests[index]),
      why,
    )
    t.same(
      out.filter(({ type }) => type !== 'want'),
      image,
      'all records pass',
    )
  }
  const root = path.join(dir, 'none')
  t.equal(
    (await want([...image, ...image], root)).filter(({ type }) => type === 'want').length,
    4,
    'each once',
  )
  t.notOk(fs.existsSync(root), 'a store that is not there is not made')
})

t.test('what came in part', async t => {
  const dir = tempDir(t, 'want')
  const [layer] = new RecordWriter(dir).image('1', ['0123456789'])
  const rows: readonly { bytes: string; offset: number | undefined; why: string }[] = [
    { bytes: '0123', offset: 4, why: 'the rest is wanted' },
    { bytes: '', offset: undefined, why: 'nothing came' },
    { bytes: '0123456789', offset: undefined, why: 'all came, and was not taken: it may be wrong' },
    { bytes: '0123456789 and more', offset: undefined, why: 'more than there can be' },
  ]
  for (const { bytes, offset, why } of rows) {
    const store = Store.open(path.join(tempDir(t, 'store'), 'store'))
    fs.mkdirSync(path.join(store.root, 'partial'))
    const name = digestOf('0123456789').replace(':', '-')
    fs.writeFileSync(path.join(store.root, 'partial', name), bytes)
    const [wanted] = await want([layer as AnyRecord], store.root)
    t.equal(wanted?.offset, offset, why)
  }
})

t.test('what is no blob of an image passes', async t => {
  const records = [
    { type: 'x' },
    { type: 'layer', image: '1', empty: true },
    { type: 'config', image: '1', config: {} },
  ]
  t.same(await want(records, path.join(tempDir(t, 'want'), 'none')), records)
  t.same(await want([], path.join(tempDir(t, 'want'), 'none')), [], 'an empty stream')
})

async function want(records: readonly AnyRecord[], root: string): Promise<AnyRecord[]> {
  const out = await collect(blobWant(each(records), root))
  for (const record of out) checkRecord(record)
  return out
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}
