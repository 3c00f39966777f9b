// docker-archive: and oci-archive: written, and read back as bytes and as places.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { digestOf, verified } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { readTar } from '@pipelayer/tar'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Archives, openPlace, type PlaceOptions, stdinOf } from '../src/index.js'

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const describe = (mediaType: string, bytes: Buffer): Descriptor => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
})

interface Blob {
  readonly descriptor: Descriptor
  readonly bytes: Buffer
}
interface Image {
  readonly blobs: readonly Blob[]
  readonly children: readonly Blob[]
  readonly root: Blob
}

const blob = (mediaType: string, bytes: Buffer): Blob => ({ descriptor: describe(mediaType, bytes), bytes })

/** An image of one layer. */
function image(
  text: string,
  { layerType = MEDIA_TYPES.ociLayer as string, architecture = 'amd64' } = {},
): Image {
  const tar = Buffer.alloc(1024, text)
  const layer = blob(layerType, layerType.endsWith('gzip') ? zlib.gzipSync(tar) : tar)
  const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] }
  const config = blob(MEDIA_TYPES.ociConfig, json({ os: 'linux', architecture, rootfs }))
  const mediaType = MEDIA_TYPES.ociManifest
  const manifest = { schemaVersion: 2, mediaType, config: config.descriptor, layers: [layer.descriptor] }
  return { blobs: [layer, config], children: [], root: blob(mediaType, json(manifest)) }
}

function indexOf(images: readonly Image[]): Image {
  const children = images.map(({ root }) => root)
  const manifests = children.map(({ descriptor }) => descriptor)
  const bytes = json({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })
  return { blobs: images.flatMap(({ blobs }) => blobs), children, root: blob(MEDIA_TYPES.ociIndex, bytes) }
}

async function put(text: string, { blobs, children, root }: Image, options: Partial<PlaceOptions> = {}) {
  const place = openPlace(text, { store: '/none', ...options })
  try {
    for (const { descriptor, bytes } of blobs)
      if (!(await place.write.hasBlob(descriptor))) await place.write.putBlob(descriptor, () => each([bytes]))
    for (const child of children) await place.write.putManifest(child)
    return await place.write.publish(root)
  } finally {
    await place.close()
  }
}

