import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/layout'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, RecordWriter, type Scope, startRegistry, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BlobPutOptions, blobPut } from '../src/index.js'

interface Lab {
  readonly dir: string
  readonly writer: RecordWriter
  put(place: string | undefined, records: AnyRecord[], more?: Partial<BlobPutOptions>): Promise<AnyRecord[]>
  /** The names in a layout below the folder; empty if there is no layout. */
  names(layout: string): string[]
}

function lab(t: Scope): Lab {
  const dir = tempDir(t, 'put')
  fs.mkdirSync(`${dir}/files`)
  return {
    dir,
    writer: new RecordWriter(`${dir}/files`),
    put: async (place, records, more = {}) => {
      const options = {
        store: `${dir}/store`,
        registries: { retry: { tries: 2, baseMs: 1, maxMs: 2 } },
        place,
        ...more,
      }
      const out = await collect(blobPut(stream(records), options))
      for (const record of out) checkRecord(record)
      return out
    },
    names: layout => {
      if (!fs.existsSync(`${dir}/${layout}/index.json`)) return []
      const { manifests } = Layout.open(`${dir}/${layout}`).index()
      return manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? '')
    },
  }
}

async function* stream(records: readonly (AnyRecord | Error)[]): AsyncGenerator<AnyRecord> {
  for (const record of records) {
    if (record instanceof Error) throw record
    yield record
  }
}

t.test('an image is put, its records passed on', async t => {
  const { dir, writer, put, names } = lab(t)
  const image = writer.image('1', ['base', 'top'], 'docker.io/library/app:1')
  const note = { type: 'note' }
  const out = await put(`oci:${dir}/out:tag`, [note, ...image])
  t.same(out.slice(0, -1), [note, ...image.slice(0, -1)], 'all but the root as they came')
  t.match(out.at(-1), { ...image.at(-1), from: [`oci:${dir}/out:tag`], reference: 'docker.io/library/app:1' })
  t.same(names('out'), ['tag'])
  const layout = Layout.open(`${dir}/out`)
  for (const { digest, size } of image) t.ok(layout.hasBlob(String(digest), Number(size)))
  await put(`oci:${dir}/out:tag`, image)
  t.same(names('out'), ['tag'], 'again: the same')
})

t.test('the store', async t => {
  const { writer, put, names } = lab(t)
  const out = await put('store:app:1', writer.image('1', ['x']))
  t.same(names('store'), ['docker.io/library/app:1'], 'fully qualified')
  t.match(out.at(-1), { reference: 'docker.io/library/app:1', from: ['store:docker.io/library/app:1'] })
  t.same(out.at(-1)?.references, ['docker.io/library/app:1'])
  const again = await put('store:other:2', out)
  t.match(again.at(-1), { reference: 'docker.io/library/other:2' }, 'the last name')
  t.same(
    again.at(-1)?.references,
    ['docker.io/library/app:1', 'docker.io/library/other:2'],
    'and all of them',
  )
  await t.rejects(put(`store:${digestOf('x')}`, writer.image('1', ['x'])), { code: 'PLACE_INVALID' })
  for (const place of ['oci:', 'sif:/x', 'dir:', 'H/x:'])
    await t.rejects(put(place, []), { name: 'ToolError', status: 2 }, `no place: ${place}`)
  const readOnly = {
    code: 'PLACE_INVALID',
    status: 2,
    message: /"ctr images import FILE".*"docker load --input FILE"/,
  }
  for (const place of ['containerd:/c', 'containerd:/c:moby:a:1'])
    await t.rejects(put(place, writer.image('1', ['x'])), readOnly, `only read: ${place}`)
  const podman = {
    code: 'PLACE_INVALID',
    status: 2,
    message: /"podman load --input FILE".*"podman pull oci-archive:FILE"/,
  }
  for (const place of ['containers-storage:[/s]a:1', 'containers-storage:a:1'])
    await t.rejects(put(place, writer.image('1', ['x'])), podman, `only read: ${place}`)
})

t.test('nothing is published before the end', async t => {
  const { dir, writer, put, names } = lab(t)
  const image = writer.image('1', ['x'])
  const cut = new ToolError('INPUT_CUT', 'cut')
  const run = collect(
    blobPut(stream([...image, cut] as AnyRecord[]), { place: `oci:${dir}/out:1`, store: `${dir}/s` }),
  )
  await t.rejects(run, { code: 'INPUT_CUT' })
  t.notOk(fs.existsSync(`${dir}/out`), 'not even begun')
  t.same(
    await put(undefined, [{ type: 'failed', tool: 'x', image: '1', code: 'X', message: 'x' }]).catch(() => 0),
    [{ type: 'failed', tool: 'x', image: '1', code: 'X', message: 'x' }],
  )
  t.same(names('out'), [])
})

