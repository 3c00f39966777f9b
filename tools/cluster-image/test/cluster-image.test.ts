import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { clusterfileFor, configOf, type ImageDocument } from '@pipelayer/cluster'
import { digestOf } from '@pipelayer/digest'
import { packTar } from '@pipelayer/packing'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'
import t from 'tap'
import { type ClusterImageOptions, clusterImage } from '../src/index.js'
import { textForm } from '../src/text.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'cluster-image-'))
t.teardown(() => fs.rmSync(root, { recursive: true }))

type Options = Partial<ClusterImageOptions>

async function run(
  words: readonly string[],
  store: string,
  options: Options = {},
): Promise<readonly AnyRecord[]> {
  const context = {
    env: {},
    now: () => new Date(0),
    stdin: Readable.from([]),
    store: path.join(root, store),
    ...options,
  }
  const records = await collect(clusterImage(words, context))
  for (const record of records) checkRecord(record)
  return records
}

function tarOf(
  entries: readonly (Partial<TarEntry> & { readonly name: string; readonly text?: string })[],
): Buffer {
  const parts = entries.flatMap(({ text = '', ...entry }) => [
    encodeHeader({
      type: 'file',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: text.length,
      mtime: { seconds: 1, nanoseconds: 0 },
      ...entry,
    }),
    Buffer.from(text),
    padding(text.length),
  ])
  return Buffer.concat([...parts, END_BLOCKS])
}

const LAYERS = [
  tarOf([
    { name: 'bin/', type: 'dir', mode: 0o755 },
    { name: 'bin/kubectl', text: 'x'.repeat(600) },
    { name: 'bin/k', type: 'hardlink', linkname: 'bin/kubectl' },
    { name: 'bin/l', type: 'symlink', linkname: '../../outside' },
    { name: `${'deep/'.repeat(40)}file`, text: 'long name' },
  ]),
  tarOf([{ name: 'manifests/', type: 'dir', mode: 0o755 }, { name: 'manifests/.wh.old' }]),
]

async function clusterIn(store: string, name = 'my:1', tars = LAYERS): Promise<ImageDocument> {
  const target = Store.open(path.join(root, store))
  const packed = await Promise.all(tars.map(tar => packTar(Readable.from([tar]), () => target.blobWriter())))
  const [first, second] = packed.map(({ diffID }) => diffID)
  const document: ImageDocument = {
    kind: 'Image',
    metadata: {
      name,
      creationTimestamp: null,
      annotations: { 'sea.aliyun.com/ClusterFile': clusterfileFor(name, undefined) },
    },
    spec: {
      image_config: { args: { Version: '4.0' }, labels: { team: 'base' } },
      layers: [
        { ...(first && { id: first }), type: 'COPY', value: 'bin .' },
        { type: 'CMD', value: 'kubectl apply -f manifests' },
        ...(second ? [{ id: second, type: 'BASE', value: 'rootfs cache' }] : []),
      ],
      platform: { architecture: 'amd64', os: 'linux' },
      sealer_version: 'v0.7.1',
    },
    status: {},
  }
  const config = target.putBytes(Buffer.from(JSON.stringify(configOf(document, '1970-01-01T00:00:00Z'))))
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        digest: config.digest,
        size: config.size,
      },
      layers: packed.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    }),
  )
  const { digest, size } = target.putBytes(manifest)
  target.tag(
    { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size },
    `docker.io/library/${name}`,
  )
  return document
}