async function putAll(
  images: readonly (readonly [text: string, image: Image])[],
  options = {},
): Promise<void> {
  const archives = new Archives()
  const indexes = new Map<string, { write(entries: []): unknown }>()
  try {
    for (const [text, one] of images) {
      const { name } = await put(text, one, { run: { ...options, archives } })
      if (name !== undefined) indexes.set(name.index.id, name.index)
    }
    for (const index of indexes.values()) await index.write([])
  } finally {
    await archives.close()
  }
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function contentOf(bytes: Buffer): Promise<Map<string, Buffer>> {
  const found = new Map<string, Buffer>()
  let name = ''
  for await (const event of readTar(each([bytes]))) {
    if (event.type === 'entry') name = event.entry.name
    if (event.type === 'entry') found.set(name, Buffer.alloc(0))
    if (event.type === 'data')
      found.set(name, Buffer.concat([found.get(name) ?? Buffer.alloc(0), event.bytes]))
  }
  return found
}

const blobName = ({ descriptor }: Blob): string => `blobs/sha256/${descriptor.digest.slice(7)}`
const parsed = (content: Map<string, Buffer>, name: string) => JSON.parse(String(content.get(name)))

async function resolved(text: string, options: Partial<PlaceOptions> = {}) {
  const place = openPlace(text, { store: '/none', ...options })
  try {
    const found = await place.read.resolve()
    for (const { digest, size, mediaType } of found.document.kind === 'manifest'
      ? found.document.layers
      : []) {
      for await (const _ of verified(place.read.blob({ digest, size, mediaType }), { digest, size }));
    }
    return found.descriptor.digest
  } finally {
    await place.close()
  }
}

const A = image('a')
const B = image('b', { layerType: `${MEDIA_TYPES.ociLayer}+gzip` })
const ARM = image('arm', { architecture: 'arm64' })
const BOTH = indexOf([A, ARM])

t.test('what a docker-archive holds', async t => {
  const dir = tempDir(t, 'archive')
  const at = (name: string): string => `docker-archive:${dir}/x.tar${name}`
  await putAll([
    [at(':app:1'), BOTH],
    [at(':quay.io/b/b'), B],
    [at(':app:2'), BOTH],
    [at(''), image('none')],
  ])
  const bytes = fs.readFileSync(`${dir}/x.tar`)
  const content = await contentOf(bytes)
  const [layer, config] = A.blobs
  const names = [...content.keys()]
  t.equal(names[0], 'oci-layout')
  t.same(names.slice(-3), ['repositories', 'manifest.json', 'index.json'], 'what names the images comes last')
  t.equal(new Set(names).size, names.length, 'a blob once')
  t.match(parsed(content, 'manifest.json'), [
    {
      Config: config && blobName(config),
      RepoTags: ['docker.io/library/app:1', 'docker.io/library/app:2'],
      Layers: [layer && blobName(layer)],
    },
    { RepoTags: null },
    { RepoTags: ['quay.io/b/b:latest'] },
    { RepoTags: null },
  ])
  t.match(
    parsed(content, 'index.json').manifests,
    [
      {
        digest: BOTH.root.descriptor.digest,
        annotations: {
          'io.containerd.image.name': 'docker.io/library/app:1',
          'org.opencontainers.image.ref.name': '1',
        },
      },
      { annotations: { 'org.opencontainers.image.ref.name': '2' } },
      { annotations: { 'io.containerd.image.name': 'quay.io/b/b:latest' } },
      { annotations: undefined },
    ],
    'of the layout',
  )
  t.same(parsed(content, 'repositories').app, {
    1: layer?.descriptor.digest.slice(7),
    2: layer?.descriptor.digest.slice(7),
  })
  t.same(fs.readdirSync(dir), ['x.tar'], 'no temporary file')

  t.equal(await resolved(at(':app:2')), BOTH.root.descriptor.digest, 'the index is found again')
  t.equal(await resolved(at(':@1')), ARM.root.descriptor.digest, 'and one platform of it by its number')
  t.equal(await resolved(at(':quay.io/b/b')), B.root.descriptor.digest)
  await t.rejects(resolved(at('')), { code: 'REFERENCE_AMBIGUOUS' })
  await t.rejects(resolved(at(':app:3')), { code: 'MANIFEST_UNKNOWN' })
  t.equal(
    await resolved(`oci-archive:${dir}/x.tar:quay.io/b/b:latest`),
    B.root.descriptor.digest,
    'as a layout',
  )
  const place = openPlace(at(':app:1'), { store: '/none' })
  const { digest, size } = ARM.root.descriptor
  t.equal((await place.read.resolve(digest)).descriptor.size, size, 'a child of the index')
  t.equal(await place.read.blobSize?.(digest), size)
  await t.rejects(
    each([place.read.blob({ ...ARM.root.descriptor, digest: digestOf('x') })])
      .next()
      .then(({ value }) => drain(value)),
    { code: 'BLOB_UNKNOWN' },
  )
  await place.close()

  fs.writeFileSync(`${dir}/x.tar`, 'old')
  await put(at(':app:1'), A)
  t.equal(await resolved(at('')), A.root.descriptor.digest, 'a file that is there is replaced')
})

async function drain(source: AsyncIterable<unknown> | undefined): Promise<void> {
  for await (const _ of source ?? []);
}

t.test('what an oci-archive holds', async t => {
  const dir = tempDir(t, 'archive')
  const at = (name: string): string => `oci-archive:${dir}/x.tar${name}`
  const zstd = image('z', { layerType: `${MEDIA_TYPES.ociLayer}+zstd` })
  await putAll([
    [at(':app:1'), BOTH],
    [at(':two'), B],
    [at(''), zstd],
    [at(':again'), B],
  ])
  const content = await contentOf(fs.readFileSync(`${dir}/x.tar`))
  t.notOk(content.has('manifest.json'))
  t.equal([...content.keys()].at(-1), 'index.json')
  t.same(
    parsed(content, 'index.json').manifests.map((one: { annotations?: object }) =>
      Object.values(one.annotations ?? {}),
    ),
    [['app:1'], ['two'], ['again'], []],
  )
  for (const [name, digest, why] of [
    [':app:1', BOTH.root.descriptor.digest, 'a name'],
    [':two', B.root.descriptor.digest, 'another one'],
    [':@3', zstd.root.descriptor.digest, 'a number'],
    [`:@${ARM.root.descriptor.digest}`, ARM.root.descriptor.digest, 'a digest'],
    [`:${B.root.descriptor.digest}`, B.root.descriptor.digest, 'a digest as a name'],
  ] as const)
    t.equal(await resolved(at(name)), digest, why)
  for (const [name, code] of [
    ['', 'REFERENCE_AMBIGUOUS'],
    [':none', 'MANIFEST_UNKNOWN'],
    [':@9', 'MANIFEST_UNKNOWN'],
    [`:@${digestOf('x')}`, 'MANIFEST_UNKNOWN'],
  ] as const)
    await t.rejects(resolved(at(name)), { code }, name)
  await put(`oci-archive:${dir}/one.tar:a/b:1`, A)
  for (const [file, code] of [
    [zlib.gzipSync(fs.readFileSync(`${dir}/one.tar`)), undefined],
    [zlib.gzipSync(fs.readFileSync(`${dir}/one.tar`)).subarray(0, 400), 'COMPRESSION_INVALID'],
    [Buffer.from('BZh91AY&SY'), 'COMPRESSION_UNSUPPORTED'],
  ] as const) {
    fs.writeFileSync(`${dir}/packed`, file)
    const read = resolved(`oci-archive:${dir}/packed`)
    if (code !== undefined) await t.rejects(read, { code })
    else t.equal(await read, A.root.descriptor.digest, 'a compressed archive')
  }
})

t.test('a name that pins another digest', async t => {
  const dir = tempDir(t, 'archive')
  const pin = (digest: string): string => `oci-archive:${dir}/x.tar:docker.io/library/app@${digest}`
  await putAll([
    [pin(BOTH.root.descriptor.digest), BOTH],
    [pin(digestOf('other')), B],
  ])
  t.equal(await resolved(pin(BOTH.root.descriptor.digest)), BOTH.root.descriptor.digest)
  await t.rejects(resolved(pin(digestOf('other'))), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(put(`docker-archive:${dir}/y.tar:app@${digestOf('x')}`, A), { code: 'PLACE_INVALID' })
  await t.rejects(put(`docker-archive:${dir}/y.tar:A B`, A), { code: 'REFERENCE_INVALID' })
  for (const name of ['@0', `@${digestOf('x')}`, 'a b', '..'])
    await t.rejects(put(`oci-archive:${dir}/y.tar:${name}`, A), { code: 'PLACE_INVALID' }, name)
  t.notOk(fs.existsSync(`${dir}/y.tar`))
})

t.test('the same images give the same bytes, to a file and to stdout', async t => {
  const dir = tempDir(t, 'archive')
  for (const kind of ['docker-archive', 'oci-archive']) {
    const chunks: Buffer[] = []
    const stdout = async (chunk: Buffer): Promise<void> => void chunks.push(chunk)
    await putAll([[`${kind}:${dir}/a.tar:app:1`, BOTH]])
    await putAll([[`${kind}:${dir}/b.tar:app:1`, BOTH]])
    await putAll([[`${kind}:-:app:1`, BOTH]], { stdout })
    const bytes = fs.readFileSync(`${dir}/a.tar`)
    t.ok(bytes.equals(fs.readFileSync(`${dir}/b.tar`)), kind)
    t.ok(bytes.equals(Buffer.concat(chunks)), `${kind} on stdout`)
    const stdin = stdinOf({ stdin: each([bytes]) })
    t.equal(await resolved(`${kind}:-`, { run: { stdin } }), BOTH.root.descriptor.digest, 'read from stdin')
    await t.rejects(
      resolved(`${kind}:-`, { run: { stdin } }),
      { code: 'PLACE_INVALID' },
      'which is read once',
    )
    await t.rejects(resolved(`${kind}:-`), { code: 'PLACE_INVALID' }, 'a program without stdin')
    await t.rejects(put(`${kind}:-`, A), { code: 'PLACE_INVALID' }, 'or stdout')
    const packed = stdinOf({ stdin: each([zlib.gzipSync(bytes)]) })
    t.equal(
      await resolved(`${kind}:-`, { run: { stdin: packed } }),
      BOTH.root.descriptor.digest,
      'compressed',
    )
  }
})

t.test('what Docker could not load is refused, and no file appears', async t => {
  const dir = tempDir(t, 'archive')
  const at = `docker-archive:${dir}/x.tar:a`
  const zstd = image('z', { layerType: `${MEDIA_TYPES.ociLayer}+zstd` })
  await t.rejects(put(at, zstd), { code: 'LAYER_UNSUPPORTED', message: /oci-archive:/ })
  const artifact = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: describe('application/x', json({})),
    layers: [],
  }
  const root = blob(MEDIA_TYPES.ociManifest, json(artifact))
  await t.rejects(put(at, { blobs: [], children: [], root }), { code: 'MEDIA_TYPE_UNSUPPORTED' })
  const statement = blob('application/vnd.in-toto+json', json({}))
  const [, config] = A.blobs
  const attestation = { ...artifact, config: config?.descriptor, layers: [statement.descriptor] }
  const about: Image = {
    blobs: [statement],
    children: [],
    root: blob(MEDIA_TYPES.ociManifest, json(attestation)),
  }
  await put(at, indexOf([about, A]))
  const content = await contentOf(fs.readFileSync(`${dir}/x.tar`))
  t.match(
    parsed(content, 'manifest.json'),
    [{ RepoTags: ['docker.io/library/a:latest'] }],
    'an attestation is no image',
  )
  t.equal(parsed(content, 'manifest.json').length, 1)
  t.ok(content.has(blobName(statement)), 'but stays in the layout')
})

t.test('an archive that is not finished leaves nothing', async t => {
  const dir = tempDir(t, 'archive')
  for (const kind of ['docker-archive', 'oci-archive']) {
    const at = `${kind}:${dir}/x.tar:a`
    fs.writeFileSync(`${dir}/x.tar`, 'old')
    const [layer] = A.blobs
    const wrong = {
      ...A,
      blobs: [{ descriptor: layer?.descriptor ?? A.root.descriptor, bytes: Buffer.alloc(1024, 'x') }],
    }
    await t.rejects(put(at, wrong), { code: 'DIGEST_MISMATCH' }, 'a wrong blob')
    await t.rejects(
      put(at, {
        ...A,
        blobs: [
          ...A.blobs,
          ...wrong.blobs,
          { ...wrong.blobs[0], descriptor: describe('application/x', Buffer.from('y')) } as Blob,
        ],
      }),
      { code: 'SIZE_MISMATCH' },
    )
    const archives = new Archives()
    await put(at, A, { run: { archives } })
    t.equal(fs.readdirSync(dir).length, 2, 'a temporary file beside it')
    await archives.close()
    await archives.close()
    t.same(fs.readdirSync(dir), ['x.tar'])
    t.equal(fs.readFileSync(`${dir}/x.tar`, 'utf8'), 'old', 'the old file is whole')
  }
})

t.test('files that cannot be written', async t => {
  const dir = tempDir(t, 'archive')
  fs.mkdirSync(`${dir}/folder`)
  fs.symlinkSync('real.tar', `${dir}/link.tar`)
  fs.writeFileSync(`${dir}/real.tar`, '')
  fs.writeFileSync(`${dir}/.pipelayer-archive.x`, 'somebody else')
  for (const [file, code] of [
    [`${dir}/folder`, 'FILE_INVALID'],
    ['/dev/null', 'FILE_INVALID'],
    [`${dir}/none/x.tar`, 'ENOENT'],
    [`${dir}/real.tar/x.tar`, 'ENOTDIR'],
    [path.join(dir, 'x'.repeat(300)), 'ENAMETOOLONG'],
  ] as const)
    await t.rejects(put(`docker-archive:${file}:a`, A), { code }, file)
  await put(`docker-archive:${dir}/link.tar:a`, A)
  t.ok(fs.lstatSync(`${dir}/link.tar`).isSymbolicLink(), 'a symlink stays')
  t.ok(fs.statSync(`${dir}/real.tar`).size > 0, 'and its target is written')
  t.same(fs.readdirSync(dir).sort(), ['.pipelayer-archive.x', 'folder', 'link.tar', 'real.tar'])
})

t.test('an archive of which manifest.json and index.json disagree', async t => {
  const dir = tempDir(t, 'archive')
  await put(`docker-archive:${dir}/x.tar:a`, A)
  const bytes = fs.readFileSync(`${dir}/x.tar`)
  const name = Buffer.from(A.root.descriptor.digest)
  const other = Buffer.from(digestOf('other'))
  const at = bytes.lastIndexOf(name)
  other.copy(bytes, at)
  fs.writeFileSync(`${dir}/y.tar`, bytes)
  const digest = await resolved(`docker-archive:${dir}/y.tar`)
  t.not(digest, digestOf('other'), 'the manifest is made from manifest.json')
  for (const size of [bytes.length - 4096, 2048, 700]) {
    fs.writeFileSync(`${dir}/z.tar`, bytes.subarray(0, size))
    for (const kind of ['docker-archive', 'oci-archive'])
      await t.rejects(
        resolved(`${kind}:${dir}/z.tar`),
        { code: /^(?:ARCHIVE_INVALID|TAR_TRUNCATED)$/ },
        `${kind}, cut`,
      )
  }
})