t.test('images that are refused', async t => {
  const { dir, writer, put } = lab(t)
  const image = writer.image('1', ['base', 'top'])
  const [base, top, config, root] = image as [AnyRecord, AnyRecord, AnyRecord, AnyRecord]
  const edit = { ...config, config: { ...(config.config as object), author: 'me' } }
  const other = writer.blob('layer', String(base.mediaType), 'other')
  const rows: readonly [records: AnyRecord[], code: string, why: string][] = [
    [[], 'IMAGE_MISSING', 'no image'],
    [[base, top, config], 'IMAGE_INCOMPLETE', 'no root'],
    [[base, top, config, { ...root, root: undefined }], 'IMAGE_INCOMPLETE', 'a manifest that is no root'],
    [[base, config, root], 'BLOB_MISSING', 'a layer that a filter dropped'],
    [[base, top, root], 'BLOB_MISSING', 'the config dropped'],
    [[base, top, edit, root], 'CONFIG_EDITED', 'a document that is not its blob'],
    [[base, top, { ...config, digest: undefined }, root], 'CONFIG_EDITED', 'a config without a blob'],
    [[base, top, { ...config, digest: other.digest }, root], 'CONFIG_EDITED', 'another config'],
    [[base, { ...top, path: '/nowhere' }, config, root], 'BLOB_MISSING', 'a path that is not there'],
    [[base, { ...top, path: dir }, config, root], 'BLOB_MISSING', 'a path that is a folder'],
    [[base, { ...top, path: undefined }, config, root], 'BLOB_MISSING', 'no path'],
    [[base, { ...top, path: other.path }, config, root], 'SIZE_MISMATCH', 'a file of another size'],
    [[base, { ...top, path: same(dir, top) }, config, root], 'DIGEST_MISMATCH', 'a file of other bytes'],
    [[base, { ...top, size: 99 }, config, root], 'SIZE_MISMATCH', 'a record of another size'],
    [[base, { ...top, size: undefined }, config, root], 'RECORD_INVALID', 'a record without a size'],
    [[base, top, config, { ...root, path: undefined }], 'BLOB_MISSING', 'a manifest without a path'],
    [
      [base, top, config, { ...root, mediaType: MEDIA_TYPES.ociIndex }],
      'MEDIA_TYPE_MISMATCH',
      'a manifest of another type',
    ],
    [
      [base, top, config, { ...root, ...writer.blob('manifest', 'a/b', '{}') }],
      'MANIFEST_INVALID',
      'a manifest that is none',
    ],
  ]
  for (const [records, code, why] of rows) {
    await t.rejects(put(`oci:${dir}/out:1`, records), { code, status: 1 }, why)
    t.notOk(fs.existsSync(`${dir}/out/index.json`) && Layout.open(`${dir}/out`).index().manifests.length, why)
  }
  await t.rejects(
    put(`oci:${dir}/out:1`, [base, config, root]),
    { message: new RegExp(String(top.digest)) },
    'it is named',
  )
})

t.test('what the target has need not come', async t => {
  const { dir, writer, put, names } = lab(t)
  const image = writer.image('1', ['base', 'top'])
  await put(`oci:${dir}/out:1`, image)
  await put(`oci:${dir}/out:2`, image.slice(-1))
  t.same(names('out'), ['1', '2'])
})

t.test('what is damaged in the target', async t => {
  const rows: readonly [type: string, verify: boolean, isMended: boolean, why: string][] = [
    ['manifest', false, true, 'a manifest'],
    ['config', false, true, 'a config'],
    ['layer', false, false, 'a layer counts by its size'],
    ['layer', true, true, 'a layer, with --verify'],
  ]
  for (const [type, verify, isMended, why] of rows) {
    const { dir, writer, put } = lab(t)
    const image = writer.image('1', ['base'])
    const record = image.find(one => one.type === type)
    const hex = String(record?.digest).slice(7)
    const places: readonly [place: string, file: string][] = [
      [`oci:${dir}/out:1`, `${dir}/out/blobs/sha256/${hex}`],
      ['store:app:1', `${dir}/store/blobs/sha256/${hex}`],
      [
        `registry-fs:${dir}/r:app:1`,
        `${dir}/r/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`,
      ],
    ]
    for (const [place, file] of places) {
      await put(place, image)
      const good = fs.readFileSync(file)
      fs.writeFileSync(file, Buffer.alloc(good.length))
      await put(place, image, { verify })
      t.equal(fs.readFileSync(file).equals(good), isMended, `${place}: ${why}`)
    }
  }
})

