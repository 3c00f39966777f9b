import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { digestOf, verified } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'
import { need, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { openPlace, type Place, parseDockerArchive } from '../src/index.js'

const LAYER = Buffer.alloc(1024)
const GZIPPED = zlib.gzipSync(LAYER)
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const config = (author: string, diffIDs = [digestOf(LAYER)]): Buffer =>
  json({ os: 'linux', architecture: 'amd64', author, rootfs: { type: 'layers', diff_ids: diffIDs } })
const ONE = { Config: 'one.json', RepoTags: ['one:1', 'quay.io/a/one:2'], Layers: ['l/layer.tar'] }
const TWO = { Config: 'two.json', RepoTags: null, Layers: ['./l/../g/layer.tar'] }
const FILES: Readonly<Record<string, Buffer | string>> = {
  'one.json': config('one'),
  'two.json': config('two'),
  // Older engines wrote a layer as a link to the same layer of another image, and the link may come before its target.
  'l/layer.tar': '->../k/layer.tar',
  'k/layer.tar': LAYER,
  'g/layer.tar': GZIPPED,
  'manifest.json': json([ONE, TWO]),
}

/** Contents by name; `->TARGET` is a symlink. */
function archive(dir: string, files: Readonly<Record<string, Buffer | string>>): string {
  const file = path.join(dir, 'image.tar')
  const parts = Object.entries(files).flatMap(([name, content]) => {
    const isLink = typeof content === 'string'
    const size = isLink ? 0 : content.length
    const common = { name, mode: 0o644, uid: 0, gid: 0, size, mtime: { seconds: 0, nanoseconds: 0 } }
    const entry: TarEntry = isLink
      ? { ...common, type: 'symlink', linkname: content.slice(2) }
      : { ...common, type: 'file' }
    return isLink ? [encodeHeader(entry)] : [encodeHeader(entry), content, padding(size)]
  })
  fs.writeFileSync(file, Buffer.concat([...parts, END_BLOCKS]))
  return file
}

const open = (text: string): Place => openPlace(text, { store: '/none' })

t.test('parseDockerArchive', async t => {
  t.same(parseDockerArchive('/a.tar'), { file: '/a.tar' })
  t.same(parseDockerArchive('/a.tar:'), { file: '/a.tar' }, 'no reference')
  t.same(parseDockerArchive('a:one'), { file: 'a', reference: 'docker.io/library/one:latest' })
  t.same(
    parseDockerArchive('a:h:5/one:2'),
    { file: 'a', reference: 'h:5/one:2' },
    'the first colon ends FILE',
  )
  t.same(parseDockerArchive('a:@3'), { file: 'a', index: 3 })
  for (const [text, why] of [
    ['', 'no file'],
    [':one', 'no file'],
    ['a:@-1', 'no number of an image'],
    ['a:@0:one', 'a number and a name'],
    [`a:one@${digestOf('x')}`, 'a digest'],
    [`a:one:1@${digestOf('x')}`, 'a digest beside a tag'],
  ] as const)
    t.throws(() => parseDockerArchive(text), { code: 'PLACE_INVALID' }, why)
  t.throws(() => parseDockerArchive('a:A b'), { code: 'REFERENCE_INVALID' })
})

t.test('images of an archive', async t => {
  const file = archive(tempDir(t, 'archive'), FILES)
  const at = (name: string): Place => {
    const place = open(`docker-archive:${file}${name}`)
    t.teardown(() => place.close())
    return place
  }
  for (const name of [':one:1', ':quay.io/a/one:2', ':@0', ':docker.io/library/one:1']) {
    const { descriptor, document } = await at(name).read.resolve()
    t.equal(document.kind, 'manifest', name)
    const again = await at(':@1').read.resolve(descriptor.digest)
    t.equal(again.descriptor.digest, descriptor.digest, 'by its digest, whatever the name')
  }
  const one = (await at(':@0').read.resolve()).descriptor
  const two = (await at(':@1').read.resolve()).document
  t.match(two, {
    layers: [{ digest: digestOf(GZIPPED), mediaType: /tar\+gzip$/ }],
    config: { digest: digestOf(FILES['two.json'] ?? '') },
  })
  if (two.kind === 'manifest')
    for (const blob of [...two.layers, two.config]) {
      const read: Buffer[] = []
      for await (const chunk of verified(at('').read.blob(blob), blob)) read.push(chunk)
      t.equal(Buffer.concat(read).length, blob.size)
      t.equal(await at('').read.blobSize?.(blob.digest), blob.size)
    }
  await t.rejects(at('').read.resolve(), { code: 'REFERENCE_AMBIGUOUS', message: /one:1, @1$/ })
  await t.rejects(at(':other').read.resolve(), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(at(':@2').read.resolve(), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(at('').read.resolve(digestOf('x')), { code: 'MANIFEST_UNKNOWN' })
  t.throws(() => at(':@0').write.hasManifest(one), { code: 'PLACE_INVALID' }, 'a number is only read')
})

t.test('archives that are none', async t => {
  const changed = (change: Readonly<Record<string, Buffer | string>>): object => ({ ...FILES, ...change })
  const list = (entry: object): Buffer => json([{ ...ONE, ...entry }])
  const rows: readonly [files: object, code: string, why: string][] = [
    [{ file: Buffer.from('x') }, 'ARCHIVE_INVALID', 'no manifest.json'],
    [changed({ 'manifest.json': Buffer.from('{') }), 'ARCHIVE_INVALID', 'not JSON'],
    [changed({ 'manifest.json': json({}) }), 'ARCHIVE_INVALID', 'no list'],
    [changed({ 'manifest.json': json([1]) }), 'ARCHIVE_INVALID', 'no image'],
    [changed({ 'manifest.json': list({ Layers: [1] }) }), 'ARCHIVE_INVALID', 'a layer that is no name'],
    [changed({ 'manifest.json': list({ Config: 'none' }) }), 'ARCHIVE_INVALID', 'a config that is not there'],
    [changed({ 'manifest.json': list({ Layers: [] }) }), 'ARCHIVE_INVALID', 'fewer layers than diff_ids'],
    [
      changed({ 'manifest.json': list({ Layers: ['../../etc/passwd'] }) }),
      'ARCHIVE_INVALID',
      'a file outside',
    ],
    [changed({ 'manifest.json': list({ RepoTags: ['A B'] }) }), 'REFERENCE_INVALID', 'a tag that is none'],
    [changed({ 'one.json': json({}) }), 'CONFIG_INVALID', 'a config that is none'],
    [changed({ 'one.json': '->one.json' }), 'ARCHIVE_INVALID', 'a link to itself'],
    [changed({ 'one.json': Buffer.alloc(5_000_000) }), 'ARCHIVE_INVALID', 'a huge config'],
  ]
  for (const [files, code, why] of rows) {
    const place = open(`docker-archive:${archive(tempDir(t, 'archive'), files as typeof FILES)}:@0`)
    await t.rejects(place.read.resolve(), { code }, why)
    await place.close()
  }
  const dir = tempDir(t, 'archive')
  fs.writeFileSync(path.join(dir, 'text'), 'no archive'.repeat(100))
  await t.rejects(open(`docker-archive:${dir}/text`).read.resolve(), { code: 'TAR_INVALID' })
  await t.rejects(open(`docker-archive:${dir}/none`).read.resolve(), { code: 'ENOENT' })
})

t.test("skopeo's archives", { skip: need('skopeo') }, async t => {
  const dir = tempDir(t, 'archive')
  const layout = Layout.open(`${dir}/l`, { create: true })
  const [layer, described] = [layout.putBytes(GZIPPED), layout.putBytes(config('me'))]
  const media = 'application/vnd.oci.image'
  const manifest = json({
    schemaVersion: 2,
    mediaType: `${media}.manifest.v1+json`,
    config: { mediaType: `${media}.config.v1+json`, digest: described.digest, size: described.size },
    layers: [{ mediaType: `${media}.layer.v1.tar+gzip`, digest: layer.digest, size: layer.size }],
  })
  layout.tag({ mediaType: `${media}.manifest.v1+json`, ...pick(layout.putBytes(manifest)) }, '1')
  const copied = spawnSync('skopeo', ['copy', '-q', `oci:${dir}/l:1`, `docker-archive:${dir}/a.tar:x/y:1`], {
    encoding: 'utf8',
  })
  t.equal(copied.status, 0, copied.stderr)
  const place = open(`docker-archive:${dir}/a.tar:x/y:1`)
  t.match((await place.read.resolve()).document, {
    config: { digest: described.digest },
    layers: [{ digest: digestOf(LAYER) }],
  })
  await place.close()
})

function pick({ digest, size }: { digest: string; size: number }): { digest: string; size: number } {
  return { digest, size }
}
