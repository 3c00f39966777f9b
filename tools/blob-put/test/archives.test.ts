// Images of a stream in one archive: what it holds, and when it is there.
import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'
import { collect } from '@pipelayer/records'
import { RecordWriter, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BlobPutOptions, blobPut, blobPutBytes, writesBytes } from '../src/index.js'

function lab(t: Scope) {
  const dir = tempDir(t, 'put')
  fs.mkdirSync(`${dir}/files`)
  const options = (place: string, more: Partial<BlobPutOptions> = {}): BlobPutOptions => ({
    store: `${dir}/store`,
    place,
    ...more,
  })
  return {
    dir,
    writer: new RecordWriter(`${dir}/files`),
    put: (place: string, records: (AnyRecord | Error)[], more?: Partial<BlobPutOptions>) =>
      collect(blobPut(stream(records), options(place, more))),
    bytes: async (place: string, records: (AnyRecord | Error)[]) => {
      const chunks: Uint8Array[] = []
      const run = async (): Promise<void> => {
        for await (const chunk of blobPutBytes(stream(records), options(place))) chunks.push(chunk)
      }
      const error: unknown = await run().catch((error: unknown) => error)
      return { bytes: Buffer.concat(chunks), error }
    },
    /** The RepoTags of the images in an archive. */
    tags: (file: string) => tagsIn(fs.readFileSync(`${dir}/${file}`)),
    archives: () => fs.readdirSync(dir).filter(name => !['files', 'store'].includes(name)),
  }
}

function tagsIn(archive: Buffer): unknown[] {
  const [, list = '[]'] = /(\[\{"Config".*?\}\])\0/s.exec(archive.toString('latin1')) ?? []
  return JSON.parse(list).map(({ RepoTags }: { RepoTags: unknown }) => RepoTags)
}

async function* stream(records: readonly (AnyRecord | Error)[]): AsyncGenerator<AnyRecord> {
  for (const record of records) {
    if (record instanceof Error) throw record
    yield record
  }
}

const failed = (image: string): AnyRecord => ({
  type: 'failed',
  tool: 'x',
  image,
  code: 'X',
  message: 'no luck',
})

t.test('many images in one archive', async t => {
  const { dir, writer, put, tags, archives, bytes } = lab(t)
  const one = writer.image('1', ['base', 'one'], 'docker.io/library/app:1')
  const two = writer.image('2', ['base', 'two'], 'quay.io/a/app:2')
  const pinned = writer.image('3', ['base'], `docker.io/library/app@${two.at(-1)?.digest}`)
  const bare = writer.image('4', ['base', 'four'])
  const all = [...one, ...two, ...pinned, ...bare]
  const out = await put(`docker-archive:${dir}/x.tar`, all)
  t.same(
    out.map(({ type }) => type),
    all.map(({ type }) => type),
    'the records in their order',
  )
  t.same(
    out.filter(({ root }) => root === true).map(({ from }) => (from as string[])[0]),
    [':docker.io/library/app:1', ':quay.io/a/app:2', '', ''].map(
      name => `docker-archive:${dir}/x.tar${name}`,
    ),
    'root records say where',
  )
  t.same(tags('x.tar'), [['docker.io/library/app:1'], ['quay.io/a/app:2'], null, null])
  await put(`docker-archive:${dir}/y.tar`, all)
  const file = fs.readFileSync(`${dir}/x.tar`)
  t.ok(file.equals(fs.readFileSync(`${dir}/y.tar`)), 'the same bytes')
  const piped = await bytes('docker-archive:-', all)
  t.equal(piped.error, undefined)
  t.ok(file.equals(piped.bytes), 'and on stdout')

  await put(`docker-archive:${dir}/z.tar:app:3`, one, { run: { additionalTags: ['app:4', 'quay.io/a/b'] } })
  t.same(
    tags('z.tar'),
    [['docker.io/library/app:3', 'docker.io/library/app:4', 'quay.io/a/b:latest']],
    'further names',
  )
  const twice = one.map(record => ({
    ...record,
    image: '5',
    ...(record.root === true && { reference: 'docker.io/library/app:5' }),
  }))
  await put(`docker-archive:${dir}/z.tar`, [...one, ...twice])
  t.same(tags('z.tar'), [['docker.io/library/app:1', 'docker.io/library/app:5']], 'one image of two names')
  t.same(archives().sort(), ['x.tar', 'y.tar', 'z.tar'], 'nothing else')
})

