// docker-daemon: with an engine that keeps what it is given, and with engines that lie.
import fs from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { digestOf } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'
import { RecordWriter, type Scope, serveSocket, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Archives, openPlace, type Place, type PlaceOptions, parsePlace } from '../src/index.js'

type Blob = Descriptor & AnyRecord & { readonly path: string }

interface FakeEngine {
  readonly env: { readonly DOCKER_HOST: string }
  readonly asked: readonly string[]
  /** The archive that was loaded last, and is given for every image. */
  archive: Buffer
}

const NAMES = ['Loaded image: app:1', 'Loaded image: h.example/b:2']

/** An engine that says these lines about each archive that it is given. */
async function engine(t: Scope, lines: readonly string[] = NAMES): Promise<FakeEngine> {
  const state = { archive: Buffer.alloc(0) }
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { url = '' } = request
    if (url === '/_ping') response.setHeader('API-Version', '1.41').end()
    else if (url.startsWith('/v1.41/images/load')) {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        state.archive = Buffer.concat(chunks)
        response.end(lines.map(stream => `${JSON.stringify({ stream })}\n`).join(''))
      })
    } else if (url.endsWith('/get') && !url.includes('none')) response.end(state.archive)
    else response.writeHead(404).end('{"message":"no such image"}')
  }
  const { url, asked } = await serveSocket(t, answer)
  return Object.assign(state, { env: { DOCKER_HOST: url }, asked })
}

function open(text: string, { env }: Pick<FakeEngine, 'env'>, more: Partial<PlaceOptions> = {}): Place {
  return openPlace(`docker-daemon:${text}`, { store: '/none', env, ...more })
}

async function put(place: Place, records: readonly AnyRecord[]) {
  const blobs = records as readonly Blob[]
  const root = blobs.at(-1)
  if (root === undefined) throw new Error('no image')
  try {
    for (const blob of blobs.slice(0, -1))
      if (!(await place.write.hasBlob(blob)))
        await place.write.putBlob(blob, () => fs.createReadStream(blob.path))
    const { mediaType, digest, size } = root
    return await place.write.publish({
      descriptor: { mediaType, digest, size },
      bytes: fs.readFileSync(root.path),
    })
  } finally {
    await place.close()
  }
}

async function resolved(place: Place) {
  try {
    const { descriptor, document } = await place.read.resolve()
    if (document.kind !== 'manifest') return { digest: descriptor.digest, reference: place.reference }
    const layer = document.layers[0] as Descriptor
    const chunks: Buffer[] = []
    for await (const chunk of place.read.blob(layer)) chunks.push(chunk)
    if (digestOf(Buffer.concat(chunks)) !== layer.digest) throw new Error('other bytes')
    if ((await place.read.blobSize?.(layer.digest)) !== layer.size) throw new Error('another size')
    return { digest: descriptor.digest, reference: place.reference }
  } finally {
    await place.close()
  }
}

const digestsOf = (records: readonly AnyRecord[]): string[] => records.map(({ digest }) => String(digest))

t.test('an image goes there and back', async t => {
  const fake = await engine(t)
  const writer = new RecordWriter(tempDir(t, 'blobs'))
  const image = writer.image('1', ['lower', 'upper'])
  const [, , config = '', root = ''] = digestsOf(image)
  const place = open('app:1', fake)
  t.match(place, { traits: { isLocal: false, isSerial: true }, text: 'docker-daemon:app:1' })
  t.same(fake.asked, [], 'nothing is asked before')
  const name = 'docker.io/library/app:1'
  t.same(await put(place, image), { place: 'docker-daemon:app:1', reference: name })
  t.match(fake.archive.toString('latin1'), /"RepoTags":\["docker\.io\/library\/app:1"\]/)
  t.same(fake.asked, ['GET /_ping', 'POST /v1.41/images/load?quiet=1'])

  const rows: readonly [text: string, path: string, reference: string | undefined][] = [
    ['app:1', 'app:1', name],
    ['app', 'app:latest', 'docker.io/library/app:latest'],
    ['docker.io/library/app:1', 'app:1', name],
    ['h.example:5/a/b:2', 'h.example:5/a/b:2', 'h.example:5/a/b:2'],
    [`app@${root}`, `app@${root}`, `docker.io/library/app@${root}`],
    [`app:1@${root}`, `app@${root}`, `docker.io/library/app@${root}`],
    [config, config, undefined],
    [root, root, undefined],
    [config.slice(7), config, undefined],
  ]
  for (const [text, path, reference] of rows) {
    t.same(await resolved(open(text, fake)), { digest: root, reference }, text)
    t.equal(fake.asked.at(-1), `GET /v1.41/images/${path}/get`, text)
  }
  await t.rejects(resolved(open('none', fake)), {
    code: 'MANIFEST_UNKNOWN',
    message: /no image none:latest in the/,
  })
  await t.rejects(resolved(open('', fake)), { code: 'PLACE_INVALID', message: /expected docker-daemon:NAME/ })
  for (const text of ['A', 'a b', 'a:', 'sha256:1'])
    t.throws(() => open(text, fake), { code: /^(REFERENCE|PLACE)_INVALID$/ }, text)
  t.same(parsePlace('docker-daemon:a:1'), { transport: 'docker-daemon', rest: 'a:1' })
  t.throws(() => open('a', { env: { DOCKER_HOST: 'ssh://h' } }), { code: 'ENGINE_UNSUPPORTED' })
})

