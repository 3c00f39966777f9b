import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { digestOf } from '@pipelayer/digest'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, type Scope, startRegistry, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgPullOptions, imgPull } from '../src/index.js'
import { ImageWriter } from './images.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }
const RETRY = { tries: 2, baseMs: 1, maxMs: 2 }

async function* stream(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord> {
  yield* records
}

interface Lab {
  readonly writer: ImageWriter
  readonly store: string
  /** The place of an image in the layout. */
  at(name: string): string
  pull(
    references: string | string[],
    more?: Partial<ImgPullOptions>,
    input?: AnyRecord[],
  ): Promise<AnyRecord[]>
  names(): string[]
}

function lab(t: Scope): Lab {
  const dir = tempDir(t, 'pull')
  const store = `${dir}/store`
  return {
    writer: new ImageWriter(`${dir}/layout`),
    store,
    at: name => `oci:${dir}/layout:${name}`,
    pull: async (references, more = {}, input = []) => {
      const options = {
        references: typeof references === 'string' ? [references] : references,
        machine: AMD64,
        store,
        registries: { retry: RETRY },
        ...more,
      }
      const records = await collect(imgPull(stream(input), options))
      for (const record of records) checkRecord(record)
      return records
    },
    names: () =>
      Store.open(store)
        .index()
        .manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name'] ?? ''),
  }
}

t.test('an image becomes records, base layer first', async t => {
  const { writer, pull, at, store } = lab(t)
  const image = writer.image(['base', 'top', 'base'])
  writer.tag(image, '1')
  const records = await pull(at('1'))
  t.same(
    records.map(({ type }) => type),
    ['layer', 'layer', 'layer', 'config', 'manifest'],
  )
  t.match(records, [
    { diffID: digestOf('base'), createdBy: 'step 0', created: '2023-01-01T00:00:00Z' },
    { diffID: digestOf('top'), createdBy: 'step 1' },
    { diffID: digestOf('base'), createdBy: 'step 2' },
    { config: { unknown: { kept: true } } },
    { root: true, digest: image.digest, size: image.size, platform: AMD64 },
  ])
  t.same(new Set(records.map(({ image }) => image)).size, 1, 'one key')
  for (const { digest, path, size, from } of records) {
    t.equal(path, Store.open(store).blobPath(String(digest)))
    t.equal(fs.statSync(String(path)).size, size)
    t.match(from, [/^oci:\//])
  }
})

t.test('names in the store', async t => {
  const { writer, pull, at, names } = lab(t)
  writer.tag(writer.image(['x']), 'h.example/a:1')
  await pull(at('h.example/a:1'))
  t.same(names(), [], 'a layout does not tell a reference')
  const { host } = await serveLayout(t, writer, 'h.example/a:1')
  await pull(`${host}/a:1`, { noTag: true })
  t.same(names(), [], '--no-tag')
  const records = await pull(`${host}/a:1`)
  t.same(names(), [`${host}/a:1`])
  t.match(records.at(-1), { root: true, reference: `${host}/a:1` })
  const again = await pull(`store:${host}/a:1`)
  t.equal(again.at(-1)?.digest, records.at(-1)?.digest, 'and read back from it')
  t.notOk(again.at(-1)?.from, 'the path says where it is')
})

t.test('a registry cannot give what the store has', async t => {
  const { writer, pull, at, store } = lab(t)
  const image = writer.image(['x'])
  writer.tag(image, '1')
  await pull(at('1'))
  const name = '127.0.0.1:1/hello:1'
  Store.open(store).tag({ ...image }, name)
  const rows: readonly [reference: string, isHere: boolean, why: string][] = [
    [name, true, 'the name that nobody serves'],
    [`docker://${name}`, true, 'written as a place'],
    ['127.0.0.1:1/hello:2', false, 'another tag'],
  ]
  for (const [reference, isHere, why] of rows) {
    const said: string[] = []
    const warn = (message: string): number => said.push(message)
    const hint = isHere ? `store:${name} is here` : undefined
    const error = await pull(reference, { warn }).catch((reason: Error) => reason)
    t.match(
      error,
      { status: 75, message: isHere ? new RegExp(`; ${hint}$`) : /ECONNREFUSED 127.0.0.1:1$/ },
      why,
    )
    t.same(said.slice(1), isHere ? [hint] : [], `${why}: said after the first try, once`)
  }
  const [first, second] = await pull([name, at('1')])
  t.match([first, second], [{ type: 'failed', message: /is here$/ }, { type: 'layer' }], 'one of several')
  const elsewhere = await pull(name, { store: `${store}2` }).catch((reason: Error) => reason)
  t.match(elsewhere, { message: /ECONNREFUSED 127.0.0.1:1$/ }, 'a store that does not have it')
})

t.test('a digest of the store needs no entry in its index', async t => {
  const { writer, pull, at } = lab(t)
  const image = writer.image(['x'])
  writer.tag(image, '1')
  const [layer] = await pull(at('1'), { noTag: true })
  t.match((await pull(`store:${image.digest}`)).at(-1), { root: true, digest: image.digest })
  const missing = `store:${digestOf('missing')}`
  await t.rejects(pull(missing), { code: 'MANIFEST_UNKNOWN', message: /no image sha256:\w+ in store/ })
  await t.rejects(pull(`store:${layer?.digest}`), { code: 'MANIFEST_INVALID' }, 'a layer is no image')
})

t.test('what is in the store is not fetched again', async t => {
  const { writer, pull } = lab(t)
  writer.tag(writer.image(['x', 'y']), 'a:1')
  const { host, seen } = await serveLayout(t, writer, 'a:1')
  await pull(`${host}/a:1`)
  t.equal(seen.filter(url => url.includes('/blobs/')).length, 3)
  await pull(`${host}/a:1`)
  t.equal(seen.filter(url => url.includes('/blobs/')).length, 3)
})

t.test('platforms', async t => {
  const { writer, pull, at } = lab(t)
  const [amd, arm] = [writer.image(['amd']), writer.image(['arm'], { architecture: 'arm64' })]
  const entries = [
    { ...arm, platform: { os: 'linux', architecture: 'arm64' } },
    { ...amd, platform: AMD64 },
    { ...writer.image(['sbom']), platform: { os: 'unknown', architecture: 'unknown' } },
  ]
  writer.tag(writer.index(entries), '1')
  writer.tag(writer.index([{ ...writer.index(entries), platform: AMD64 }]), 'nested')
  t.match((await pull(at('1'))).at(-1), { type: 'manifest', root: true, digest: amd.digest })
  t.match((await pull(at('1'), { platforms: ['linux/arm64'] })).at(-1), {
    digest: arm.digest,
  })
  t.match((await pull(at('nested'))).at(-1), { digest: amd.digest }, 'an index in an index')
  await t.rejects(pull(at('1'), { platforms: ['plan9/mips'] }), {
    code: 'PLATFORM_NOT_FOUND',
  })
  await t.rejects(pull(at('1'), { platforms: ['a/b/c/d'] }), { code: 'PLATFORM_INVALID', status: 2 })
  const byRecord = await pull(['-'], {}, [{ type: 'reference', reference: at('1'), platform: 'linux/arm64' }])
  t.match(byRecord.at(-1), { digest: arm.digest }, 'the record says which')
})

t.test('a whole index', async t => {
  const { writer, pull, at } = lab(t)
  const index = writer.index([
    { ...writer.image(['amd']), platform: AMD64 },
    { ...writer.image(['arm']), platform: { os: 'linux', architecture: 'arm64' } },
    writer.blob('application/x', Buffer.from('of another kind')),
  ])
  writer.tag(index, '1')
  const records = await pull(at('1'), { allPlatforms: true })
  const root = records.at(-1)
  t.match(root, { type: 'index', root: true, digest: index.digest })
  t.same(
    records.map(({ type }) => type),
    ['layer', 'config', 'manifest', 'layer', 'config', 'manifest', 'blob', 'index'],
    'children before their index',
  )
  for (const record of records.slice(0, -1)) t.equal(record.partOf, root?.image)
  t.equal(new Set(records.map(({ image }) => image)).size, 4, 'a key for each')
  t.same(records.filter(record => record.root).length, 1)
})

t.test('an artifact', async t => {
  const { writer, pull, at } = lab(t)
  const config = writer.blob(MEDIA_TYPES.ociEmpty, {})
  writer.tag(writer.manifest(config, [writer.blob('text/plain', Buffer.from('hello'))]), '1')
  const records = await pull(at('1'))
  t.same(
    records.map(({ type, mediaType }) => [type, mediaType]),
    [
      ['blob', 'text/plain'],
      ['blob', MEDIA_TYPES.ociEmpty],
      ['manifest', MEDIA_TYPES.ociManifest],
    ],
  )
})

t.test('several references, one of them bad', async t => {
  const { writer, pull, at } = lab(t)
  writer.tag(writer.image(['x']), '1')
  const records = await pull([at('1'), at('none'), at('1')])
  t.same(
    records.map(({ type }) => type),
    ['layer', 'config', 'manifest', 'failed', 'layer', 'config', 'manifest'],
  )
  t.match(records[3], { tool: 'img-pull', code: 'MANIFEST_UNKNOWN', item: { reference: at('none') } })
  t.equal(new Set(records.map(({ image }) => image)).size, 3, 'each has a key of its own')
})

t.test('references from stdin, other records pass', async t => {
  const { writer, pull, at } = lab(t)
  writer.tag(writer.image(['x']), '1')
  const input = [
    { type: 'note', text: 'x' },
    { type: 'reference', reference: at('1') },
  ]
  const records = await pull(['-'], {}, input)
  t.same(
    records.map(({ type }) => type),
    ['note', 'layer', 'config', 'manifest'],
  )
  t.match(
    await pull(['-'], {}, [{ type: 'reference', reference: at('none') }]),
    [{ type: 'failed' }],
    'never fatal',
  )
})

t.test("OCI's name for a type, and Docker's", async t => {
  const { writer, pull, at } = lab(t)
  const image = writer.image(['x'])
  writer.tag(writer.index([{ ...image, mediaType: MEDIA_TYPES.dockerManifest, platform: AMD64 }]), '1')
  for (const allPlatforms of [false, true]) {
    const told: (string | undefined)[] = []
    const warn = (_message: string, code?: string): void => void told.push(code)
    const records = await pull(at('1'), { allPlatforms, warn })
    t.match(
      records.filter(({ type }) => type === 'manifest'),
      [{ mediaType: MEDIA_TYPES.ociManifest }],
    )
    t.same(told, ['MEDIA_TYPE_MISMATCH'], 'the image is read as what it says it is')
  }
})

t.test('images that are refused', async t => {
  const { writer, pull, at, names, store } = lab(t)
  const good = writer.image(['x'])
  const broken = writer.image(['y'])
  const { layers, config } = JSON.parse(String(writer.layout.readBlob(broken.digest)))
  const file = writer.layout.blobPath(layers[0].digest)
  fs.chmodSync(file, 0o644)
  fs.writeFileSync(file, Buffer.alloc(layers[0].size))
  const rows: readonly [descriptor: Parameters<ImageWriter['tag']>[0], code: string, why: string][] = [
    [broken, 'DIGEST_MISMATCH', 'a layer of other bytes'],
    [writer.manifest(config, [{ ...layers[0], size: 7 }]), 'SIZE_MISMATCH', 'a layer of another size'],
    [writer.manifest(config, []), 'CONFIG_INVALID', 'fewer layers than diff_ids'],
    [
      writer.manifest(config, [{ ...layers[0], digest: digestOf('gone') }]),
      'BLOB_UNKNOWN',
      'a layer that is not there',
    ],
    [
      writer.manifest(config, [{ ...layers[0], digest: 'blake3:abc' }]),
      'DIGEST_UNSUPPORTED',
      'a digest we cannot check',
    ],
    [writer.manifest(writer.blob(MEDIA_TYPES.ociConfig, []), []), 'CONFIG_INVALID', 'a config that is none'],
    [
      writer.manifest(writer.blob(MEDIA_TYPES.ociConfig, Buffer.alloc(5_000_000)), []),
      'DOCUMENT_TOO_LARGE',
      'a huge config',
    ],
    [
      writer.index([{ ...good, size: good.size + 1, platform: AMD64 }]),
      'SIZE_MISMATCH',
      'an index that is wrong about a size',
    ],
    [
      writer.index([{ ...good, mediaType: MEDIA_TYPES.ociIndex, platform: AMD64 }]),
      'MEDIA_TYPE_MISMATCH',
      'an index that takes a manifest for an index',
    ],
    [writer.index([]), 'PLATFORM_NOT_FOUND', 'an empty index'],
    [deep(writer, 8), 'MANIFEST_INVALID', 'indexes without end'],
  ]
  for (const [descriptor, code, why] of rows) {
    writer.tag(descriptor, 'bad')
    await t.rejects(pull(at('bad')), { code, status: 1 }, why)
    await t.resolves(
      pull(at('bad')).catch(() => undefined),
      `again: ${why}`,
    )
  }
  t.same(names(), [], 'nothing has a name')
  t.same(
    fs.readdirSync(`${store}/blobs`).filter(name => name.startsWith('.')),
    [],
    'nothing half is left',
  )
  writer.tag(deep(writer, 8), 'bad')
  await t.rejects(pull(at('bad'), { allPlatforms: true }), { code: 'MANIFEST_INVALID' }, 'nor as a whole')
})

t.test(
  'the tool of the machine next door: skopeo',
  { skip: need('docker-registry', 'skopeo', 'htpasswd') },
  async t => {
    const { writer, pull, store } = lab(t)
    const user = { name: 'me', password: 'se:cret' }
    const { host } = await startRegistry(t, { user })
    const image = writer.image(['one', 'two'])
    writer.tag(image, '1')
    const creds = `--dest-creds=${user.name}:${user.password}`
    const target = `docker://${host}/team/app:1`
    const source = `oci:${writer.layout.root}:1`
    execFileSync('skopeo', ['copy', '--quiet', '--dest-tls-verify=false', creds, source, target])
    await t.rejects(pull(target, { env: {} }), { code: 'UNAUTHORIZED', status: 1 }, 'without credentials')
    const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64')
    fs.writeFileSync(`${store}/auth.json`, JSON.stringify({ auths: { [`${host}/team`]: { auth } } }))
    const records = await pull(target, { env: { REGISTRY_AUTH_FILE: `${store}/auth.json` } })
    t.equal(records.at(-1)?.digest, image.digest, 'what was pushed')
    t.equal(records.at(-1)?.reference, `${host}/team/app:1`)
  },
)

t.test('a registry that sends half a blob', async t => {
  const { writer, pull, names, store } = lab(t)
  writer.tag(writer.image(['x'.repeat(1000)]), 'a:1')
  const { host } = await serveLayout(t, writer, 'a:1', 0.5)
  await t.rejects(pull(`${host}/a:1`), { code: 'CONNECTION_LOST', status: 75 })
  t.same(names(), [])
  t.same(
    fs.readdirSync(`${store}/blobs`).filter(name => name.startsWith('.')),
    [],
  )
})

function deep(writer: ImageWriter, levels: number): ReturnType<ImageWriter['index']> {
  let descriptor = writer.image(['deep'])
  for (let level = 0; level < levels; level++) descriptor = writer.index([{ ...descriptor, platform: AMD64 }])
  return descriptor
}

// Serves one image of a layout; if asked to, only the first part of its blobs.
async function serveLayout(
  t: Scope,
  { layout }: ImageWriter,
  name: string,
  part = 1,
): Promise<{ host: string; seen: string[] }> {
  const seen: string[] = []
  const [entry] = layout.resolve(name)
  const server = http.createServer(({ url = '' }, response) => {
    seen.push(url)
    const [, kind, digest = ''] = /\/(manifests|blobs)\/(.*)$/.exec(url) ?? []
    const bytes = layout.readBlob(kind === 'blobs' ? digest : (entry?.digest ?? ''))
    response.writeHead(200, { 'content-length': bytes.length, 'content-type': entry?.mediaType })
    if (kind !== 'blobs' || part === 1) response.end(bytes)
    else response.write(bytes.subarray(0, bytes.length * part), () => response.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
