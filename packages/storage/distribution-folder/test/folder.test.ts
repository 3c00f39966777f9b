import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { need, startRegistry, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { DistributionFolder, isName, isTag } from '../src/index.js'

const HELLO = Buffer.from('hello\n')
// printf 'hello\n' | sha256sum
const HELLO_HEX = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'
const HELLO_DIGEST = `sha256:${HELLO_HEX}`
const OTHER = `sha256:${'0'.repeat(64)}`
const expected = { digest: HELLO_DIGEST, size: HELLO.length }

async function* bytes(...chunks: readonly Buffer[]): AsyncGenerator<Buffer, void, undefined> {
  yield* chunks
}

const walk = (dir: string): string[] =>
  fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => path.relative(dir, path.join(entry.parentPath ?? entry.path, entry.name)))
    .sort()

t.test('names that may not become paths', async t => {
  const names: readonly (readonly [text: string, name: boolean, tag: boolean, why: string])[] = [
    ['a', true, true, 'the shortest'],
    ['library/debian', true, false, 'components'],
    ['a-b_c.d__e/f--g', true, false, 'every separator'],
    ['', false, false, 'nothing'],
    ['..', false, false, 'the folder above'],
    ['a/../b', false, false, 'the folder above, inside'],
    ['/a', false, false, 'absolute'],
    ['a//b', false, false, 'an empty component'],
    ['a/', false, false, 'an empty last component'],
    ['_uploads', false, true, 'a name of the folder itself; as a tag it is one component below tags/'],
    ['a/_layers', false, false, 'a name of the folder itself, inside'],
    ['A', false, true, 'upper case'],
    ['a\0', false, false, 'NUL'],
    ['a\n', false, false, 'a newline at the end'],
    ['a\\b', false, false, 'the other slash'],
    ['.hidden', false, false, 'a leading dot'],
    ['é', false, false, 'beyond ASCII'],
    ['a'.repeat(255), true, false, 'the longest name'],
    ['a'.repeat(256), false, false, 'one more'],
    ['A'.repeat(128), false, true, 'the longest tag'],
    ['A'.repeat(129), false, false, 'one more'],
  ]
  const folder = DistributionFolder.open(tempDir(t), { create: true })
  for (const [text, name, tag, why] of names) {
    t.equal(isName(text), name, `name: ${why}`)
    t.equal(isTag(text), tag, `tag: ${why}`)
    if (!name) t.throws(() => folder.repository(text), { code: 'NAME_INVALID' }, why)
    if (!tag) t.throws(() => folder.repository('a').resolve(text), { code: 'TAG_INVALID' }, why)
  }
  const { paths } = folder
  for (const digest of ['sha256:../../x', 'sha256:abc', `SHA256:${HELLO_HEX}`, `md5:${HELLO_HEX}`, ''])
    t.throws(() => paths.blob(digest), { code: /^DIGEST_/ }, `digest ${digest}`)
})

t.test('open(): only where there is one', async t => {
  const dir = tempDir(t)
  t.throws(() => DistributionFolder.open(dir), { code: 'FOLDER_MISSING' })
  t.notOk(DistributionFolder.isThere(dir))
  const folder = DistributionFolder.open(dir, { create: true })
  t.same(await folder.repositories(), [], 'empty')
  t.ok(DistributionFolder.isThere(dir))
  fs.writeFileSync(path.join(dir, 'file'), '')
  t.throws(() => DistributionFolder.open(path.join(dir, 'file'), { create: true }), { code: 'ENOTDIR' })
})

t.test('every file lies where distribution has it, and nothing else stays', async t => {
  const dir = tempDir(t)
  const folder = DistributionFolder.open(dir, { create: true })
  const repository = folder.repository('library/app')
  const batch = repository.batch()
  await batch.putBlob(expected, () => bytes(HELLO.subarray(0, 1), HELLO.subarray(1)))
  batch.putManifest(HELLO_DIGEST, HELLO, ['1', 'latest'])
  t.ok(batch.hasBlob(expected), 'what waits counts as there')
  t.notOk(repository.exists(), 'nothing is seen before the commit')
  t.same(repository.tags(), [])
  await batch.commit()
  const base = 'docker/registry/v2'
  const manifests = `${base}/repositories/library/app/_manifests`
  t.same(walk(dir), [
    `${base}/blobs/sha256/58/${HELLO_HEX}/data`,
    `${base}/repositories/library/app/_layers/sha256/${HELLO_HEX}/link`,
    `${manifests}/revisions/sha256/${HELLO_HEX}/link`,
    `${manifests}/tags/1/current/link`,
    `${manifests}/tags/1/index/sha256/${HELLO_HEX}/link`,
    `${manifests}/tags/latest/current/link`,
    `${manifests}/tags/latest/index/sha256/${HELLO_HEX}/link`,
  ])
  t.equal(
    fs.readFileSync(`${dir}/${manifests}/tags/1/current/link`, 'utf8'),
    HELLO_DIGEST,
    '71 bytes, no newline',
  )
  t.same(repository.tags(), ['1', 'latest'])
  t.equal(repository.resolve('1'), HELLO_DIGEST)
  t.equal(repository.resolve('2'), undefined)
  t.same(await repository.manifest(HELLO_DIGEST), HELLO)
  t.same([...repository.manifests()], [HELLO_DIGEST])
  t.match(repository.blob(HELLO_DIGEST), { size: 6 })
  t.same(await folder.repositories(), ['library/app'])
  const again = folder.repository('other').batch()
  await again.putBlob(expected, () => {
    throw new Error('it is read a second time')
  })
  await again.commit()
  t.match(folder.repository('other').blob(HELLO_DIGEST), { size: 6 }, 'another repository takes a link')
})