t.test('inspect, history, ls, tag, rm', async t => {
  const document = await clusterIn('a')
  const [found] = await run(['inspect', 'my:1'], 'a')
  const { id: _, ...spec } = (found as { document: ImageDocument } & AnyRecord).document.spec
  t.same(spec, document.spec, 'the document comes back from the config')
  t.same((await run(['inspect', String(found?.id).slice(0, 8)], 'a'))[0], found, 'by the beginning of its id')
  const yaml = textForm('yaml', { clusterfile: false })?.record(found as AnyRecord) ?? ''
  t.match(
    yaml,
    /^kind: Image\nmetadata:\n {2}annotations:\n {4}sea.aliyun.com\/ClusterFile: \|\n {6}apiVersion: sealer.cloud\/v2\n/,
  )
  t.match(
    yaml,
    /\n {2}layers:\n {2}- id: sha256:[0-9a-f]{64}\n {4}type: COPY\n {4}value: bin \.\n {2}- type: CMD\n/,
  )
  t.match(
    textForm('yaml', { clusterfile: true })?.record(found as AnyRecord),
    /^apiVersion.*\n {2}image: my:1\n/s,
  )
  t.same(
    JSON.parse(textForm('json', { clusterfile: false })?.record(found as AnyRecord) ?? ''),
    found?.document,
  )
  t.match(await run(['history', 'my:1'], 'a'), [
    { createdBy: 'COPY bin .', diffID: digestOf(LAYERS[0] as Buffer), created: '1970-01-01T00:00:00Z' },
    { createdBy: 'CMD kubectl apply -f manifests', empty: true },
    { createdBy: 'BASE rootfs cache', diffID: digestOf(LAYERS[1] as Buffer) },
  ])
  await run(['tag', 'my:1', 'other.example/x:2'], 'a')
  t.same(
    (await run(['ls'], 'a')).map(({ reference, id }) => [reference, id === found?.id]),
    [
      ['docker.io/library/my:1', true],
      ['other.example/x:2', true],
    ],
    'a new name keeps the id',
  )
  await t.rejects(run(['rm', String(found?.id)], 'a'), { code: 'ID_AMBIGUOUS' }, 'an id with two names')
  await run(['rm', 'my:1'], 'a')
  t.same((await run(['ls'], 'a')).length, 1, 'only that name went')
  await run(['rm', String(found?.id), 'gone'], 'a', { force: true })
  t.same(await run(['ls'], 'a'), [])
})

t.test('save, load into an empty store: the same image', async t => {
  await clusterIn('b')
  const [before] = await run(['inspect', 'my:1'], 'b')
  const output = path.join(root, 'my.tar')
  await run(['save', 'my:1'], 'b', { output })
  await run(['load', output], 'c', { created: '1970-01-01T00:00:00Z' })
  const [after] = await run(['inspect', 'my:1'], 'c')
  t.same(after, before, 'id, digest and document')
  await run(['load', '-'], 'd', { stdin: fs.createReadStream(output), tag: 'new:2' })
  t.match(
    await run(['ls'], 'd'),
    [{ reference: 'docker.io/library/new:2', id: before?.id }],
    'from stdin, under another name',
  )
})

t.test('archives that are not taken', async t => {
  const hex = digestOf(LAYERS[0] as Buffer).slice(7)
  const doc = (fields: string): { name: string; text: string } => ({
    name: 'image_metadata.yaml',
    text: `kind: Image\nmetadata: {name: x}\nspec:\n  layers:\n${fields}`,
  })
  const layer = doc(`  - {id: sha256:${hex}, type: COPY, value: a .}\n`)
  const rows: readonly { entries: Parameters<typeof tarOf>[0]; code: string; why: string; newIDs?: true }[] =
    [
      { entries: [], code: 'ARCHIVE_INVALID', why: 'an empty tar' },
      {
        entries: [{ name: `${hex}/../x`, text: 'x' }, layer],
        code: 'ARCHIVE_INVALID',
        why: 'a name that leaves its layer',
      },
      {
        entries: [{ name: '../x', text: 'x' }, layer],
        code: 'ARCHIVE_INVALID',
        why: 'a name outside of layers',
      },
      {
        entries: [{ name: `${hex}/x`, type: 'hardlink', linkname: '/etc/passwd' }, layer],
        code: 'ARCHIVE_INVALID',
        why: 'a hard link out',
      },
      {
        entries: [{ name: `${hex}/x`, type: 'hardlink', linkname: `${hex}/../y` }, layer],
        code: 'ARCHIVE_INVALID',
        why: 'a hard link with ..',
      },
      {
        entries: [{ name: `${hex}/x` }, layer, { name: `${hex}/y` }],
        newIDs: true,
        code: 'ARCHIVE_INVALID',
        why: 'a layer in pieces',
      },
      {
        entries: [{ name: `${hex}/x`, text: 'other' }, layer],
        code: 'LAYER_ID_MISMATCH',
        why: 'content that is not what its id says',
      },
      { entries: [layer], code: 'LAYERS_MISSING', why: 'a layer that is not there' },
      {
        entries: [doc('  - {id: 12, type: COPY}\n')],
        code: 'CLUSTER_IMAGE_INVALID',
        why: 'an id that is no digest',
      },
      {
        entries: [{ name: 'image_metadata.yaml', text: 'kind: Pod\n' }],
        code: 'CLUSTER_IMAGE_INVALID',
        why: 'another kind',
      },
      { entries: [{ name: 'image_metadata.yaml', text: 'a: b: c' }], code: 'YAML_INVALID', why: 'no YAML' },
      {
        entries: [doc(`  - {type: CMD, value: x}\n  id: ${'a'.repeat(64)}\n`)],
        code: 'IMAGE_ID_MISMATCH',
        why: 'an image id that is not that of the document',
      },
    ]
  for (const { entries, code, why, newIDs } of rows) {
    const file = path.join(root, 'bad.tar')
    fs.writeFileSync(file, tarOf(entries))
    await t.rejects(run(['load', file], 'bad', newIDs ? { newIDs } : {}), { code }, why)
  }
  t.same(await run(['ls'], 'bad'), [], 'nothing was named')
  fs.writeFileSync(path.join(root, 'own.tar'), tarOf([{ name: `${hex}/x`, text: 'other' }, layer]))
  const [taken] = await run(['load', path.join(root, 'own.tar')], 'bad', { newIDs: true })
  t.equal(taken?.action, 'loaded', 'with --new-ids')
  await clusterIn('odd', 'odd:1', [Buffer.concat([LAYERS[1] as Buffer, Buffer.alloc(1024)])])
  await t.rejects(
    run(['save', 'odd:1'], 'odd', { output: path.join(root, 'odd.tar') }),
    { code: 'LAYER_ID_MISMATCH' },
    'a tar that its entries do not give back',
  )
  t.notOk(
    fs.readdirSync(root).some(name => name.includes('odd.tar')),
    'and no file is left',
  )
})

