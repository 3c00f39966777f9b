import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { type Digest, digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect } from '@pipelayer/records'
import { StoreKit } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgVerifyOptions, imgVerify } from '../src/index.js'
import { textForm } from '../src/text.js'

const NAME = 'docker.io/library/a:1'
const GZIP = 'application/vnd.oci.image.layer.v1.tar+gzip'
const CONFIG = 'application/vnd.oci.image.config.v1+json'
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
const INDEX = 'application/vnd.oci.image.index.v1+json'

function verify(kit: StoreKit, options: Partial<ImgVerifyOptions> = {}): Promise<AnyRecord[]> {
  return collect(imgVerify({ root: kit.root, ...options }))
}

/** The code and the digest of each fault. */
function faultsIn(records: readonly AnyRecord[]): [unknown, unknown][] {
  const failed = records.filter(({ type }) => type === 'failed')
  return failed.map(({ code, item }) => [code, (item as { digest?: unknown }).digest])
}

t.test('whole images', async t => {
  const kit = new StoreKit(t)
  const [one, two] = [kit.image('one'), kit.image('two')]
  const index = kit.index([one, two])
  kit.tag(one, NAME)
  kit.tag(index, 'docker.io/library/b:1')
  kit.tag(two)
  kit.blob('a blob of no image')
  const records = await verify(kit)
  t.match(records, [
    { type: 'verified', reference: NAME, digest: one.digest, blobs: 3, faults: 0 },
    { type: 'verified', reference: 'docker.io/library/b:1', blobs: 7, faults: 0 },
    { type: 'verified', digest: two.digest, blobs: 3, faults: 0 },
  ])
  const sizes = one.parts.map(digest => kit.store.blobSize(digest) ?? 0)
  t.equal(
    records[0]?.size,
    sizes.reduce((a, b) => a + b),
    'the size is that of all blobs',
  )
  for (const name of [NAME, 'a:1', one.digest])
    t.match(await verify(kit, { names: [name] }), [{ type: 'verified', digest: one.digest }], name)
  t.equal((await verify(kit, { names: ['a:1', 'b:1'] })).length, 2, 'several names')
  const three = kit.image('three')
  kit.tag(three, 'as another program wrote it')
  const [, id = ''] = three.parts
  for (const name of ['as another program wrote it', id.slice(7, 19)])
    t.match(await verify(kit, { names: [name] }), [{ type: 'verified', digest: three.digest }], name)
})

t.test('what is wrong with a blob is told', async t => {
  type Row = { why: string; at: 0 | 1 | 2; code: string; spoil: (file: string) => void }
  const rows: readonly Row[] = [
    { why: 'a missing layer', at: 2, code: 'BLOB_MISSING', spoil: file => fs.rmSync(file) },
    { why: 'a missing config', at: 1, code: 'BLOB_MISSING', spoil: file => fs.rmSync(file) },
    { why: 'a missing manifest', at: 0, code: 'BLOB_MISSING', spoil: file => fs.rmSync(file) },
    { why: 'a short layer', at: 2, code: 'DIGEST_MISMATCH', spoil: file => fs.truncateSync(file, 3) },
    { why: 'an empty layer', at: 2, code: 'DIGEST_MISMATCH', spoil: file => fs.truncateSync(file) },
    { why: 'a longer layer', at: 2, code: 'DIGEST_MISMATCH', spoil: file => fs.appendFileSync(file, 'x') },
    { why: 'an altered config', at: 1, code: 'DIGEST_MISMATCH', spoil: file => fs.writeFileSync(file, '{}') },
    {
      why: 'an altered manifest',
      at: 0,
      code: 'DIGEST_MISMATCH',
      spoil: file => fs.writeFileSync(file, '{}'),
    },
    {
      why: 'a FIFO',
      at: 2,
      code: 'FILE_INVALID',
      spoil: file => replaced(file, () => spawnSync('mkfifo', [file])),
    },
    { why: 'a folder', at: 1, code: 'FILE_INVALID', spoil: file => replaced(file, () => fs.mkdirSync(file)) },
    {
      why: 'a device',
      at: 0,
      code: 'FILE_INVALID',
      spoil: file => replaced(file, () => fs.symlinkSync('/dev/zero', file)),
    },
    {
      why: 'a symlink to nothing',
      at: 2,
      code: 'BLOB_MISSING',
      spoil: file => replaced(file, () => fs.symlinkSync('none', file)),
    },
    {
      why: 'a symlink to itself',
      at: 2,
      code: 'ELOOP',
      spoil: file => replaced(file, () => fs.symlinkSync(file, file)),
    },
  ]
  for (const { why, at, code, spoil } of rows) {
    const kit = new StoreKit(t)
    const image = kit.image('a')
    kit.tag(image, NAME)
    const other = kit.image('other')
    kit.tag(other, 'docker.io/library/other:1')
    const digest = image.parts[at] as Digest
    spoil(kit.store.blobPath(digest))
    const records = await verify(kit)
    t.same(faultsIn(records), [[code, digest]], why)
    const failed = records.find(({ type }) => type === 'failed')
    t.equal(failed?.image, NAME, `${why}: the image is named`)
    t.ok(String(failed?.message).includes(digest), `${why}: so is the blob`)
    const verified = records.filter(({ type }) => type === 'verified')
    t.same(
      verified.map(({ faults }) => faults),
      [1, 0],
      `${why}: the other image is whole`,
    )
  }
})