t.test('what is wrong leaves nothing', async t => {
  const rows = [
    { source: [HELLO, HELLO], code: 'SIZE_MISMATCH', why: 'longer' },
    { source: [HELLO.subarray(1)], code: 'SIZE_MISMATCH', why: 'shorter' },
    { source: [Buffer.from('jello\n')], code: 'DIGEST_MISMATCH', why: 'other bytes' },
  ]
  const dir = tempDir(t)
  const folder = DistributionFolder.open(dir, { create: true })
  for (const { source, code, why } of rows) {
    const batch = folder.repository('a').batch()
    await t.rejects(
      batch.putBlob(expected, () => bytes(...source)),
      { code },
      why,
    )
    batch.abort()
  }
  const broken = folder.repository('a').batch()
  await t.rejects(
    broken.putBlob(expected, async function* () {
      yield HELLO.subarray(0, 2)
      throw new Error('the link broke')
    }),
    { message: 'the link broke' },
  )
  t.throws(() => broken.putManifest(HELLO_DIGEST, HELLO, ['no/tag']), { code: 'TAG_INVALID' })
  broken.abort()
  t.same(walk(dir), [])
})

t.test('a blob that a power cut left empty is written again', async t => {
  const dir = tempDir(t)
  const folder = DistributionFolder.open(dir, { create: true })
  const put = async (): Promise<void> => {
    const batch = folder.repository('a').batch()
    if (!batch.hasBlob(expected)) await batch.putBlob(expected, () => bytes(HELLO))
    batch.putManifest(HELLO_DIGEST, HELLO, ['1'])
    await batch.commit()
  }
  await put()
  const data = folder.paths.blob(HELLO_DIGEST)
  const link = folder.paths.currentLink('a', '1')
  fs.truncateSync(data)
  fs.truncateSync(link)
  t.throws(() => folder.repository('a').resolve('1'), { code: 'LINK_INVALID' })
  await t.rejects(folder.repository('a').manifest(HELLO_DIGEST), { code: 'DIGEST_MISMATCH' })
  await put()
  t.same(fs.readFileSync(data), HELLO)
  t.equal(folder.repository('a').resolve('1'), HELLO_DIGEST)
})

t.test('a folder in which somebody else has been', async t => {
  const dir = tempDir(t)
  const folder = DistributionFolder.open(dir, { create: true })
  const { paths } = folder
  const place = (file: string, content: string): void => {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, content)
  }
  place(path.join(dir, 'secret'), 'secret')
  place(paths.currentLink('a', 'newline'), `${HELLO_DIGEST}\n`)
  place(paths.currentLink('a', 'path'), 'sha256:../../../../secret')
  place(paths.currentLink('a', 'long'), HELLO_DIGEST.repeat(100))
  place(path.join(paths.tags('a'), 'crashed/index/x'), '')
  place(path.join(paths.tags('a'), 'not a tag/current/link'), HELLO_DIGEST)
  place(path.join(paths.repositories, 'upload-only/_uploads/id/data'), '')
  place(path.join(paths.repositories, 'UPPER/_manifests/x'), '')
  place(paths.layerLink('a', HELLO_DIGEST), HELLO_DIGEST)
  place(paths.layerLink('a', OTHER), HELLO_DIGEST)
  fs.mkdirSync(path.dirname(paths.blob(HELLO_DIGEST)), { recursive: true })
  fs.symlinkSync(path.join(dir, 'secret'), paths.blob(HELLO_DIGEST))
  fs.symlinkSync('..', path.join(paths.repositories, 'loop'))
  const repository = folder.repository('a')
  for (const tag of ['newline', 'path', 'long'])
    t.throws(() => repository.resolve(tag), { code: 'LINK_INVALID' }, tag)
  t.same(repository.tags(), ['long', 'newline', 'path'], 'whole tags only')
  t.same(await folder.repositories(), ['a'], 'no symlink, no upload, no name that cannot be')
  t.equal(repository.blob(HELLO_DIGEST), undefined, 'a symlink is no blob')
  t.throws(() => folder.openBlob(HELLO_DIGEST), { code: 'ELOOP' })
  t.equal(repository.blob(OTHER), undefined, 'a link that names another blob is none')
  t.notOk(folder.repository('upload-only').exists())
})

