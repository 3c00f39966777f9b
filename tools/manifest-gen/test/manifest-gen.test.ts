import fs from 'node:fs'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import t from 'tap'
import { type ManifestGenOptions, manifestGen } from '../src/index.js'

const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const DOCKER_LAYER = 'application/vnd.docker.image.rootfs.diff.tar.gzip'
const AMD64 = { os: 'linux', architecture: 'amd64' }
const digest = (text: string) => digestOf(text)
const layer = (name: string, more: object = {}): AnyRecord => ({
  type: 'layer',
  image: '1',
  mediaType: GZIP,
  digest: digest(name),
  size: 1,
  diffID: digest(`tar ${name}`),
  engine: 'zlib/1',
  ...more,
})
const empty = { type: 'layer', image: '1', empty: true }
const config = (history: object[], more: object = {}): AnyRecord => ({
  type: 'config',
  image: '1',
  config: { os: 'linux', architecture: 'arm64', config: { Env: ['A=1'] }, history, ...more },
})
const made = { created_by: 'RUN x' }
const note = { created_by: 'ENV a=b', empty_layer: true }

t.test('manifestGen()', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const stream = (
    records: AnyRecord[],
    options: Partial<ManifestGenOptions> = {},
  ): AsyncIterable<AnyRecord> =>
    manifestGen(
      (async function* () {
        yield* records
      })(),
      {
        store,
        edits: {},
        platform: undefined,
        defaultPlatform: AMD64,
        created: '2024-01-01T00:00:00Z',
        author: undefined,
        newConfig: false,
        mediaTypes: undefined,
        annotations: {},
        index: false,
        ...options,
      },
    )
  const generate = (records: AnyRecord[], options: Partial<ManifestGenOptions> = {}): Promise<AnyRecord[]> =>
    collect(stream(records, options))
  const read = (record: AnyRecord | undefined) => JSON.parse(fs.readFileSync(String(record?.path), 'utf8'))
  const find = (records: AnyRecord[], type: string) => records.find(record => record.type === type)
  const types = (records: AnyRecord[]) => records.map(record => record.type).join(' ')

  t.test('layers alone: a config is made', async t => {
    const out = await generate(
      [layer('a', { createdBy: 'tar', created: '2023-01-01T00:00:00Z' }), layer('b')],
      { tag: 'debian:12', edits: { cmd: ['sh'], env: ['A=b=c'] } },
    )
    t.equal(types(out), 'layer layer config manifest')
    t.match(find(out, 'manifest'), { root: true, reference: 'docker.io/library/debian:12', platform: AMD64 })
    t.same(read(find(out, 'config')), {
      created: '2023-01-01T00:00:00Z',
      ...AMD64,
      config: { Env: ['A=b=c'], Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: [digest('tar a'), digest('tar b')] },
      history: [
        { created: '2023-01-01T00:00:00Z', created_by: 'tar' },
        { created: '2023-01-01T00:00:00Z', created_by: 'layer-pack' },
      ],
    })
    const manifest = read(find(out, 'manifest'))
    t.equal(manifest.config.digest, digestOf(fs.readFileSync(String(find(out, 'config')?.path))))
    t.same(
      manifest.layers,
      ['a', 'b'].map(name => ({ mediaType: GZIP, digest: digest(name), size: 1 })),
    )
    t.same(await generate(out), out, 'a second run changes nothing')
    t.same(await generate(out, { edits: { env: ['A=b=c'] } }), out, 'nor does an edit that is there already')
  })

  t.test('history: aligned, and what is lost is seen', async t => {
    const document = async (records: AnyRecord[]) => read(find(await generate(records), 'config'))
    t.same((await document([layer('a'), config([note, made])])).history, [note, made])
    t.same(
      (await document([layer('a'), empty, layer('c'), config([made, made, note, made])])).history,
      [made, { ...made, empty_layer: true }, note, made],
      'a step without changes',
    )
    t.same(
      (await document([layer('a'), config([made]), layer('b', { createdBy: 'added' })])).history,
      [made, { created_by: 'added' }],
      'a layer more is appended',
    )
    t.same((await document([empty, config([made])])).rootfs.diff_ids, [], 'an image without layers')
    await t.rejects(
      generate([layer('a'), config([made, made])]),
      { code: 'LAYERS_MISSING', message: /2 steps.*got 1/ },
      'a dropped layer',
    )
    await t.rejects(
      generate([config([made])]),
      { code: 'LAYERS_MISSING' },
      'ovl-diff and layer-pack left out',
    )
    await t.rejects(
      generate([layer('a', { cacheKey: digest('k') })]),
      { code: 'CONFIG_MISSING' },
      'a dropped config of a build',
    )
    await t.rejects(
      generate([layer('a', { engine: undefined })]),
      { code: 'CONFIG_MISSING' },
      'a dropped config of a pulled image',
    )
    t.equal(
      types(await generate([layer('a', { engine: undefined })], { newConfig: true })),
      'layer config manifest',
    )
    await t.rejects(generate([layer('a', { diffID: undefined }), config([made])]), { code: 'DIFFID_MISSING' })
    await t.rejects(generate([layer('a'), { type: 'config', image: '1', config: { os: 1 } }]), {
      code: 'CONFIG_INVALID',
    })
    await t.rejects(generate([], { tag: 'a' }), { code: 'IMAGE_MISSING' })
    t.same(await generate([{ type: 'own', x: 1 }]), [{ type: 'own', x: 1 }], 'unknown records pass')
    const failed = { type: 'failed', tool: 't', code: 'X', message: 'm', image: '1' }
    t.same(
      types(await generate([layer('a', { engine: undefined }), failed])),
      'layer failed',
      'nothing is made of a failed image',
    )
  })

  t.test('pulled images: bytes stay while nothing changes', async t => {
    const odd = {
      ...AMD64,
      rootfs: { type: 'layers', diff_ids: [digest('tar a')] },
      config: null,
      custom: [1.5],
    }
    const blob = store.putBytes(Buffer.from(JSON.stringify(odd, null, 3)))
    const manifest = {
      schemaVersion: 2,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest: blob.digest, size: blob.size },
      layers: [{ mediaType: GZIP, digest: digest('a'), size: 1 }],
      annotations: { a: 'b' },
    }
    const manifestBlob = store.putBytes(Buffer.from(JSON.stringify(manifest, null, 5)))
    const pulled: AnyRecord[] = [
      layer('a', { engine: undefined }),
      { type: 'config', image: '1', mediaType: manifest.config.mediaType, ...blob, config: odd },
      {
        type: 'manifest',
        image: '1',
        root: true,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        ...manifestBlob,
        reference: 'docker.io/library/x:1',
        platform: AMD64,
      },
    ]
    t.same(await generate(pulled), pulled)
    const places = pulled.map(record => ({ ...record, from: ['docker://h/x'] }))
    t.same(await generate(places), places, 'a config that stays is where it was')
    const anew = find(await generate(places, { edits: { user: 'u' } }), 'config')
    t.same([anew?.from, anew?.digest === blob.digest], [undefined, false], 'no place has one that is new')
    const renamed = await generate(pulled, { tag: 'y' })
    t.match(
      renamed[2],
      { digest: manifestBlob.digest, reference: 'docker.io/library/y:latest' },
      'another name, the same manifest',
    )
    const edited = await generate(
      pulled.map(r => (r.type === 'config' ? { ...r, config: { ...odd, author: 'me' } } : r)),
    )
    t.not(edited[1]?.digest, blob.digest, 'an edited document makes a new config')
    t.match(
      read(edited[2]),
      { config: { digest: edited[1]?.digest as string }, annotations: { a: 'b' } },
      'and a new manifest that keeps its annotations',
    )
    t.notOk('history' in read(edited[1]), 'a config without history gets none')
    await t.rejects(generate(pulled.slice(1)), { code: 'LAYERS_MISSING' }, 'a dropped layer')
    const appended = await generate([pulled[0] as AnyRecord, layer('b'), ...pulled.slice(1)])
    t.equal(read(appended.at(-1)).layers.length, 2, 'a layer more')
    await t.rejects(
      generate([
        pulled[0] as AnyRecord,
        { ...pulled[1], path: undefined, digest: digest('gone') } as AnyRecord,
      ]),
      { code: 'BLOB_UNKNOWN' },
    )
    t.test('as one of an index', async t => {
      const index = store.putBytes(
        Buffer.from(
          JSON.stringify({
            schemaVersion: 2,
            mediaType: 'application/vnd.oci.image.index.v1+json',
            manifests: [
              {
                mediaType: 'application/vnd.oci.image.manifest.v1+json',
                ...pick(manifestBlob),
                platform: AMD64,
                annotations: { k: 'v' },
              },
              { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digest('other'), size: 3 },
            ],
          }),
        ),
      )
      const tree = [
        ...pulled.slice(0, 2),
        { ...pulled[2], root: undefined, reference: undefined, partOf: 'i' },
        {
          type: 'index',
          image: 'i',
          root: true,
          mediaType: 'application/vnd.oci.image.index.v1+json',
          ...index,
          reference: 'r',
        },
      ] as AnyRecord[]
      t.match((await generate(tree)).at(-1), { digest: index.digest, root: true }, 'unchanged')
      const out = await generate(
        tree.map(r => (r.type === 'config' ? { ...r, config: { ...odd, author: 'me' } } : r)),
      )
      t.match(
        read(out.at(-1)).manifests,
        [
          { digest: out.at(-2)?.digest as string, platform: AMD64, annotations: { k: 'v' } },
          { digest: digest('other') },
        ],
        'a changed child is listed anew, the others stay',
      )
    })
  })

  t.test('media types: one family', async t => {
    const docker = layer('d', { mediaType: DOCKER_LAYER })
    t.equal(
      read(find(await generate([docker, layer('o')]), 'manifest')).layers[0].mediaType,
      GZIP,
      'mixed: OCI',
    )
    t.match(
      read(find(await generate([docker]), 'manifest')),
      { mediaType: /docker.*v2\+json$/, layers: [{ mediaType: DOCKER_LAYER }] },
      'all Docker: Docker',
    )
    t.match(
      read(find(await generate([layer('o')], { mediaTypes: 'docker' }), 'manifest')).layers[0],
      { mediaType: DOCKER_LAYER },
      'as asked',
    )
    await t.rejects(
      generate([layer('z', { mediaType: GZIP.replace('gzip', 'zstd') })], { mediaTypes: 'docker' }),
      { code: 'MEDIA_TYPE_UNSUPPORTED' },
    )
  })

  t.test('several images', async t => {
    const two = [layer('a'), layer('b', { image: '2' })]
    t.equal(types(await generate(two)), 'layer layer config manifest config manifest', 'interleaved')
    await t.rejects(generate(two, { tag: 'x' }), { code: 'TAG_AMBIGUOUS' })
    const [base = []] = [await generate([layer('a')])]
    const rows: readonly [more: AnyRecord[], why: string][] = [
      [[layer('b', { image: '2' })], 'an image without a root follows one that has it'],
      [base.map(record => ({ ...record, image: '2' })), 'another whole one'],
      [[{ type: 'failed', tool: 'x', image: '2', code: 'X', message: 'x' }], 'one that failed'],
    ]
    for (const [more, why] of rows) {
      const seen: AnyRecord[] = []
      const run = async (): Promise<void> => {
        for await (const record of stream([...base, ...more], { tag: 'x' })) seen.push(record)
      }
      await t.rejects(run(), { code: 'TAG_AMBIGUOUS' }, why)
      t.notOk(
        seen.some(({ root }) => root === true),
        `no root came out: ${why}`,
      )
    }
    const out = await generate(
      [
        ...two,
        config([made]),
        { ...config([made]), image: '2', config: { ...AMD64, history: [made] } } as AnyRecord,
      ],
      { tag: 'x', index: true, annotations: { k: 'v' } },
    )
    t.equal(types(out), 'layer layer config manifest config manifest index')
    const index = out.at(-1)
    t.match(index, { root: true, reference: 'docker.io/library/x:latest' })
    t.same(
      out.filter(r => r.type === 'manifest').map(r => [r.root, r.partOf]),
      [
        [undefined, index?.image],
        [undefined, index?.image],
      ],
    )
    t.match(read(index), {
      annotations: { k: 'v' },
      manifests: [{ platform: { architecture: 'arm64' } }, { platform: AMD64 }],
    })
    await t.rejects(generate([], { index: true }), { code: 'IMAGE_MISSING' })
  })

  t.test('edits', async t => {
    const before = {
      User: 'u',
      Cmd: ['old'],
      Env: ['PATH=/bin', 'A=1'],
      Labels: { l: '1' },
      ExposedPorts: { '1/tcp': {} },
    }
    const out = await generate([layer('a'), config([made], { config: before })], {
      edits: {
        entrypoint: ['e'],
        env: ['A=2', 'B='],
        labels: ['m=2'],
        expose: ['80', '53/udp'],
        volumes: ['/v'],
        workingDir: '/w',
        user: '',
        stopSignal: 'SIGINT',
      },
      platform: { os: 'linux', architecture: 'arm', variant: 'v7' },
      author: 'me',
    })
    t.match(read(find(out, 'config')), { author: 'me', architecture: 'arm', variant: 'v7' })
    t.same(read(find(out, 'config')).config, {
      User: '',
      Env: ['PATH=/bin', 'A=2', 'B='],
      Labels: { l: '1', m: '2' },
      ExposedPorts: { '1/tcp': {}, '80/tcp': {}, '53/udp': {} },
      Entrypoint: ['e'],
      Volumes: { '/v': {} },
      WorkingDir: '/w',
      StopSignal: 'SIGINT',
    })
    await t.rejects(
      generate([layer('a')], { edits: { expose: ['80:8080'] } }),
      { code: 'USAGE' },
      'a published port is not an exposed one',
    )
  })
})

function pick({ digest, size }: { digest: string; size: number }) {
  return { digest, size }
}