function replaced(file: string, make: () => void): void {
  fs.rmSync(file)
  make()
}

t.test('documents that lie, although their digests are right', async t => {
  const kit = new StoreKit(t)
  const { digest, size } = kit.blob('a layer')
  const config = kit.blob('{"os":"linux","architecture":"amd64"}', CONFIG)
  const layer = { mediaType: GZIP, digest, size: size + 1 }
  const wrongSize = kit.blob({ schemaVersion: 2, config, layers: [layer] }, MANIFEST)
  const foreign = {
    mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    digest: digestOf('x'),
    size: 1,
  }
  const withForeign = kit.blob({ schemaVersion: 2, config, layers: [foreign] }, MANIFEST)
  const both = kit.blob({ schemaVersion: 2, config, layers: [], manifests: [] }, MANIFEST)
  const text = kit.blob('no manifest', MANIFEST)
  const twice = kit.blob('{"schemaVersion":2,"schemaVersion":2,"config":{},"layers":[]}', MANIFEST)
  const typed = kit.blob({ schemaVersion: 2, mediaType: MANIFEST, config, layers: [] }, MANIFEST)
  const blake = `blake3:${'a'.repeat(64)}`
  const hashed = kit.blob({ schemaVersion: 2, config, layers: [{ ...layer, digest: blake }] }, MANIFEST)
  const rows = [
    [wrongSize, [['SIZE_MISMATCH', digest]], 'a descriptor with another size'],
    [withForeign, [], 'a layer that lies elsewhere need not be there'],
    [both, [['MANIFEST_INVALID', both.digest]], 'a manifest that is an index as well'],
    [text, [['MANIFEST_INVALID', text.digest]], 'no JSON'],
    [twice, [['MANIFEST_INVALID', twice.digest]], 'a key that occurs twice'],
    [{ ...text, mediaType: 'text/plain' }, [], 'an entry that is no image is compared with its digest alone'],
    [{ ...both, mediaType: INDEX }, [['MANIFEST_INVALID', both.digest]], 'as an index too'],
    [
      { ...typed, mediaType: INDEX },
      [['MEDIA_TYPE_MISMATCH', typed.digest]],
      'a manifest that is called an index',
    ],
    [hashed, [['DIGEST_UNSUPPORTED', blake]], 'a digest of a hash that is not known'],
  ] as const
  for (const [entry, faults, why] of rows) {
    kit.tag(entry, NAME)
    t.same(faultsIn(await verify(kit)), faults, why)
  }
  t.ok(kit.has(digest), 'what fits its digest is never moved')
})

t.test('indexes in indexes', async t => {
  const kit = new StoreKit(t)
  let nested = kit.index([kit.image('a')])
  for (let depth = 0; depth < 200; depth++) nested = kit.index([nested, nested])
  kit.tag(nested, NAME)
  t.match(
    await verify(kit),
    [{ type: 'verified', blobs: 204, faults: 0 }],
    'each is visited once, however deep',
  )
  const self = kit.store.blobPath(nested.digest)
  fs.writeFileSync(self, JSON.stringify({ schemaVersion: 2, manifests: [nested] }))
  t.same(
    faultsIn(await verify(kit)),
    [['DIGEST_MISMATCH', nested.digest]],
    'one that names itself is no index of that digest',
  )
})

t.test('--deep compares layers with the diffIDs of the config', async t => {
  const tar = Buffer.alloc(1024)
  const image = (kit: StoreKit, diffIDs: readonly string[], blob: Buffer = gzipSync(tar)) => {
    const { digest, size } = kit.store.putBytes(blob)
    const config = kit.blob(
      { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: diffIDs } },
      CONFIG,
    )
    const layers = [{ mediaType: GZIP, digest, size }]
    kit.tag(kit.blob({ schemaVersion: 2, config, layers }, MANIFEST), NAME)
    return { layer: digest, config: config.digest }
  }
  const rows = [
    [[digestOf(tar)], undefined, undefined, undefined, 'a whole image'],
    [[digestOf('other')], undefined, 'DIFF_ID_MISMATCH', 'layer', 'another tar than the config names'],
    [[], undefined, 'DIFF_IDS_INVALID', 'config', 'fewer diffIDs than layers'],
    [
      [digestOf(tar)],
      gzipSync(tar).subarray(0, 15),
      'COMPRESSION_INVALID',
      'layer',
      'a layer that was cut before it got its digest',
    ],
  ] as const
  for (const [diffIDs, blob, code, part, why] of rows) {
    const kit = new StoreKit(t)
    const made = image(kit, diffIDs, blob)
    t.same(faultsIn(await verify(kit)), [], `${why}: the digests are right`)
    const found = faultsIn(await verify(kit, { deep: true }))
    if (part === undefined) t.same(found, [], why)
    else t.same(found, [[code, made[part]]], why)
  }
  const unread = new StoreKit(t)
  const config = unread.blob('{"rootfs":{"diff_ids":1}}', CONFIG)
  unread.tag(unread.blob({ schemaVersion: 2, config, layers: [] }, MANIFEST), NAME)
  t.same(faultsIn(await verify(unread)), [], 'a config is not parsed')
  t.same(
    faultsIn(await verify(unread, { deep: true })),
    [['CONFIG_INVALID', config.digest]],
    'unless it is needed',
  )
  const kit = new StoreKit(t)
  const { layer } = image(kit, [digestOf(tar)])
  fs.truncateSync(kit.store.blobPath(layer), 10)
  t.same(
    faultsIn(await verify(kit, { deep: true })),
    [['DIGEST_MISMATCH', layer]],
    'a damaged layer is told once',
  )
})