t.test('content that the name does not promise', async t => {
  const fake = await engine(t)
  const image = new RecordWriter(tempDir(t, 'blobs')).image('1', ['one'])
  await put(open('app:1', fake), image)
  const other = digestOf('other')
  await t.rejects(resolved(open(other, fake)), {
    code: 'DIGEST_MISMATCH',
    message: /the engine gave .* for sha256/,
  })
  const warned: unknown[] = []
  const warn = (_message: string, code?: string): void => void warned.push(code)
  const found = await resolved(open(`app@${other}`, fake, { warn }))
  t.same(found, { digest: digestsOf(image).at(-1), reference: undefined }, 'an image whose manifest is lost')
  t.same(warned, ['DIGEST_LOST'], 'which is said')

  const whole = fake.archive
  for (const [bytes, why] of [
    [whole.subarray(0, 700), 'cut in a file'],
    [whole.subarray(0, 1024), 'cut between files'],
    [Buffer.alloc(0), 'nothing'],
    [Buffer.alloc(4096, 'x'), 'no tar'],
  ] as const) {
    fake.archive = bytes
    await t.rejects(resolved(open('app:1', fake)), { code: /^(TAR|ARCHIVE)_/ }, why)
  }
})

t.test('several images and names in one archive', async t => {
  const fake = await engine(t, ['Loaded image: app:1\nLoaded image: app:2', 'Loaded image: h.example/b:2'])
  const writer = new RecordWriter(tempDir(t, 'blobs'))
  const archives = new Archives()
  const run = { archives, additionalTags: ['app:2'] }
  const first = await put(open('app:1', fake, { run }), writer.image('1', ['shared', 'a']))
  const second = await put(
    open('h.example/b:2', fake, { run: { archives } }),
    writer.image('2', ['shared', 'b']),
  )
  t.equal(first.name?.index.id, second.name?.index.id)
  t.equal(first.name?.index.isLast, true)
  t.equal(fake.archive.length, 0, 'nothing is loaded yet')
  await first.name?.index.write([])
  await archives.close()
  t.match(
    fake.archive.toString('latin1'),
    /"RepoTags":\["docker\.io\/library\/app:1","docker\.io\/library\/app:2"\]/,
  )
  t.equal(fake.asked.filter(line => line.startsWith('POST')).length, 1)
  await t.rejects(
    resolved(open('app:1', fake)),
    { code: 'REFERENCE_AMBIGUOUS' },
    'an engine that gives two for one',
  )
})

t.test('what an engine has to say', async t => {
  const writer = new RecordWriter(tempDir(t, 'blobs'))
  const image = writer.image('1', ['one'])
  const [, config = ''] = digestsOf(image)
  const rows: readonly [lines: readonly string[], text: string, message: RegExp | undefined][] = [
    [['Loaded image: docker.io/library/app:1'], 'app:1', undefined],
    [['Loaded image: app:2'], 'app:1', /did not say that it loaded app:1$/],
    [['Loaded image ID: sha256:1'], 'app:1', /did not say that it loaded app:1$/],
    [[], 'app:1', /did not say that it loaded app:1$/],
    [['Loaded image ID: sha256:1'], '', undefined],
    [[], '', /did not say that it loaded any image$/],
  ]
  for (const [lines, text, message] of rows) {
    const done = put(open(text, await engine(t, lines)), image)
    const why = `"${text}", ${lines.join(', ') || 'nothing'}`
    if (message !== undefined) await t.rejects(done, { code: 'LOAD_UNCONFIRMED', message }, why)
    else t.equal((await done).place, `docker-daemon:${text === '' ? config : text}`, why)
  }
  const index = writer.index('i', [writer.image('2', ['two'])])
  const unnamed = await put(open('', await engine(t, ['Loaded image ID: x'])), index)
  t.equal(unnamed.place, `docker-daemon:${digestsOf(index).at(-1)}`, 'an index without a name')
})

t.test('what is refused before anything is sent', async t => {
  const fake = await engine(t)
  const [layer] = new RecordWriter(tempDir(t, 'blobs')).image('1', ['one'])
  for (const text of [digestOf('x'), `app@${digestOf('x')}`])
    t.throws(() => open(text, fake).write.hasBlob(layer as Blob), {
      code: 'PLACE_INVALID',
      message: /with a tag/,
    })
  const zstd = { ...(layer as Blob), mediaType: `${MEDIA_TYPES.ociLayer}+zstd` }
  const place = open('app:1', fake)
  await t.rejects(place.write.hasBlob(zstd), { code: 'LAYER_UNSUPPORTED' })
  await place.close()
  t.same(fake.asked, [])
})
