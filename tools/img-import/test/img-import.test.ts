import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { archiveName } from '@pipelayer/archives'
import { digestOf } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import type { AnyRecord } from '@pipelayer/records'
import { END_BLOCKS } from '@pipelayer/tar'
import { RecordWriter, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { archiveOf, type Entry, indexOf, lab, NAME, tar, writerOf } from './kit.js'

const BIG = 'x'.repeat(300_000)

t.test('an image comes in', async t => {
  const image = writerOf(t).image('1', ['lower', BIG])
  const whole = archiveOf(image)
  const other = [
    { name: 'manifest.json', content: '[]' },
    { name: 'blobs/sha256', content: '', type: 'dir' as const },
    { name: `blobs/sha256/${'a'.repeat(64)}`, content: '', type: 'symlink' as const },
    { name: 'blobs/sha256/../../../escape', content: 'x' },
    { name: 'blobs/md5/abc', content: 'x' },
  ]
  const rows: readonly { entries: readonly Entry[]; chunk?: number; why: string }[] = [
    { entries: whole, why: 'as img-export writes it' },
    { entries: whole, chunk: 1_000_000, why: 'in one chunk' },
    { entries: [...whole].reverse(), why: 'the index first' },
    { entries: [...other, ...whole, ...other], why: 'with what we do not know' },
    { entries: [...whole, ...whole.slice(0, 1)], why: 'a blob twice' },
    {
      entries: whole.map(({ name, content }) => ({ name: `./${name}`, content })),
      why: 'names as tar writes them',
    },
  ]
  for (const { entries, chunk, why } of rows) {
    const { store, take, names, warnings } = lab(t)
    const { digest, size, mediaType } = image.at(-1) as AnyRecord
    const out = await take(entries, chunk === undefined ? {} : { chunk })
    t.same(out, [{ type: 'reference', reference: `store:${NAME}`, mediaType, digest, size }], why)
    t.same([names(), warnings], [[NAME], []])
    for (const { digest, size } of image) t.ok(store.hasBlob(String(digest), Number(size)))
    t.equal([...store.blobs()].length, image.length, 'and nothing else')
  }
})

t.test('what it is called', async t => {
  const image = writerOf(t).image('1', ['layer'])
  const digest = String(image.at(-1)?.digest)
  const rows: readonly { annotations: object; tag?: string; name: string | undefined; why: string }[] = [
    { annotations: {}, name: undefined, why: 'nothing: by its digest' },
    { annotations: { [REF_NAME]: '12' }, name: undefined, why: 'a tag alone, as skopeo writes it' },
    { annotations: { [REF_NAME]: 'app:1' }, name: NAME, why: 'a short name' },
    { annotations: { [REF_NAME]: 'Not A:Name' }, name: undefined, why: 'what is no name' },
    {
      annotations: { [REF_NAME]: '1', 'io.containerd.image.name': NAME },
      name: NAME,
      why: 'as containerd names it',
    },
    { annotations: { [REF_NAME]: 'x/y:1' }, tag: 'app:1', name: NAME, why: '--tag' },
  ]
  for (const { annotations, tag, name, why } of rows) {
    const { take, names } = lab(t)
    const [record] = await take(archiveOf(image, annotations), tag === undefined ? {} : { tag })
    t.same([names(), record?.reference], [[name], `store:${name ?? digest}`], why)
  }
  const { take } = lab(t)
  const two = indexOf([{ image }, { image }])
  await t.rejects(take([...archiveOf(image).slice(0, -1), two], { tag: 'app:1' }), {
    code: 'REFERENCE_AMBIGUOUS',
  })
})

t.test('an archive that is cut names nothing, and what came stays', async t => {
  const image = writerOf(t).image('1', ['lower', BIG])
  const bytes = tar(archiveOf(image))
  const indexAt = bytes.length - END_BLOCKS.length - 1024
  for (const at of [0, 1, 511, 512, 600, 1024, 5000, 280_000, indexAt, indexAt + 600]) {
    const { store, take, names } = lab(t)
    await t.rejects(
      take(bytes.subarray(0, at)),
      { code: /ARCHIVE_INCOMPLETE|TAR_TRUNCATED/ },
      `at byte ${at}`,
    )
    t.same(names(), [])
    const part = [...store.partialBlobs()]
    if (at === 5000) t.ok((part[0]?.size ?? 0) > 3000, 'the first bytes of a blob stay')
    await take(bytes)
    t.same([names(), [...store.partialBlobs()]], [[NAME], []], 'the whole archive mends it')
  }
})

t.test('the rest of a blob', async t => {
  const image = writerOf(t).image('1', ['lower', BIG])
  const [lower, upper, ...others] = archiveOf(image) as [Entry, Entry, ...Entry[]]
  const digest = String(image[1]?.digest)
  const rest = (offset: number): Entry => ({ name: archiveName(digest, offset), content: BIG.slice(offset) })
  const rows: readonly { kept: string; from: number; code?: string; why: string }[] = [
    { kept: BIG.slice(0, 100_000), from: 100_000, why: 'right after what is there' },
    { kept: BIG.slice(0, 100_000), from: 90_000, why: 'more came meanwhile' },
    {
      kept: BIG.slice(0, 100_000),
      from: 100_001,
      code: 'REST_MISPLACED',
      why: 'less is there than was said',
    },
    { kept: 'y'.repeat(100_000), from: 100_000, code: 'DIGEST_MISMATCH', why: 'what was there is damaged' },
  ]
  for (const { kept, from, code, why } of rows) {
    const { store, take, names, warnings } = lab(t)
    fs.mkdirSync(path.join(store.root, 'partial'))
    fs.writeFileSync(path.join(store.root, 'partial', digest.replace(':', '-')), kept)
    const archive = [lower, rest(from), ...others]
    if (code === undefined) await take(archive)
    else await t.rejects(take(archive), { code: 'BLOB_MISSING' }, why)
    t.same([names(), warnings], code === undefined ? [[NAME], []] : [[], [code]], why)
    await take([lower, upper, ...others])
    t.same(names(), [NAME], 'the whole blob mends it')
  }
})

t.test('what is refused', async t => {
  const image = writerOf(t).image('1', ['lower', BIG])
  const [lower, upper, config, manifest, index] = archiveOf(image) as [Entry, Entry, Entry, Entry, Entry]
  const rows: readonly { archive: Buffer | Entry[]; code: string; why: string }[] = [
    {
      archive: [{ ...lower, content: 'lowed' }, upper, config, manifest, index],
      code: 'DIGEST_MISMATCH',
      why: 'another blob',
    },
    {
      archive: [lower, { ...upper, content: `y${BIG.slice(1)}` }, config, manifest, index],
      code: 'DIGEST_MISMATCH',
      why: 'another big blob',
    },
    { archive: [upper, config, manifest, index], code: 'BLOB_MISSING', why: 'a blob that is nowhere' },
    { archive: [lower, upper, config, index], code: 'BLOB_MISSING', why: 'no manifest' },
    { archive: [lower, upper, config, manifest], code: 'ARCHIVE_INCOMPLETE', why: 'no index' },
    {
      archive: [lower, upper, config, manifest, index, index],
      code: 'ARCHIVE_INVALID',
      why: 'two indexes: readers would differ',
    },
    {
      archive: [{ name: 'index.json', content: '{' }],
      code: 'LAYOUT_INVALID',
      why: 'an index that is no JSON',
    },
    {
      archive: [{ name: 'index.json', content: '{"manifests":[{"digest":"x"}]}' }],
      code: 'LAYOUT_INVALID',
      why: 'no descriptor',
    },
    { archive: Buffer.from('no tar'.repeat(200)), code: 'TAR_INVALID', why: 'something else' },
  ]
  for (const { archive, code, why } of rows) {
    const { take, names, store } = lab(t)
    await t.rejects(take(archive), { code }, why)
    t.same([names(), [...store.partialBlobs()]], [[], []])
    t.notOk([...store.blobs()].some(({ digest }) => digest === digestOf('lowed')))
  }
})

t.test('an archive that gives another image under a name pinned by digest', async t => {
  const image = writerOf(t).image('1', ['mine'])
  const theirs = `docker.io/library/debian@${digestOf('theirs')}`
  const rows: readonly [annotations: object, tag: string | undefined, why: string][] = [
    [{ [REF_NAME]: theirs }, undefined, 'in the index'],
    [{ 'io.containerd.image.name': theirs }, undefined, "by containerd's annotation"],
    [{}, theirs, 'by --tag'],
  ]
  for (const [annotations, tag, why] of rows) {
    const { take, names, store } = lab(t)
    const options = tag === undefined ? {} : { tag }
    await t.rejects(take(archiveOf(image, annotations), options), { code: 'DIGEST_MISMATCH' }, why)
    t.same(names(), [], `nothing is named: ${why}`)
    const other = writerOf(t).image('2', ['other'])
    if (tag !== undefined) continue
    const both = [
      ...archiveOf(image).slice(0, -1),
      ...archiveOf(other).slice(0, -1),
      indexOf([
        { image, annotations },
        { image: other, annotations: { [REF_NAME]: NAME } },
      ]),
    ]
    const out = await take(both)
    t.match(out, [{ type: 'failed', code: 'DIGEST_MISMATCH' }, { type: 'reference' }], `of several: ${why}`)
    t.same(names(), [NAME], why)
    t.same(store.resolve(theirs), [])
  }
  const { take, names } = lab(t)
  const own = `docker.io/library/app@${image.at(-1)?.digest}`
  await take(archiveOf(image, { [REF_NAME]: own }))
  t.same(names(), [own], 'its own digest')
  const { type: _type, image: _image, path: _path, ...entry } = image.at(-1) as AnyRecord
  const index = JSON.stringify({ schemaVersion: 2, manifests: [entry] })
  const pinned = `docker.io/library/app@${digestOf(index)}`
  const whole = archiveOf(image, { [REF_NAME]: pinned })
  await t.rejects(take(whole), { code: 'DIGEST_MISMATCH' }, 'the digest of an index that does not come')
  await take([{ name: archiveName(digestOf(index)), content: index }, ...whole])
  t.same(names(), [own, pinned], 'of one that comes along')
})

t.test('what is damaged in the store is written anew from the archive', async t => {
  const image = writerOf(t).image('1', ['lower', BIG])
  const whole = archiveOf(image)
  const turned = (good: Buffer, at: number): Buffer => {
    const bytes = Buffer.from(good)
    bytes[at] = Number(good[at]) ^ 1
    return bytes
  }
  const damages: readonly [damage: (good: Buffer) => Buffer, why: string][] = [
    [good => turned(good, 0), 'its first byte'],
    [good => turned(good, good.length - 1), 'its last byte'],
    [good => Buffer.alloc(good.length), 'all of it'],
    [good => good.subarray(1), 'its length'],
  ]
  for (const [damage, why] of damages) {
    for (const { digest, type } of image) {
      const { take, store, names } = lab(t)
      await take(whole)
      const file = store.blobPath(String(digest))
      const good = fs.readFileSync(file)
      fs.writeFileSync(file, damage(good))
      await take(whole, { chunk: 100_000 })
      t.ok(fs.readFileSync(file).equals(good), `${type}: ${why}`)
      t.same(names(), [NAME])
      const inode = fs.statSync(file).ino
      await take(whole)
      t.equal(fs.statSync(file).ino, inode, 'what is right stays as it is')
    }
  }
  const { take, store } = lab(t)
  await take(whole)
  const wrong = whole.map(entry => (entry.content === 'lower' ? { ...entry, content: 'LOWER' } : entry))
  await t.rejects(take(wrong), { code: 'DIGEST_MISMATCH' }, 'an archive that is wrong itself')
  t.equal(String(store.readBlob(digestOf('lower'))), 'lower', 'changes nothing')
})

t.test('what is damaged in the store and not in the archive', async t => {
  const image = writerOf(t).image('1', ['lower'])
  const rows: readonly [type: string, verify: boolean, isSeen: boolean, why: string][] = [
    ['manifest', false, true, 'a manifest'],
    ['config', false, true, 'a config'],
    ['layer', false, false, 'a layer counts by its size'],
    ['layer', true, true, 'a layer, with --verify'],
  ]
  for (const [type, verify, isSeen, why] of rows) {
    const { take, store, names } = lab(t)
    await take(archiveOf(image))
    const digest = String(image.find(record => record.type === type)?.digest)
    const file = store.blobPath(digest)
    fs.writeFileSync(file, Buffer.alloc(fs.statSync(file).size))
    fs.writeFileSync(`${store.root}/index.json`, '{"manifests":[]}')
    const without = archiveOf(image).filter(({ name }) => name !== archiveName(digest))
    const run = take(without, { verify })
    if (isSeen) await t.rejects(run, { code: 'BLOB_MISSING' }, why)
    else await t.resolves(run, why)
    t.same(names(), isSeen ? [] : [NAME], `named: ${why}`)
    t.equal(store.hasBlob(digest), !isSeen, `set aside, so that blob-want asks for it: ${why}`)
  }
})

t.test('of several images each stands alone', async t => {
  const writer = writerOf(t)
  const [one, two] = [writer.image('1', ['one']), writer.image('2', ['two'])]
  const { take, names, store } = lab(t)
  const index = indexOf([
    { image: one, annotations: { [REF_NAME]: 'one:1' } },
    { image: two, annotations: { [REF_NAME]: 'two:1' } },
  ])
  const out = await take([...archiveOf(one).slice(1, -1), ...archiveOf(two).slice(0, -1), index])
  t.match(out, [
    { type: 'failed', code: 'BLOB_MISSING', item: { reference: 'docker.io/library/one:1' } },
    { type: 'reference', reference: 'store:docker.io/library/two:1' },
  ])
  t.same(names(), ['docker.io/library/two:1'])
  const many = writer.index('3', [one, two])
  store.putBytes(Buffer.from('one'))
  await take(archiveOf(many.slice(-1)), { tag: 'many' })
  t.same(names().at(-1), 'docker.io/library/many:latest', 'an index whose images came before')
})

t.test('brings thousands of small blobs that nothing names', async t => {
  const { take, store, warnings, names } = lab(t)
  const image = new RecordWriter(tempDir(t)).image('1', ['layer'])
  const waste = Array.from({ length: 2000 }, (_, number) => {
    const content = `waste ${number}`
    return { name: archiveName(digestOf(Buffer.from(content))), content }
  })
  let flushes = 0
  const { fsyncSync } = fs
  t.teardown(() => Object.assign(fs, { fsyncSync }))
  Object.assign(fs, {
    fsyncSync: (fd: number) => {
      flushes++
      fsyncSync(fd)
    },
  })
  await take([...waste, ...archiveOf(image)])
  t.ok(flushes < 50, `${flushes} flushes`)
  const left = fs.existsSync(path.join(store.root, 'blobs/.partial'))
  t.same(
    [names(), [...store.blobs()].length, left],
    [[NAME], image.length, false],
    'the image is there alone',
  )
  t.same(warnings, ['BLOB_UNNAMED'], 'and it is said')
})

t.test('leaves out large blobs that nothing names, and keeps those of the image', async t => {
  const { take, store, warnings, names } = lab(t)
  const image = new RecordWriter(tempDir(t)).image('1', [randomBytes(400_000).toString('hex'), 'small'])
  const waste = Buffer.from(randomBytes(350_000).toString('hex'))
  const entry = { name: archiveName(digestOf(waste)), content: waste.toString() }
  await take([entry, ...archiveOf(image), entry])
  const partial = fs.readdirSync(path.join(store.root, 'partial'))
  t.same([names(), [...store.blobs()].length, partial], [[NAME], image.length, []], 'the image alone')
  t.same(warnings, ['BLOB_UNNAMED'], 'and it is said')
})

t.test('an archive that is cut leaves the small blobs that came', async t => {
  const { take, store } = lab(t)
  const image = new RecordWriter(tempDir(t)).image('1', ['layer'])
  const whole = tar(archiveOf(image).slice(0, -1))
  await t.rejects(take(whole.subarray(0, -1536)), { code: /TAR_TRUNCATED|ARCHIVE_INCOMPLETE/ })
  t.ok([...store.blobs()].length >= image.length - 1, 'for the next one to leave out')
})