t.test('what is read, and what is not', async t => {
  const kit = new StoreKit(t)
  const image = kit.image('a')
  for (const name of [NAME, 'docker.io/library/b:1']) kit.tag(image, name)
  const loose = kit.blob('a blob of no image')
  fs.writeFileSync(kit.store.blobPath(loose.digest), 'altered')
  const running = imgVerify({ root: kit.root })
  t.match(await running.next(), { value: { type: 'verified', faults: 0 } }, 'what no image needs is not read')
  fs.writeFileSync(kit.store.blobPath(image.parts[2] as Digest), 'altered')
  t.match(
    await running.next(),
    { value: { type: 'verified', faults: 0 } },
    'nor is a blob of two images read twice',
  )
  t.match(await running.next(), { done: true })
})

t.test('--repair sets damaged blobs aside', async t => {
  const kit = new StoreKit(t)
  const image = kit.image('a')
  kit.tag(image, NAME)
  kit.tag(image, 'docker.io/library/b:1')
  const layer = image.parts[2] as Digest
  fs.writeFileSync(kit.store.blobPath(layer), 'altered')
  const [index, manifest] = ['index.json', `blobs/${image.digest.replace(':', '/')}`].map(file =>
    fs.readFileSync(path.join(kit.root, file), 'utf8'),
  )
  const records = await verify(kit, { repair: true })
  t.equal(faultsIn(records).length, 2, 'both names are told')
  t.equal(fs.readFileSync(path.join(kit.root, 'index.json'), 'utf8'), index, 'the names stay')
  t.equal(kit.store.readBlob(image.digest).toString(), manifest, 'and so does what names the blob')
  t.match(records[0], { item: { digest: layer, setAside: true } })
  t.notOk(kit.has(layer))
  t.same(fs.readdirSync(path.join(kit.root, 'damaged')), [layer.replace(':', '-')])
  t.same(
    faultsIn(await verify(kit, { names: [NAME] })),
    [['BLOB_MISSING', layer]],
    'it counts as missing from then on',
  )
  kit.blob('layer a')
  t.same(faultsIn(await verify(kit)), [], 'and is whole when it was brought again')
})

t.test('no store, no such image, no index', async t => {
  const kit = new StoreKit(t)
  const root = path.join(kit.root, 'none')
  t.same(await verify(kit, { root }), [], 'a store that does not exist has no images')
  t.match(await verify(kit, { root, names: ['a'] }), [{ type: 'failed', code: 'MANIFEST_UNKNOWN' }])
  for (const [name, code] of [
    ['a', 'MANIFEST_UNKNOWN'],
    [digestOf('a'), 'MANIFEST_UNKNOWN'],
    ['no name at all', 'REFERENCE_INVALID'],
  ] as const)
    t.match(await verify(kit, { names: [name] }), [{ type: 'failed', code, item: { reference: name } }], name)
  const { digest } = kit.image('one')
  kit.tag(kit.image('one'), 'docker.io/library/one:1')
  t.match(
    await verify(kit, { names: [digest.slice(7, 19)] }),
    [{ type: 'verified', digest }],
    'by its first digits',
  )
  fs.writeFileSync(path.join(kit.root, 'index.json'), '{"schemaVersion":2,"manifests":[{"med')
  await t.rejects(verify(kit), { code: 'LAYOUT_INVALID' })
})

t.test('a terminal gets a table', async t => {
  const form = textForm()
  const verified = { type: 'verified', digest: `sha256:${'a'.repeat(64)}`, blobs: 3, size: 1500 }
  const records = [
    { ...verified, reference: NAME, faults: 0 },
    { ...verified, faults: 1 },
    { ...verified, faults: 2 },
    { type: 'failed', code: 'X' },
  ]
  for (const record of records) form.record(record)
  t.same(form.end({ type: 'end' }).split('\n'), [
    'IMAGE    DIGEST                BLOBS    SIZE   RESULT',
    'a:1      sha256:aaaaaaaaaaaa       3   1.5kB   ok',
    '<none>   sha256:aaaaaaaaaaaa       3   1.5kB   1 fault',
    '<none>   sha256:aaaaaaaaaaaa       3   1.5kB   2 faults',
    '3 images, 2 with faults',
    '',
  ])
})
