// Images of sealos and of sealer 0.9: inspected, checked, merged and compared.
import { createHash } from 'node:crypto'
import path from 'node:path'
import { Readable } from 'node:stream'
import { packTar } from '@pipelayer/packing'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import t from 'tap'
import { clusterImage } from '../src/index.js'
import { textForm } from '../src/text.js'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const EXTENSION = 'sealer.image.extension'
const TAGS = 'registry/docker/registry/v2/repositories'

type Files = Readonly<Record<string, string>>

/** The files of a tag in a registry folder. */
function tagged(name: string, tag: string, content: string): Files {
  const hex = createHash('sha256').update(content).digest('hex')
  const dir = `${TAGS}/${name}/_manifests/tags/${tag}`
  return { [`${dir}/current/link`]: `sha256:${hex}`, [`${dir}/index/sha256/${hex}/link`]: `sha256:${hex}` }
}

function digestOf(content: string): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

function tarOf(files: Files): Buffer {
  const parts = Object.entries(files).flatMap(([name, text]) => [
    encodeHeader({
      name,
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: text.length,
      mtime: { seconds: 1, nanoseconds: 0 },
    }),
    Buffer.from(text),
    padding(text.length),
  ])
  return Buffer.concat([...parts, END_BLOCKS])
}

interface Wanted {
  readonly name: string
  readonly layers: readonly Files[]
  readonly config?: object
  readonly fields?: object
  readonly annotations?: Record<string, string>
}

async function put(
  store: string,
  { name, layers, config = {}, fields = {}, annotations }: Wanted,
): Promise<void> {
  const target = Store.open(store)
  const packed = await Promise.all(
    layers.map(files => packTar(Readable.from([tarOf(files)]), () => target.blobWriter())),
  )
  const document = {
    ...{ os: 'linux', architecture: 'amd64', config },
    rootfs: { type: 'layers', diff_ids: packed.map(({ diffID }) => diffID) },
    history: layers.map(() => ({ created_by: 'COPY . .' })),
    ...fields,
  }
  const { digest, size } = target.putBytes(Buffer.from(JSON.stringify(document)))
  const manifest = {
    ...{ schemaVersion: 2, mediaType: MANIFEST },
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', digest, size },
    layers: packed.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    ...(annotations && { annotations }),
  }
  const written = target.putBytes(Buffer.from(JSON.stringify(manifest)))
  target.tag({ mediaType: MANIFEST, ...written }, `docker.io/library/${name}`)
}

async function run(words: readonly string[], store: string, tag?: string): Promise<readonly AnyRecord[]> {
  const context = { env: {}, now: () => new Date(0), stdin: Readable.from([]), store, tag }
  const records = await collect(clusterImage(words, context))
  for (const record of records) checkRecord(record)
  return records
}

