import fs from 'node:fs'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import t from 'tap'
import { editImages } from '../src/edit-images.js'
import { DOCKER, diffID, imageOf } from './images.js'

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}
const read = (record: AnyRecord | undefined) => JSON.parse(fs.readFileSync(String(record?.path), 'utf8'))

t.test('rebase', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const { signal } = new AbortController()
  const rebase = (records: readonly AnyRecord[], old = 'store:base:1', base = 'store:base:2') =>
    collect(
      editImages(
        each(records),
        { config: {}, annotations: {}, stripHistory: false, append: [], rebase: { old, new: base } },
        { store, places: { store: store.root, signal }, signal },
      ),
    )
  /** Names an image in the store, with its layers as blobs. */
  const named = (name: string, layers: readonly string[], history?: object[]): AnyRecord[] => {
    for (const layer of layers) store.putBytes(Buffer.from(layer))
    const records = imageOf(store, layers, history === undefined ? {} : { config: { history } })
    const { mediaType, digest, size } = records.at(-1) as AnyRecord & {
      mediaType: string
      digest: string
      size: number
    }
    store.tag({ mediaType, digest, size } as Parameters<Store['tag']>[0], `docker.io/library/${name}`)
    return records
  }
  named(
    'base:1',
    ['a', 'b'],
    [{ created_by: 'a' }, { created_by: 'b' }, { created_by: 'CMD', empty_layer: true }],
  )
  const next = named('base:2', ['x'], [{ created_by: 'x' }, { created_by: 'ENV', empty_layer: true }])
  named('short:1', ['x', 'y'], [{ created_by: 'x' }])
  const history = ['a', 'b', 'CMD', 'c', 'ENV Z'].map(text => ({
    created_by: text,
    ...(/CMD|ENV/.test(text) ? { empty_layer: true } : {}),
  }))
  const image = imageOf(store, ['a', 'b', 'c'], { config: { history } })

  const out = await rebase(image)
  t.same(
    out.map(({ type, diffID: id }) => [type, id]),
    [
      ['layer', diffID('x')],
      ['layer', diffID('c')],
      ['config', undefined],
      ['manifest', undefined],
    ],
  )
  t.ok(fs.existsSync(String(out[0]?.path)), 'the layer of the new base is in the store')
  t.same(read(out[2]).rootfs.diff_ids, [diffID('x'), diffID('c')])
  t.same(
    read(out[2]).history.map((entry: AnyRecord) => entry.created_by),
    ['x', 'ENV', 'c', 'ENV Z'],
    'the steps of the old base go, also those without a layer',
  )
  t.same(read(out[2]).config, { Env: ['A=1'], Cmd: ['old'], Labels: { l: '1' } }, 'the config stays')
  t.same(read(out[3]).annotations, {
    'org.opencontainers.image.base.name': 'docker.io/library/base:2',
    'org.opencontainers.image.base.digest': next.at(-1)?.digest,
  })
  t.same(await rebase(image), out, 'the same again')
  const back = await rebase(out, 'store:base:2', 'store:base:1')
  const compact = back.find(({ type }) => type === 'config')
  const there = await rebase(back)
  t.equal(there[2]?.digest, out[2]?.digest, 'there and back and there')
  t.same(compact?.config, image.find(({ type }) => type === 'config')?.config)
  t.same(
    (await rebase(image, 'store:base:1', 'store:base:1'))[3],
    image[3],
    'the same base: the config stays',
  )
  t.same(
    (await rebase(out, 'store:base:2', 'store:base:1')).map(record => record.diffID).slice(0, 3),
    ['a', 'b', 'c'].map(diffID),
    'and back',
  )

  const docker = await rebase(imageOf(store, ['a', 'b', 'c'], { types: DOCKER }))
  t.same(
    [docker[0]?.mediaType, read(docker.at(-1)).annotations],
    [DOCKER.layer, undefined],
    'an image of Docker',
  )
  const without = await rebase(imageOf(store, ['a', 'b'], { config: { history: undefined } }))
  t.notOk('history' in read(without.find(({ type }) => type === 'config')), 'no history stays none')
  const padded = await rebase(image, 'store:base:1', 'store:short:1')
  t.equal(read(padded[3]).history.filter((entry: AnyRecord) => entry.empty_layer !== true).length, 3)
  const other = imageOf(store, ['a', 'b', 'c'], {
    config: { history: ['a', 'b', 'c'].map(text => ({ created_by: text })) },
  })
  t.equal(read((await rebase(other))[2]).history.at(-1).created_by, 'c', 'a history that is cut otherwise')

  const rows: readonly [
    records: AnyRecord[],
    old: string,
    base: string,
    error: { code: string; message?: RegExp },
    why: string,
  ][] = [
    [
      imageOf(store, ['b', 'a']),
      'store:base:1',
      'store:base:2',
      { code: 'BASE_MISMATCH', message: /layer 1 of that is/ },
      'other layers',
    ],
    [
      imageOf(store, ['a']),
      'store:base:1',
      'store:base:2',
      { code: 'BASE_MISMATCH', message: /image none/ },
      'fewer layers',
    ],
    [image, 'store:none:1', 'store:base:2', { code: 'MANIFEST_UNKNOWN' }, 'no such old base'],
    [image, 'store:base:1', 'store:none:1', { code: 'MANIFEST_UNKNOWN' }, 'no such new base'],
    [
      imageOf(store, ['a', 'b'], { config: { os: undefined } }),
      'store:base:1',
      'store:base:2',
      { code: 'CONFIG_INVALID' },
      'no platform',
    ],
    [
      imageOf(store, ['a', 'b'], { config: { architecture: 'arm64' } }),
      'store:base:1',
      'store:base:2',
      { code: 'PLATFORM_NOT_FOUND' },
      'a base of another platform',
    ],
  ]
  for (const [records, old, base, error, why] of rows) await t.rejects(rebase(records, old, base), error, why)
})