t.test('deleting', async t => {
  const folder = DistributionFolder.open(tempDir(t), { create: true })
  const repository = folder.repository('a')
  const put = async (tag: string): Promise<void> => {
    const batch = repository.batch()
    await batch.putBlob(expected, () => bytes(HELLO))
    batch.putManifest(HELLO_DIGEST, HELLO, [tag])
    await batch.commit()
  }
  await put('1')
  await put('2')
  t.equal(repository.deleteTag('1'), true)
  t.equal(repository.deleteTag('1'), false, 'only once')
  t.same(repository.tags(), ['2'])
  t.ok(repository.hasManifest(HELLO_DIGEST), 'the manifest stays')
  t.equal(repository.deleteManifest(HELLO_DIGEST), true)
  t.equal(repository.deleteManifest(HELLO_DIGEST), false)
  t.same(repository.tags(), [], 'its tags go with it')
  await t.rejects(repository.manifest(HELLO_DIGEST), { code: 'MANIFEST_UNKNOWN' })
  t.equal(repository.deleteBlob(HELLO_DIGEST), true)
  t.equal(repository.deleteBlob(HELLO_DIGEST), false)
  t.equal(folder.blobSize(HELLO_DIGEST), 6, 'bytes are for the garbage collection')
})

t.test('writers at the same time', async t => {
  const dir = tempDir(t)
  const write = async (number: number): Promise<void> => {
    const batch = DistributionFolder.open(dir, { create: true }).repository('a').batch()
    await batch.putBlob(expected, () => bytes(HELLO))
    batch.putManifest(HELLO_DIGEST, HELLO, ['same', `t${number}`])
    await batch.commit()
  }
  await Promise.all(Array.from({ length: 40 }, (_, number) => write(number)))
  const folder = DistributionFolder.open(dir)
  t.equal(folder.repository('a').tags().length, 41)
  t.same(
    walk(dir).filter(file => file.includes('.partial')),
    [],
  )
})

t.test('a blob that waits in one batch is not read for another', async t => {
  const dir = tempDir(t)
  const folder = DistributionFolder.open(dir, { create: true })
  const [first, second, third] = ['a', 'b', 'c'].map(name => folder.repository(name).batch())
  const never = (): never => {
    throw new Error('read again')
  }
  await first?.putBlob(expected, () => bytes(HELLO))
  await second?.putBlob(expected, never)
  first?.abort()
  await third?.putBlob(expected, never)
  await second?.commit()
  await third?.commit()
  t.same(
    folder.repository('b').blob(HELLO_DIGEST)?.size,
    HELLO.length,
    'it is there, although the first gave up',
  )
  t.same(
    walk(dir).filter(file => file.includes('partial')),
    [],
  )
})

t.test('what we write, the real registry serves', { skip: need('docker-registry') }, async t => {
  const { host, storage } = await startRegistry(t)
  await pushImage(t, DistributionFolder.open(storage, { create: true }), 'team/app')
  t.same((await get(`http://${host}/v2/_catalog`)).body, '{"repositories":["team/app"]}\n')
  t.match((await get(`http://${host}/v2/team/app/tags/list`)).body, /"tags":\["v1"\]/)
  const { body, status } = await get(`http://${host}/v2/team/app/manifests/v1`)
  t.equal(status, 200, body)
  for (const { digest, size } of JSON.parse(body).layers) {
    const layer = await get(`http://${host}/v2/team/app/blobs/${digest}`)
    t.same([layer.status, layer.body.length], [200, size])
  }
})

async function pushImage(t: Test, folder: DistributionFolder, name: string): Promise<void> {
  const config = Buffer.from('{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}')
  const of = (mediaType: string, content: Buffer) => ({
    mediaType,
    digest: sha256(content),
    size: content.length,
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: of('application/vnd.oci.image.config.v1+json', config),
      layers: [of('application/vnd.oci.image.layer.v1.tar', HELLO)],
    }),
  )
  const batch = folder.repository(name).batch()
  for (const content of [config, HELLO]) await batch.putBlob(of('', content), () => bytes(content))
  batch.putManifest(sha256(manifest), manifest, ['v1'])
  await batch.commit()
  t.same(folder.repository(name).tags(), ['v1'])
}

function sha256(content: Buffer): string {
  return `sha256:${spawnSync('sha256sum', { input: content, encoding: 'utf8' }).stdout.slice(0, 64)}`
}

function get(url: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'application/vnd.oci.image.manifest.v1+json' }
    http
      .get(url, { headers }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', chunk => (body += chunk))
        response.on('end', () => resolve({ status: response.statusCode, body }))
      })
      .on('error', reject)
  })
}