t.test('an archive is there when all is well, or not at all', async t => {
  const { dir, writer, put, tags, archives, bytes } = lab(t)
  const one = writer.image('1', ['one'], 'docker.io/library/app:1')
  const two = writer.image('2', ['two'], 'docker.io/library/app:2')
  const cut = new ToolError('INPUT_CUT', 'cut')
  const at = `docker-archive:${dir}/x.tar`
  for (const [records, code, why] of [
    [[...one, ...two, cut], 'INPUT_CUT', 'a stream that was cut'],
    [[...one, ...two.slice(0, 2)], 'IMAGE_INCOMPLETE', 'an image without a root'],
    [[], 'IMAGE_MISSING', 'no image'],
  ] as const) {
    await t.rejects(put(at, [...records]), { code }, why)
    t.same(archives(), [], why)
    const piped = await bytes('docker-archive:-', [...records])
    t.match(piped.error, { code }, why)
    t.notMatch(piped.bytes.toString('latin1'), /manifest\.json|index\.json/, `${why}: nothing to load`)
  }
  await t.rejects(put(`${at}:app`, [...one, ...two]), { code: 'PLACE_TAKEN' }, 'two images, one name')
  await t.rejects(
    put(at, [
      ...one,
      ...two.map(record => ({
        ...record,
        ...(record.root === true && { reference: one.at(-1)?.reference }),
      })),
    ]).then(out => {
      const [failure] = out.filter(({ type }) => type === 'failed')
      throw new ToolError(String(failure?.code), String(failure?.message))
    }),
    { code: 'PLACE_TAKEN' },
    'two images of one name',
  )
  t.same(tags('x.tar'), [['docker.io/library/app:1']], 'of which the first is put')
  fs.rmSync(`${dir}/x.tar`)

  const lost = two.filter(({ type }) => type !== 'layer')
  const out = await put(at, [...one, ...lost])
  t.match(out.at(-1), { type: 'failed', code: 'BLOB_MISSING' }, 'one of two fails')
  t.same(tags('x.tar'), [['docker.io/library/app:1']], 'the other is there')
  const piped = await bytes('docker-archive:-', [...one, ...lost])
  t.match(piped.error, { code: 'IMAGES_FAILED', message: /^an image is .*BLOB|names/ })
  t.same(tagsIn(piped.bytes), [['docker.io/library/app:1']], 'the archive is whole')
  const many = await bytes('docker-archive:-', [failed('8'), failed('9'), ...one])
  t.match(many.error, { code: 'IMAGES_FAILED', message: /^2 images are .*no luck/ })

  fs.writeFileSync(String(two[0]?.path), 'owt')
  const broken = await put(at, [...one, ...two]).catch((error: unknown) => error)
  t.match(broken, { code: 'DIGEST_MISMATCH' }, 'a wrong blob breaks the archive')
  t.same(archives(), ['x.tar'], 'and leaves no file')
})

t.test('command lines', async t => {
  const { dir, writer, put, archives } = lab(t)
  const one = writer.image('1', ['one'])
  for (const [place, isBytes, why] of [
    ['docker-archive:-', true, 'stdout'],
    ['docker-archive:-:app:1', true, 'with a name'],
    ['oci-archive:-', true, 'the other form'],
    ['docker-archive:-x', false, 'a file whose name begins so'],
    ['oci:-', false, 'a folder'],
    [undefined, false, 'no place'],
  ] as const)
    t.equal(writesBytes({ place }), isBytes, why)
  t.notOk(writesBytes({ place: 'docker-archive:-', dryRun: true }), 'a dry run writes records')
  const plan = await put('docker-archive:-:app', one, { dryRun: true })
  t.same(
    plan.filter(({ type }) => type === 'plan').map(({ action }) => action),
    ['put', 'put', 'put'],
  )
  for (const [place, more, code, why] of [
    ['docker-archive:', {}, 'PLACE_INVALID', 'no file'],
    [`docker-archive:${dir}/x:A B`, {}, 'REFERENCE_INVALID', 'no reference'],
    [
      `docker-archive:${dir}/x`,
      { run: { additionalTags: ['a'] } },
      'PLACE_INVALID',
      'a further name without a first one',
    ],
    [`oci:${dir}/x:1`, { run: { additionalTags: ['a'] } }, 'PLACE_INVALID', 'a further name in a layout'],
    [`oci:${dir}/x:@sha256:${'a'.repeat(64)}`, {}, 'PLACE_INVALID', 'a digest of a layout is read alone'],
    [`oci:${dir}/x:@0`, {}, 'PLACE_INVALID', 'and so is a number'],
    [
      `docker-archive:${dir}/x:1`,
      { run: { additionalTags: ['A B'] } },
      'REFERENCE_INVALID',
      'a further name that is none',
    ],
  ] as const)
    await t.rejects(put(place, one, more), { code, status: 2 }, why)
  for (const [place, code] of [
    [`docker-archive:${dir}/x:@0`, 'PLACE_INVALID'],
    [`oci-archive:${dir}/x:a b`, 'PLACE_INVALID'],
    ['docker-archive:-', 'PLACE_INVALID'],
  ] as const)
    await t.rejects(put(place, one), { code }, place)
  t.same(archives(), [])
})
