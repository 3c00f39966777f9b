import fs from 'node:fs'
import path from 'node:path'
import { archiveContent, archiveName } from '@pipelayer/archives'
import { digestOf } from '@pipelayer/digest'
import type { AnyRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { readTar } from '@pipelayer/tar'
import { RecordWriter, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { imgExport } from '../src/index.js'

interface Lab {
  readonly store: string
  readonly writer: RecordWriter
  /** The bytes of the archive, and the error that the export threw after them. */
  export(records: readonly AnyRecord[]): Promise<{ readonly bytes: Buffer; readonly error: unknown }>
  /** The content of each entry by its name, in order. */
  entries(records: readonly AnyRecord[]): Promise<Map<string, string>>
}

function lab(t: Scope): Lab {
  const store = path.join(tempDir(t, 'export'), 'store')
  Store.open(store)
  const run: Lab['export'] = async records => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of imgExport(each(records), { store })) chunks.push(Buffer.from(chunk))
    } catch (error) {
      return { bytes: Buffer.concat(chunks), error }
    }
    return { bytes: Buffer.concat(chunks), error: undefined }
  }
  return {
    store,
    writer: new RecordWriter(path.join(store, 'blobs/sha256')),
    export: run,
    entries: async records => {
      const { bytes, error } = await run(records)
      if (error !== undefined) throw error
      return contentOf(bytes)
    },
  }
}

async function contentOf(bytes: Buffer): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  let name = ''
  for await (const event of readTar(once(bytes))) {
    if (event.type === 'entry') name = event.entry.name
    if (event.type === 'entry') found.set(name, '')
    if (event.type === 'data') found.set(name, `${found.get(name)}${event.bytes.toString()}`)
  }
  return found
}

const NAME = 'docker.io/library/app:1'

t.test('what an archive holds', async t => {
  const { writer, entries } = lab(t)
  const image = writer.image('1', ['lower', 'upper'], NAME)
  const [lower, upper, config, manifest] = image.map(({ digest }) => archiveName(String(digest)))
  const of = (index: number): string => String(image[index]?.digest)
  const have = (index: number, more: object = {}): AnyRecord => {
    return { type: 'have', digest: of(index), size: Number(image[index]?.size), ...more }
  }
  const want = (index: number, more: object = {}): AnyRecord => ({ ...image[index], type: 'want', ...more })
  const rest = archiveName(of(1), 2)
  const rows: readonly { before: AnyRecord[]; names: (string | undefined)[]; why: string }[] = [
    { before: [], names: [lower, upper, config, manifest], why: 'everything' },
    { before: [have(0)], names: [upper, config, manifest], why: 'not what the reader has' },
    {
      before: [have(0, { size: 1 })],
      names: [lower, upper, config, manifest],
      why: 'another size is another blob',
    },
    {
      before: [0, 1, 2, 3].map(index => have(index)),
      names: [manifest],
      why: 'the manifest always: it is what is named',
    },
    { before: [want(3)], names: [manifest], why: 'only what is wanted' },
    { before: [want(1), want(3)], names: [upper, manifest], why: 'only what is wanted, one of two layers' },
    { before: [want(1, { offset: 2 })], names: [rest, manifest], why: 'the rest of a blob' },
    {
      before: [have(1, { size: 2, partial: true })],
      names: [lower, rest, config, manifest],
      why: 'the rest, by have',
    },
    { before: [want(1, { offset: 5 })], names: [upper, manifest], why: 'no rest: it would be empty' },
    {
      before: [{ type: 'x' }],
      names: [lower, upper, config, manifest],
      why: 'unknown records are no matter',
    },
  ]
  for (const { before, names, why } of rows) {
    const found = await entries([...before, ...image])
    t.same([...found.keys()], ['oci-layout', ...names, 'index.json'], why)
    for (const [name, content] of found) {
      const { kind, ...blob } = archiveContent(name)
      if (kind === 'blob' && 'offset' in blob && blob.offset === 0) t.equal(digestOf(content), blob.digest)
    }
    t.equal(found.get(rest) ?? 'per', 'per', 'a rest begins where it says')
  }
})

t.test('the index', async t => {
  const { writer, entries } = lab(t)
  const first = writer.image('1', ['one', 'shared'], NAME)
  const second = writer.image('2', ['shared', 'two'])
  const found = await entries([...first, ...second])
  const { manifests } = JSON.parse(found.get('index.json') ?? '')
  t.match(manifests, [
    { digest: first.at(-1)?.digest, annotations: { 'org.opencontainers.image.ref.name': NAME } },
    { digest: second.at(-1)?.digest },
  ])
  t.equal(manifests[1].annotations, undefined, 'an image without a name has none there')
  t.equal([...found.keys()].filter(name => name === archiveName(digestOf('shared'))).length, 1, 'a blob once')
  t.equal([...found.keys()].at(-1), 'index.json', 'comes last')

  const many = writer.index('3', [writer.image('3.1', ['amd']), writer.image('3.2', ['arm'])])
  const names = [...(await entries(many)).keys()]
  for (const { digest } of many) t.ok(names.includes(archiveName(String(digest))), 'all of an index')
})