t.test('what is damaged in the store that it comes from', async t => {
  const { dir, put } = lab(t)
  const store = Store.open(`${dir}/store`)
  const image = new RecordWriter(`${store.root}/blobs/sha256`).image('1', ['base', 'top'])
  const [base, top] = image as [AnyRecord, AnyRecord]
  fs.writeFileSync(store.blobPath(String(base.digest)), 'BASE')
  const why = {
    code: 'DIGEST_MISMATCH',
    message: /was damaged in the store, and is set aside: pull or build/,
  }
  await t.rejects(put(`oci:${dir}/out:1`, image), why)
  t.notOk(store.hasBlob(String(base.digest)), 'it counts as missing')
  t.ok(store.hasBlob(String(top.digest)), 'what is right stays')
})

t.test('blobs that lie elsewhere', async t => {
  const { dir, writer, put, names } = lab(t)
  const image = writer.image('1', ['base', 'top'])
  await put(`oci:${dir}/here:1`, image)
  const from = [`oci:${dir}/here`]
  const away = image.map(record => ({ ...record, path: undefined, from }))
  await put(`oci:${dir}/out:1`, away)
  t.same(names('out'), ['1'], 'without paths')
  await put(
    `oci:${dir}/out2:1`,
    image.map(record => ({ ...record, path: '/nowhere', from })),
  )
  t.same(names('out2'), ['1'], 'with paths that are gone')
})

t.test('content inside a descriptor', async t => {
  const { dir, writer, put, names } = lab(t)
  const empty = { mediaType: MEDIA_TYPES.ociEmpty, digest: digestOf('{}'), size: 2, data: 'e30=' }
  const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: empty, layers: [empty] }
  const root = { ...writer.blob('manifest', MEDIA_TYPES.ociManifest, document), image: '1', root: true }
  await put(`oci:${dir}/out:1`, [root])
  t.same(names('out'), ['1'])
  t.equal(String(Layout.open(`${dir}/out`).readBlob(empty.digest)), '{}')
})

t.test('an index', async t => {
  const { dir, writer, put, names } = lab(t)
  const images = [writer.image('a', ['1']), writer.image('b', ['2'])]
  const index = writer.index('i', images)
  await put(`oci:${dir}/out:1`, index)
  t.same(names('out'), ['1'])
  t.equal(Layout.open(`${dir}/out`).resolve('1')[0]?.digest, index.at(-1)?.digest)
  const dropped = index.filter(({ type, image }) => !(type === 'manifest' && image === 'b'))
  await t.rejects(
    put(`oci:${dir}/out2:1`, dropped),
    { code: 'BLOB_MISSING' },
    'a child that a filter dropped',
  )
  t.same(names('out2'), [])
  const child = images[0]?.at(-1) as unknown as Descriptor
  const edited = index.map(record =>
    record.type === 'config' && record.image === 'a' ? { ...record, config: { edited: true } } : record,
  )
  await t.rejects(
    put(`oci:${dir}/out2:1`, edited),
    { code: 'CONFIG_EDITED' },
    `edits in ${child.digest} are seen`,
  )
})

t.test('several images', async t => {
  const { dir, writer, put, names } = lab(t)
  const [a, b, c] = ['a', 'b', 'c'].map(key =>
    writer.image(key, [key], `h.example/${key}:1`),
  ) as AnyRecord[][]
  const out = await put(`oci:${dir}/many`, [...(a ?? []), ...(b ?? []), ...(c ?? [])])
  t.same(names('many'), ['h.example/a:1', 'h.example/b:1', 'h.example/c:1'])
  t.same(
    out.map(({ image, type }) => `${image} ${type}`),
    ['a', 'b', 'c'].flatMap(key => [`${key} layer`, `${key} config`, `${key} manifest`]),
  )
  const broken = [...(a ?? []), ...(b ?? []).slice(1), ...(c ?? [])]
  const partly = await put(`oci:${dir}/partly`, broken)
  t.same(names('partly'), ['h.example/a:1', 'h.example/c:1'], 'one that fails costs itself only')
  t.match(
    partly.find(({ type }) => type === 'failed'),
    { tool: 'blob-put', code: 'BLOB_MISSING', image: 'b' },
  )
})

