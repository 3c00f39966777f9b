import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { digestOf } from '@pipelayer/digest'
import { Store } from '@pipelayer/store'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { appendedLayers } from '../src/appended-layer.js'
import { OCI } from './images.js'

t.test('appendedLayers()', async t => {
  const top = tempDir(t, 'append')
  const store = Store.open(`${top}/s`)
  const { signal } = new AbortController()
  const layers = (name: string) => appendedLayers(`${top}/${name}`, { store, signal, createdBy: 'test' })
  const write = (name: string, text: string): void => fs.writeFileSync(`${top}/${name}`, text)
  fs.mkdirSync(`${top}/dir`)
  write('dir/f', 'content')
  execFileSync('tar', ['-C', `${top}/dir`, '-cf', `${top}/t.tar`, '.'])
  execFileSync('tar', ['-C', `${top}/dir`, '-czf', `${top}/t.tar.gz`, '.'])
  fs.mkdirSync(`${top}/empty`)
  const end = '{"type":"end","tool":"x","records":1,"failed":0}\n'
  const layer = {
    type: 'layer',
    image: 'k',
    partOf: 'p',
    mediaType: OCI.layer,
    digest: digestOf('a'),
    size: 1,
    diffID: digestOf('b'),
  }
  const line = (record: object): string => `${JSON.stringify(record)}\n`
  write('one.ndjson', line({ ...layer, createdBy: 'me' }) + end)

  const [dir] = await layers('dir')
  t.match(dir?.record, { type: 'layer', mediaType: OCI.layer, createdBy: 'test' })
  t.ok(store.hasBlob(dir?.record.digest as Parameters<Store['hasBlob']>[0]))
  const tar = digestOf(fs.readFileSync(`${top}/t.tar`))
  t.same(
    [(await layers('t.tar'))[0]?.record.diffID, (await layers('t.tar.gz'))[0]?.record.diffID],
    [tar, tar],
    'a tar keeps its bytes',
  )
  const { image: _, partOf: _index, ...rest } = layer
  t.same(
    (await layers('one.ndjson')).map(({ record }) => record),
    [{ ...rest, createdBy: 'me' }],
  )
  write('empty.ndjson', line({ type: 'layer', image: 'k', empty: true }) + end)
  t.match((await layers('empty.ndjson'))[0], { record: { empty: true }, history: { empty_layer: true } })
  fs.mkdirSync(`${top}/odd`)
  write('odd/{"', '')
  execFileSync('tar', ['-C', `${top}/odd`, '-cf', `${top}/odd.tar`, '{"'])
  t.equal((await layers('odd.tar')).length, 1, 'a tar whose first name looks like a record')
  execFileSync('mkfifo', [`${top}/fifo`])
  const writer = fs.promises.writeFile(`${top}/fifo`, line(layer) + end)
  t.equal((await layers('fifo')).length, 1, 'a FIFO, as <(...) gives')
  await writer

  const rows: readonly [text: string | undefined, code: string, why: string][] = [
    [undefined, 'ENOENT', 'no such file'],
    [line(layer), 'INPUT_CUT', 'records without their end'],
    [end, 'LAYER_INVALID', 'no layer'],
    ['', 'LAYER_INVALID', 'an empty file, such as a pipe whose writer failed'],
    ['text', 'TAR_TRUNCATED', 'no tar'],
    [line({ ...layer, diffID: undefined }) + end, 'LAYER_INVALID', 'no diffID'],
    [line({ ...layer, mediaType: 'a/b' }) + end, 'LAYER_INVALID', 'no media type of a layer'],
    [line({ type: 'layer-begin', image: 'k' }) + end, 'LAYER_INVALID', 'changes that are not packed'],
    [line({ type: 'failed', tool: 'x', code: 'X', message: 'm' }) + end, 'LAYER_INVALID', 'a failure'],
    [line({ type: 'error', tool: 'x', code: 'X', message: 'm' }), 'X', 'an error'],
  ]
  for (const [i, [text, code, why]] of rows.entries()) {
    if (text !== undefined) write(`bad${i}`, text)
    await t.rejects(layers(`bad${i}`), { code }, why)
  }
})