t.test('further names', async t => {
  const { writer, store } = lab(t)
  const run = async (records: readonly AnyRecord[], additionalTags: readonly string[]): Promise<unknown> => {
    const chunks: Buffer[] = []
    for await (const chunk of imgExport(each(records), { store, additionalTags })) chunks.push(chunk)
    const { manifests } = JSON.parse((await contentOf(Buffer.concat(chunks))).get('index.json') ?? '')
    return manifests.map(({ digest, annotations }: AnyRecord) => [
      digest,
      Object.values(annotations ?? {})[0],
    ])
  }
  const image = writer.image('1', ['layer'], NAME)
  const digest = image.at(-1)?.digest
  const other = 'docker.io/library/app:2'
  const named = (...names: readonly unknown[]): unknown => names.map(name => [digest, name])
  t.same(await run(image, ['app:2', 'app:1', 'h.x/y']), named(NAME, other, 'h.x/y:latest'), 'each once')
  t.same(await run(writer.image('1', ['layer']), ['app:2']), named(other), 'of an image without a name')
  const signature = writer.image('2', ['signature'])
  const root = { ...signature.at(-1), subject: digest } as AnyRecord
  const both = await run([...image, ...signature.slice(0, -1), root], ['app:2'])
  t.same(both, [...(named(NAME, other) as []), [root.digest, undefined]], 'not of what refers to it')
  await t.rejects(run([...image, ...writer.image('2', ['b'])], ['app:2']), { code: 'TAG_AMBIGUOUS' })
  await t.rejects(run(image, ['A B']), { code: 'REFERENCE_INVALID', status: 2 })
})

t.test('a reference pinned by digest', async t => {
  const { writer, entries, export: run, store } = lab(t)
  const image = writer.image('1', ['layer'])
  const named = (digest: string): AnyRecord[] => [
    ...image.slice(0, -1),
    { ...image.at(-1), reference: `h.example/app@${digest}` } as AnyRecord,
  ]
  const digest = String(image.at(-1)?.digest)
  t.ok((await entries(named(digest))).has('index.json'), 'its own digest')
  const { bytes, error } = await run(named(digestOf('other')))
  t.match(error, { code: 'DIGEST_MISMATCH' }, 'the digest of something else')
  t.notMatch(bytes.toString(), /index\.json/, 'no index')
  const index = Store.open(store).blobPath(String(writer.index('i', [image]).at(-1)?.digest))
  const pin = digestOf(fs.readFileSync(index))
  t.ok((await entries(named(pin))).has(archiveName(pin)), 'the index that proves the name goes along')
})

t.test('the same images give the same bytes', async t => {
  const [one, two] = [lab(t), lab(t)]
  const bytes = await Promise.all(
    [one, two].map(async each => (await each.export(each.writer.image('1', ['layer'], NAME))).bytes),
  )
  t.ok(bytes[0]?.equals(bytes[1] as Buffer))
})

t.test('what cannot be exported', async t => {
  const { store, writer, export: run } = lab(t)
  const image = writer.image('1', ['lower', 'upper'], NAME)
  const [layer, , config] = image as [AnyRecord, AnyRecord, AnyRecord]
  fs.writeFileSync(path.join(store, 'secret'), 'lower')
  const elsewhere = { ...layer, digest: digestOf('never stored'), path: path.join(store, 'secret') }
  const rows: readonly { records: AnyRecord[]; code: string; why: string }[] = [
    { records: [], code: 'IMAGE_MISSING', why: 'nothing came' },
    { records: image.slice(0, -1), code: 'IMAGE_INCOMPLETE', why: 'no root came' },
    { records: image.slice(1), code: 'BLOB_MISSING', why: 'a filter dropped a layer' },
    { records: [elsewhere, ...image.slice(1)], code: 'BLOB_MISSING', why: 'nor is another one a stand-in' },
    {
      records: image.map(record => (record === config ? { ...record, config: { edited: true } } : record)),
      code: 'CONFIG_EDITED',
      why: 'an edit that would be lost',
    },
    {
      records: [{ type: 'failed', tool: 'x', code: 'X', message: 'no such image', image: '1' }],
      code: 'IMAGES_FAILED',
      why: 'the only image failed above',
    },
  ]
  for (const { records, code, why } of rows) {
    const { bytes, error } = await run(records)
    t.match(error, { code }, why)
    t.notOk(bytes.includes('index.json'), 'no index')
  }

  const other = writer.image('2', ['other'])
  const { bytes, error } = await run([...image.slice(1), ...other])
  t.match(error, { code: 'IMAGES_FAILED', message: /^1 of 2 images/ }, 'one of several costs itself only')
  const { manifests } = JSON.parse((await contentOf(bytes)).get('index.json') ?? '')
  t.match(manifests, [{ digest: other.at(-1)?.digest }])

  fs.writeFileSync(String(layer.path), 'lowed')
  const damaged = await run(image)
  t.match(damaged.error, { code: 'DIGEST_MISMATCH' }, 'a blob that rotted on the disk')
  t.notOk(damaged.bytes.includes('index.json'), 'no index')
})

t.test('paths of records are not believed: they may come from another machine', async t => {
  const { writer, store, export: run } = lab(t)
  const dir = tempDir(t, 'elsewhere')
  const image = new RecordWriter(dir).image('1', ['a file of the user'], NAME)
  t.ok(fs.existsSync(String(image[0]?.path)))
  const { bytes, error } = await run(image)
  t.match(error, { code: 'BLOB_MISSING' })
  t.notOk(bytes.includes('a file of the user'))
  const own = writer.image('1', ['a file of the user'], NAME)
  const led = own.map(record => ({ ...record, path: path.join(dir, 'nowhere') }))
  t.equal((await run(led)).error, undefined, 'the digest decides')
  await t.rejects(drain(imgExport(each(own), { store: `${store}/none` })), { code: 'LAYOUT_MISSING' })
})

async function drain(bytes: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of bytes);
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  yield bytes
}