t.test('two images given to a single name: neither gets it', async t => {
  const { dir, writer, put, names } = lab(t)
  const image = writer.image('a', ['a'], 'h.example/a:1')
  const other = writer.image('b', ['b'], 'h.example/b:1')
  const failed = { type: 'failed', tool: 'x', image: 'b', code: 'X', message: 'x' }
  const rows: readonly [records: AnyRecord[], code: string, why: string][] = [
    [[...image, ...other], 'PLACE_TAKEN', 'both whole'],
    [[...image, ...other.slice(0, 1)], 'IMAGE_INCOMPLETE', 'of the second a layer only'],
    [[...other.slice(0, 1), ...image], 'IMAGE_INCOMPLETE', 'of the first a layer only'],
    [[...image, ...other.slice(0, 1), failed], 'PLACE_TAKEN', 'the second failed'],
    [[...other.slice(0, 1), failed, ...image], 'PLACE_TAKEN', 'the first failed'],
  ]
  for (const [records, code, why] of rows) {
    for (const place of [`oci:${dir}/one:1`, 'store:one:1', `registry-fs:${dir}/r:one:1`])
      await t.rejects(put(place, records), { code }, `${place}: ${why}`)
    t.same([...names('one'), ...names('store')], [], why)
    t.notOk(fs.existsSync(`${dir}/r/docker/registry/v2/repositories`), why)
  }
  const cut = new ToolError('INPUT_CUT', 'cut') as unknown as AnyRecord
  await t.rejects(put('store:one:1', [...image, ...other.slice(0, 1), cut]), { code: 'INPUT_CUT' })
  t.same(names('store'), [], 'the stream is cut in the second')
  await put(`oci:${dir}/one:1`, image)
  t.same(names('one'), ['1'], 'one alone')
})

t.test(
  'a registry, and skopeo after us',
  { skip: need('docker-registry', 'skopeo', 'htpasswd') },
  async t => {
    const { dir, writer, put } = lab(t)
    const user = { name: 'me', password: 'se:cret' }
    const { host } = await startRegistry(t, { user })
    const image = writer.image('1', ['one', 'two'])
    await t.rejects(
      put(`${host}/a:1`, image, { env: {} }),
      { code: 'UNAUTHORIZED', status: 1 },
      'no credentials',
    )
    const auths = { [host]: { auth: Buffer.from(`${user.name}:${user.password}`).toString('base64') } }
    fs.writeFileSync(`${dir}/auth.json`, JSON.stringify({ auths }))
    const env = { REGISTRY_AUTH_FILE: `${dir}/auth.json` }
    const out = await put(`${host}/a:1`, image, { env })
    t.match(out.at(-1), { reference: `${host}/a:1`, from: [`docker://${host}/a:1`] })
    const creds = `--creds=${user.name}:${user.password}`
    const seen = execFileSync('skopeo', [
      'inspect',
      '--tls-verify=false',
      creds,
      '--format={{.Digest}}',
      `docker://${host}/a:1`,
    ])
    t.equal(String(seen).trim(), image.at(-1)?.digest)
    const again = image.map(record => ({ ...record, from: [`docker://${host}/a`] }))
    await put(`${host}/b/c:1`, again, { env })
    const index = writer.index('i', [writer.image('x', ['x']), writer.image('y', ['y'])])
    await put(`${host}/index:1`, index, { env })
    const raw = execFileSync('skopeo', [
      'inspect',
      '--raw',
      '--tls-verify=false',
      creds,
      `docker://${host}/index:1`,
    ])
    t.equal(digestOf(raw), index.at(-1)?.digest)
    const pinned = `${host}/d@${digestOf('other')}`
    await t.rejects(
      put(pinned, image, { env }),
      { code: 'DIGEST_MISMATCH' },
      'a place that pins another digest',
    )
  },
)

t.test('a registry that is down', async t => {
  const { writer, put } = lab(t)
  await t.rejects(put('127.0.0.1:1/a:1', writer.image('1', ['x'])), { code: 'ECONNREFUSED', status: 75 })
})

// A file of the same length as the blob, with other bytes.
function same(dir: string, { size }: AnyRecord): string {
  fs.writeFileSync(`${dir}/same`, Buffer.alloc(Number(size), 'x'))
  return `${dir}/same`
}