t.test('merge', async t => {
  await clusterIn('m', 'one:1')
  await clusterIn('m', 'two:1', [LAYERS[1] as Buffer])
  const [merged] = await run(['merge', 'one:1', 'two:1'], 'm', { tag: 'both:1' })
  t.match(merged, { action: 'merged', reference: 'docker.io/library/both:1' })
  const [found] = await run(['inspect', 'both:1'], 'm')
  const { spec, metadata } = (found as { document: ImageDocument } & AnyRecord).document
  t.same(
    spec.layers?.map(({ type, value }) => `${type} ${value}`),
    ['COPY bin .', 'CMD kubectl apply -f manifests', 'BASE rootfs cache'],
    'each layer and each CMD once',
  )
  t.match(metadata.annotations?.['sea.aliyun.com/ClusterFile'], /image: both:1/)
  await t.rejects(run(['merge', 'one:1'], 'm'), { code: 'USAGE' }, 'no name')
})

t.test('other errors', async t => {
  await clusterIn('e')
  Store.open(path.join(root, 'e')).tag(
    { ...Store.open(path.join(root, 'e')).putBytes(Buffer.from('{}')), mediaType: 'text/plain' },
    'docker.io/library/none:1',
  )
  const rows: readonly { words: readonly string[]; code: string }[] = [
    { words: ['frob'], code: 'USAGE' },
    { words: ['inspect'], code: 'USAGE' },
    { words: ['ls', 'x'], code: 'USAGE' },
    { words: ['save', 'my:1'], code: 'USAGE' },
    { words: ['inspect', 'nothing'], code: 'IMAGE_MISSING' },
    { words: ['inspect', 'UPPER'], code: 'IMAGE_MISSING' },
  ]
  for (const { words, code } of rows) await t.rejects(run(words, 'e'), { code }, words.join(' '))
})

t.test('check', async t => {
  const dir = path.join(root, 'rootfs')
  for (const name of ['bin', 'cri', 'etc', 'images', 'registry', 'scripts', 'statics'])
    fs.mkdirSync(path.join(dir, name), { recursive: true })
  fs.writeFileSync(path.join(dir, 'scripts/init.sh'), '')
  fs.writeFileSync(path.join(dir, 'Kubefile'), 'FROM scratch\n')
  fs.writeFileSync(path.join(dir, 'Metadata'), '{"arch":"arm64"}')
  t.same(await run(['check', dir], 'x'), [], "the seeds' tree")
  fs.writeFileSync(path.join(dir, 'Metadata'), '[')
  fs.writeFileSync(path.join(dir, 'etc/Clusterfile'), 'kind: Pod')
  fs.rmdirSync(path.join(dir, 'cri'))
  fs.rmdirSync(path.join(dir, 'bin'))
  fs.writeFileSync(path.join(dir, 'bin'), '')
  const findings = await run(['check', dir], 'x')
  t.same(
    findings.map(({ rule, severity, file }) => `${severity} ${rule} ${file}`),
    [
      'error rootfs-wrong-type bin',
      'warning rootfs-missing cri',
      'error rootfs-invalid Metadata',
      'error rootfs-invalid etc/Clusterfile',
    ],
  )
})