const ROOT: Wanted = {
  name: 'kubernetes:1',
  layers: [{ 'bin/kubeadm': '1', ...tagged('pause', '3', 'old') }],
  config: {
    Env: ['PATH=/bin', 'data=/var', 'port=5000'],
    Labels: { 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v1beta1', init: 'init.sh' },
  },
}
const APP: Wanted = {
  name: 'web:1',
  layers: [{ 'charts/web/Chart.yaml': 'name: web', ...tagged('a/web', '1', 'web') }],
  config: { Cmd: ['helm upgrade -i web charts/web'], Env: ['port=6000'] },
}

t.test('inspect, ls and check', async t => {
  const store = path.join(t.testdir({}), 'store')
  await put(store, ROOT)
  await put(store, APP)
  await put(store, { name: 'odd:1', layers: [{ a: '' }], config: { Labels: { 'sealos.io.type': 'rootfs' } } })
  await put(store, { name: 'plain:1', layers: [{ a: '' }], config: { Cmd: ['sh'] } })
  await put(store, {
    name: 'apps:1',
    layers: [{ a: '' }],
    annotations: { [EXTENSION]: '{"type":"app-installer"}' },
  })
  t.match(await run(['inspect', 'kubernetes:1', 'web:1', 'apps:1'], store), [
    {
      dialect: 'sealos',
      imageType: 'rootfs',
      document: { kind: 'Image', spec: { image_config: { labels: { init: 'init.sh' } } } },
    },
    { dialect: 'sealos', imageType: 'application', cmd: ['helm upgrade -i web charts/web'] },
    { dialect: 'kubefile', imageType: 'app-installer' },
  ])
  const listed = await run(['ls'], store)
  t.same(
    listed.map(({ reference }) => String(reference).replace(/.*\//, '')),
    ['kubernetes:1', 'web:1', 'odd:1', 'apps:1'],
    'no other images',
  )
  t.match(
    textForm('yaml', { clusterfile: false })?.record(listed[0] as AnyRecord),
    /kubernetes:1\t.*\trootfs\n$/,
  )
  await t.rejects(run(['inspect', 'plain:1'], store), { code: 'CLUSTER_IMAGE_INVALID' })
  t.same(await run(['check', 'kubernetes:1'], store), [], 'an image that sealos takes')
  t.match(await run(['check', 'odd:1'], store), [
    { rule: 'image-invalid', severity: 'error', message: /^odd:1: .*sealos\.io\.version/ },
  ])
  t.same(await run(['check', 'apps:1'], store), [])
  await t.rejects(
    run(['check', 'nothing:1'], store),
    { code: 'IMAGE_MISSING' },
    'neither a folder nor an image',
  )
  t.ok((await run(['check', './nothing'], store)).length > 0, 'a folder by its slash')
})

t.test('merge', async t => {
  const store = path.join(t.testdir({}), 'store')
  await put(store, ROOT)
  await put(store, APP)
  await put(store, {
    name: 'one:1',
    layers: [{ a: '1' }],
    annotations: { [EXTENSION]: '{"launch":{"cmds":["a b"]}}' },
    config: { Cmd: ['a b'] },
  })
  await put(store, {
    name: 'two:1',
    layers: [{ b: '2' }],
    annotations: { [EXTENSION]: '{"launch":{"cmds":["c d"]}}' },
    config: { Cmd: ['c d'] },
  })
  const [merged] = await run(['merge', 'kubernetes:1', 'web:1'], store, 'all:1')
  t.match(merged, {
    action: 'merged',
    imageType: 'rootfs',
    dialect: 'sealos',
    cmd: ['helm upgrade -i web charts/web'],
  })
  const target = Store.open(store)
  const manifestOf = (
    name: string,
  ): { config: { digest: string }; layers: unknown[]; annotations?: Record<string, string> } =>
    JSON.parse(String(target.readBlob(target.resolve(`docker.io/library/${name}`)[0]?.digest as never)))
  const { config, layers } = manifestOf('all:1')
  t.equal(layers.length, 2)
  t.match(JSON.parse(String(target.readBlob(config.digest as never))), {
    config: { Env: ['data=/var', 'port=6000'], Labels: { 'sealos.io.type': 'rootfs', init: 'init.sh' } },
  })
  t.match(await run(['merge', 'one:1', 'two:1'], store, 'both:1'), [
    { dialect: 'kubefile', cmd: ['a b', 'c d'] },
  ])
  t.same(JSON.parse(manifestOf('both:1').annotations?.[EXTENSION] ?? '').launch, { cmds: ['a b', 'c d'] })
  const several = run(['merge', 'web:1', 'one:1'], store, 'x:1')
  await t.rejects(several, { code: 'KIND_MISMATCH', message: /web:1 is of sealos, .*one:1 of kubefile/ })
  const archive = clusterImage(['save', 'web:1'], {
    env: {},
    now: () => new Date(0),
    stdin: Readable.from([]),
    store,
    output: path.join(store, 'x.tar'),
  })
  await t.rejects(collect(archive), { code: 'KIND_MISMATCH', message: /img-export/ }, 'an archive of sealer')
})

t.test('diff', async t => {
  const store = path.join(t.testdir({}), 'store')
  await put(store, {
    ...APP,
    layers: [
      {
        same: '1',
        other: '1',
        'gone/f': '',
        ...tagged('a/web', '1', 'web'),
        ...tagged('b', '2', 'kept'),
        ...tagged('old/c', '3', 'c'),
      },
    ],
  })
  await put(store, {
    name: 'web:2',
    layers: [
      { same: '1', other: '2', ...tagged('a/web', '1', 'newer'), ...tagged('b', '2', 'kept') },
      { 'charts/web/Chart.yaml': 'x', ...tagged('new', '1', 'new'), ...tagged('a/web', '1', 'newest') },
    ],
    config: {
      Cmd: ['helm upgrade -i web charts/web --wait'],
      Env: ['port=7000', 'A=1'],
      Labels: { 'sealos.io.type': 'patch' },
      User: '0',
    },
    fields: { architecture: 'arm64' },
  })
  const found = await run(['diff', 'web:1', 'web:2'], store)
  const shown = found.map(({ what, name, before, after }) =>
    [what, name, before, after].map(one => one ?? '-').join(' '),
  )
  t.same(shown, [
    'name name docker.io/library/web:1 docker.io/library/web:2',
    'platform platform linux/amd64 linux/arm64',
    'type type application patch',
    'user user - 0',
    'cmd cmd ["helm upgrade -i web charts/web"] ["helm upgrade -i web charts/web --wait"]',
    'label sealos.io.type - patch',
    'env A - 1',
    'env port 6000 7000',
    `image a/web:1 ${digestOf('web')} ${digestOf('newest')}`,
    `image new:1 - ${digestOf('new')}`,
    `image old/c:3 ${digestOf('c')} -`,
    'file charts - dir',
    'file charts/web - dir',
    'file charts/web/Chart.yaml - file',
    'file gone present -',
    'file other other file',
  ])
  t.equal(
    textForm('yaml', { clusterfile: false })?.record(found[5] as AnyRecord),
    'label\tsealos.io.type\tabsent\t->\tpatch\n',
  )
  t.same(await run(['diff', 'web:1', 'web:1'], store), [], 'an image and itself')
  await t.rejects(run(['diff', 'web:1'], store), { code: 'USAGE' })
})
