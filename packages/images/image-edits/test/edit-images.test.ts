import fs from 'node:fs'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import t from 'tap'
import { editImages } from '../src/edit-images.js'
import type { ImageEdits } from '../src/options.js'
import { DOCKER, diffID, imageOf, indexOf, OCI } from './images.js'

const NOTHING: ImageEdits = { config: {}, annotations: {}, stripHistory: false, append: [] }
const SET: Partial<ImageEdits> = { config: { env: ['B=2'] } }
const top = (name: string, more: object = {}): ImageEdits['append'][number] => ({
  record: {
    type: 'layer',
    mediaType: OCI.layer,
    digest: digestOf(name),
    size: 1,
    diffID: diffID(name),
    ...more,
  },
})

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}
const read = (record: AnyRecord | undefined) => JSON.parse(fs.readFileSync(String(record?.path), 'utf8'))
const find = (records: readonly AnyRecord[], type: string) => records.find(record => record.type === type)
const types = (records: readonly AnyRecord[]) => records.map(({ type }) => type).join(' ')

t.test('editImages()', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const warnings: string[] = []
  const { signal } = new AbortController()
  const places = { store: store.root, signal }
  const onWarning = (_: string, code: string): void => void warnings.push(code)
  const edit = (records: readonly AnyRecord[], edits: Partial<ImageEdits>): Promise<AnyRecord[]> =>
    collect(editImages(each(records), { ...NOTHING, ...edits }, { store, places, signal, onWarning }))
  const image = imageOf(store, ['a', 'b'], { root: { reference: 'docker.io/library/app:1' } })
  const note = { type: 'own', x: 1 }

  t.test('what is not edited stays', async t => {
    const artifact = imageOf(store, [], { key: 'x', config: { os: 'unknown' } })
    const all = [note, ...image, ...artifact, { type: 'layer', image: 'y', digest: digestOf('y') }]
    t.same(await edit(all, {}), all, 'no edit: everything, also what could not be edited')
    t.same(
      await edit([note, ...image], { config: { env: ['A=1'] } }),
      [note, ...image],
      'an edit that is there',
    )
    t.same(await edit([], SET), [], 'an empty stream')
    t.same(await edit([note], SET), [note], 'unknown records pass')
    const failed = { type: 'failed', tool: 't', code: 'X', message: 'm', image: '1' }
    t.same(types(await edit([...image.slice(0, 3), failed], SET)), 'layer layer failed', 'a failed image')
  })

  t.test('a new config, a new manifest', async t => {
    const out = await edit(image, {
      ...SET,
      author: 'me',
      created: '2025-01-01T00:00:00Z',
      annotations: { k: 'v' },
    })
    t.equal(types(out), 'layer layer config manifest')
    t.same(out.slice(0, 2), image.slice(0, 2), 'layers as they came')
    t.match(read(out[2]), { author: 'me', created: '2025-01-01T00:00:00Z', config: { Env: ['A=1', 'B=2'] } })
    t.same(read(out[2]), out[2]?.config, 'document and blob agree')
    t.match(read(out[3]), { config: { digest: String(out[2]?.digest) }, annotations: { k: 'v' } })
    t.equal(out[3]?.digest, digestOf(fs.readFileSync(String(out[3]?.path))))
    t.match(out[3], { root: true, reference: 'docker.io/library/app:1' })
    t.same(
      await edit(image, { ...SET, author: 'me', created: '2025-01-01T00:00:00Z', annotations: { k: 'v' } }),
      out,
      'the same input gives the same digest',
    )
    const [, , config, manifest] = await edit(image, { annotations: { k: 'v' } })
    t.same(config, image[2], 'an annotation leaves the config')
    t.match(read(manifest), { annotations: { k: 'v' }, config: { digest: String(image[2]?.digest) } })
    const has = imageOf(store, ['a'], { manifest: { annotations: { k: 'v', l: 'w' } } })
    t.same(await edit(has, { annotations: { k: 'v' } }), has, 'an annotation that is there')
    t.same(await edit(await edit(image, { annotations: { k: 'v' } }), { annotations: { k: 'v' } }), [
      ...image.slice(0, 3),
      manifest,
    ])
  })

  t.test('names and places of the old image go', async t => {
    const pinned = `docker.io/library/app@${digestOf('x')}`
    const rows = [
      [pinned, undefined, 'a digest alone'],
      [`docker.io/library/app:1@${digestOf('x')}`, 'docker.io/library/app:1', 'a tag is left'],
    ] as const
    for (const [reference, wanted, why] of rows) {
      const root = { reference, from: ['docker://h/x'], references: [reference] }
      const out = (await edit(imageOf(store, ['a'], { root }), SET)).at(-1)
      t.same([out?.reference, out?.from, out?.references], [wanted, undefined, undefined], why)
    }
    const moved = image.map(record => ({ ...record, from: ['docker://h/x'] }))
    t.same(
      (await edit(moved, SET)).map(({ from }) => from !== undefined),
      [true, true, false, false],
    )
  })

  t.test('blobs that were left in their registry', async t => {
    const remote = image.map(({ path, ...record }) => {
      const data = record.type === 'manifest' ? fs.readFileSync(String(path)).toString('base64') : undefined
      return data === undefined ? record : { ...record, data }
    })
    const elsewhere = Store.open(`${t.testdir()}/s`)
    const context = { store: elsewhere, places, signal }
    const out = await collect(editImages(each(remote as AnyRecord[]), { ...NOTHING, ...SET }, context))
    t.same(out.at(-1)?.digest, (await edit(image, SET)).at(-1)?.digest)
    t.equal(out.at(-1)?.data, undefined)
  })

  t.test('platforms of an index', async t => {
    const arm = { os: 'linux', architecture: 'arm64' }
    const one = imageOf(store, ['a'], { key: 'i.1', partOf: 'i' })
    const two = imageOf(store, ['b'], { key: 'i.2', partOf: 'i', config: arm, root: { platform: arm } })
    const proof = imageOf(store, [], {
      key: 'i.3',
      partOf: 'i',
      config: { os: 'unknown', architecture: 'unknown' },
    })
    const statement = {
      type: 'blob',
      image: 'i.3',
      partOf: 'i',
      mediaType: 'a/b',
      digest: digestOf('s'),
      size: 1,
    }
    const manifests = [one, two, proof].map(records => records.at(-1) as AnyRecord)
    const index = indexOf(store, manifests)
    const out = await edit([...one, ...two, statement, ...proof, index], SET)
    t.equal(types(out), 'layer config manifest layer config manifest blob config manifest index')
    const children = out.filter(({ type }) => type === 'manifest')
    t.same(children[2], manifests[2], 'an attestation is not edited')
    t.match(read(out.at(-1)), {
      annotations: { of: 'index' },
      manifests: [
        { digest: String(children[0]?.digest), annotations: { n: '0' } },
        { digest: String(children[1]?.digest), annotations: { n: '1' }, platform: arm },
        { digest: String(manifests[2]?.digest) },
      ],
    })
    t.ok(children.slice(0, 2).every((child, i) => child.digest !== manifests[i]?.digest))
    const upper = indexOf(store, [index], { image: 'o' })
    const nested = [...one, { ...index, root: undefined, partOf: 'o' }, upper]
    const again = await edit(nested as AnyRecord[], SET)
    t.equal(read(again.at(-1)).manifests[0].digest, again.at(-2)?.digest, 'an index in an index')
  })

  t.test('referrers of what changed are left out', async t => {
    const subject = String(image.at(-1)?.digest)
    const sign = (key: string, of: string) => [
      { type: 'blob', image: key, mediaType: 'a/b', digest: digestOf(key), size: 1 },
      ...imageOf(store, [], { key, manifest: { x: key }, root: { subject: of, reference: `h/x:${key}` } }),
    ]
    const signature = sign('2', subject)
    const sbom = sign('3', String(signature.at(-1)?.digest))
    const other = imageOf(store, ['c'], { key: '4' })
    warnings.length = 0
    const out = await edit([...image, ...signature, note, ...sbom, ...other], SET)
    t.equal(
      types(out),
      'layer layer config manifest own layer config manifest',
      'also referrers of referrers',
    )
    t.same(warnings, ['REFERRER_DROPPED', 'REFERRER_DROPPED'])
    const same = [...image, ...signature, ...sbom]
    t.same(
      await edit(same, { config: { env: ['A=1'] } }),
      same,
      'what an edit leaves as it is keeps its signatures',
    )
  })

  t.test('media types of Docker stay', async t => {
    const docker = imageOf(store, ['a'], { types: DOCKER })
    const out = await edit(docker, { ...SET, append: [top('t')] })
    t.same([find(out, 'config')?.mediaType, out.at(-1)?.mediaType], [DOCKER.config, DOCKER.manifest])
    t.same(
      read(out.at(-1)).layers.map((layer: AnyRecord) => layer.mediaType),
      [DOCKER.layer, DOCKER.layer],
    )
    t.equal(out[1]?.mediaType, DOCKER.layer, 'the record of an appended layer too')
    const zstd = top('z', { mediaType: OCI.layer.replace('gzip', 'zstd') })
    await t.rejects(edit(docker, { append: [zstd] }), { code: 'MEDIA_TYPE_UNSUPPORTED' })
  })

  t.test('layers on top', async t => {
    const made = top('t', { createdBy: 'tar', created: '2025-01-01T00:00:00Z' })
    const out = await edit(image, { append: [top('u'), made] })
    t.equal(types(out), 'layer layer layer layer config manifest')
    t.same(read(out[4]).rootfs.diff_ids, ['a', 'b', 'u', 't'].map(diffID))
    t.same(
      read(out[4]).history.slice(2),
      [{ created: '2024-01-01T00:00:00Z' }, { created: '2025-01-01T00:00:00Z', created_by: 'tar' }],
      'a layer without a time has that of the image',
    )
    const [short] = [imageOf(store, ['a', 'b'], { config: { history: [{ created_by: 'a' }] } })]
    const { history } = read(find(await edit(short ?? [], { append: [made] }), 'config'))
    t.same(history, [{ created_by: 'a' }, {}, { created: '2025-01-01T00:00:00Z', created_by: 'tar' }])
    const none = imageOf(store, ['a'], { config: { history: undefined } })
    t.notOk('history' in read(find(await edit(none, { append: [made] }), 'config')), 'no history stays none')
    const gap = [image[0], { type: 'layer', image: '1', empty: true }, ...image.slice(1)] as AnyRecord[]
    t.equal(read((await edit(gap, { append: [made] })).at(-1)).layers.length, 3, 'a step without changes')
    const nameless = image.map(({ diffID: _, ...record }) => record) as AnyRecord[]
    await t.rejects(edit(nameless, SET), { code: 'DIFFID_MISSING' })
    const empty = { record: { type: 'layer' as const, empty: true as const }, history: { empty_layer: true } }
    const same = read(find(await edit(image, { append: [empty] }), 'config'))
    t.same([same.rootfs.diff_ids.length, same.history.length], [2, 3], 'a layer without changes')
  })

  t.test('history', async t => {
    const history = [
      { created: '2024-01-01T00:00:00Z', created_by: 'RUN secret', comment: 'c', author: 'me' },
      { created_by: 'ENV token=x', empty_layer: true },
      { created_by: 'b' },
    ]
    const config = { history, container_config: { Cmd: ['secret'] } }
    const out = await edit(
      imageOf(store, ['a', 'b'], { config }).map(record => ({ ...record, createdBy: 'RUN secret' })),
      { stripHistory: true },
    )
    t.same(
      read(find(out, 'config')).history,
      [{ created: '2024-01-01T00:00:00Z' }, {}],
      'one entry for each layer',
    )
    t.notMatch(fs.readFileSync(String(find(out, 'config')?.path), 'utf8'), /secret|token/)
    t.notOk(
      out.slice(0, 2).some(({ createdBy }) => createdBy !== undefined),
      'nor do records tell it',
    )
  })

  t.test('images that are still to be described', async t => {
    const config = { os: 'linux', architecture: 'amd64', config: {}, history: [{ created_by: 'RUN x' }] }
    const snapshot = { type: 'snapshot', image: '1' }
    const build = [image[0] as AnyRecord, snapshot, { type: 'config', image: '1', config }]
    const out = await edit(build, { ...SET, annotations: { k: 'v' }, append: [top('t')] })
    t.equal(types(out), 'layer snapshot layer config')
    t.match(out[3], {
      config: { config: { Env: ['B=2'] }, history: [{ created_by: 'RUN x' }, {}] },
      manifestAnnotations: { k: 'v' },
    })
    t.equal(out[3]?.digest, undefined)
    t.equal(types(await edit(image.slice(0, 3), SET)), 'layer layer config', 'a manifest that was dropped')
    await t.rejects(edit(build, { rebase: { old: 'a', new: 'b' } }), { code: 'MANIFEST_MISSING' })
  })

  t.test('what cannot be edited', async t => {
    const artifact = {
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 },
    }
    const rows: readonly [records: AnyRecord[], code: string, why: string][] = [
      [image.slice(0, 2), 'CONFIG_MISSING', 'layers alone'],
      [[...image.slice(0, 2), image[3] as AnyRecord], 'CONFIG_MISSING', 'a config that was dropped'],
      [imageOf(store, [], { manifest: artifact }).slice(1), 'CONFIG_MISSING', 'an artifact'],
      [image.slice(1), 'LAYERS_MISSING', 'a layer that was dropped'],
      [[image[1], image[0], ...image.slice(2)] as AnyRecord[], 'DIFF_ID_MISMATCH', 'layers in another order'],
    ]
    for (const [records, code, why] of rows) await t.rejects(edit(records, SET), { code }, why)
    async function* cut() {
      yield* image.slice(0, 3)
      throw new Error('cut')
    }
    await t.rejects(collect(editImages(cut(), { ...NOTHING, ...SET }, { store, places, signal })), {
      message: 'cut',
    })
  })
})
