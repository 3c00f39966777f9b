import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import t from 'tap'
import { defaultStorePath, Layout, Store } from '../src/index.js'

const HELLO = Buffer.from('hello\n')
// printf 'hello\n' | sha256sum
const HELLO_DIGEST = 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'
const MEDIA = 'application/vnd.oci.image.manifest.v1+json'
const descriptor = (digest = HELLO_DIGEST) => ({ mediaType: MEDIA, digest, size: 6 })

const walk = (dir: string): string[] =>
  fs
    .readdirSync(dir, { recursive: true, withFileTypes: true })
    .map(e => path.relative(dir, path.join(e.parentPath ?? e.path, e.name)))
    .sort()

t.test('Layout.open(): makes, opens and refuses', async t => {
  const dir = t.testdir({
    file: 'x',
    foreign: { 'readme.txt': '' },
    v2: { 'oci-layout': '{"imageLayoutVersion":"2.0.0"}' },
  })
  t.throws(() => Layout.open(`${dir}/absent`), { code: 'LAYOUT_MISSING' }, 'nothing is made unless asked')
  const layout = Layout.open(`${dir}/new/deep`, { create: true })
  t.same(walk(layout.root), ['blobs', 'blobs/sha256', 'index.json', 'oci-layout'], 'nothing but a layout')
  t.equal(fs.readFileSync(`${layout.root}/oci-layout`, 'utf8'), '{"imageLayoutVersion":"1.0.0"}')
  t.same(layout.index().manifests, [])
  t.equal(Layout.open(`${dir}/new/deep`).root, layout.root, 'opens what it made')
  t.throws(
    () => Layout.open(`${dir}/foreign`, { create: true }),
    { code: 'LAYOUT_INVALID', message: /readme.txt/ },
    'a folder of something else stays as it is',
  )
  t.throws(() => Layout.open(`${dir}/v2`), { code: 'LAYOUT_INVALID', message: /2\.0\.0/ })
  t.throws(() => Layout.open(`${dir}/file/x`, { create: true }), { code: 'ENOTDIR' })
})

t.test('blobWriter(): whole or not at all', async t => {
  const layout = Layout.open(`${t.testdir()}/l`, { create: true })
  const blobs = () => walk(`${layout.root}/blobs/sha256`)
  const writer = layout.blobWriter()
  writer.write(HELLO.subarray(0, 2))
  t.same(blobs(), [], 'nothing is seen before commit')
  writer.write(HELLO.subarray(2))
  t.same(writer.commit(), {
    digest: HELLO_DIGEST,
    size: 6,
    path: `${layout.root}/blobs/${HELLO_DIGEST.replace(':', '/')}`,
  })
  writer.abort()
  t.equal(fs.statSync(layout.blobPath(HELLO_DIGEST)).mode & 0o777, 0o644)
  const bad = [
    { expected: { digest: HELLO_DIGEST, size: 5 }, code: 'SIZE_MISMATCH', why: 'more bytes than said' },
    { expected: { digest: HELLO_DIGEST, size: 7 }, code: 'SIZE_MISMATCH', why: 'fewer bytes than said' },
    {
      expected: { digest: `sha256:${'0'.repeat(64)}`, size: 6 },
      code: 'DIGEST_MISMATCH',
      why: 'other bytes than said',
    },
  ]
  for (const { expected, code, why } of bad) {
    await t.rejects(
      layout.putBlob(
        (async function* () {
          yield HELLO
        })(),
        expected,
      ),
      { code },
      why,
    )
    t.same(blobs(), [HELLO_DIGEST.slice(7)], `${why}: nothing new`)
  }
  await t.rejects(
    layout.putBlob(
      (async function* () {
        yield HELLO
        throw new Error('source')
      })(),
    ),
    /source/,
  )
  t.notOk(
    fs.existsSync(`${layout.root}/blobs/.partial`),
    'the folder of partial blobs is gone with the last of them',
  )
  const sha512 = `sha512:${createHash('sha512').update(HELLO).digest('hex')}`
  t.match(
    await layout.putBlob(HELLO, { digest: sha512, size: 6 }),
    { digest: sha512 },
    'the algorithm of the expected digest',
  )
  t.ok(layout.hasBlob(sha512, 6))
})

t.test('reading: what is damaged or missing is said', async t => {
  const layout = Layout.open(`${t.testdir()}/l`, { create: true })
  layout.putBytes(HELLO)
  t.same(layout.readBlob(HELLO_DIGEST), HELLO)
  t.throws(() => layout.readBlob(HELLO_DIGEST, 5), { code: 'SIZE_INVALID' })
  t.throws(() => layout.readBlob(`sha256:${'1'.repeat(64)}`), { code: 'BLOB_UNKNOWN' })
  t.throws(
    () => layout.blobPath('sha256:../../etc/passwd'),
    { code: 'DIGEST_INVALID' },
    'CVE-2024-3727: a digest as a path',
  )
  fs.writeFileSync(layout.blobPath(HELLO_DIGEST), 'jello\n')
  t.throws(() => layout.readBlob(HELLO_DIGEST), { code: 'DIGEST_MISMATCH' })
  fs.writeFileSync(layout.blobPath(HELLO_DIGEST), '')
  t.notOk(layout.hasBlob(HELLO_DIGEST, 6), 'an empty file left by a power cut does not count')
  t.match(layout.putBytes(HELLO), { size: 6 })
  t.ok(layout.hasBlob(HELLO_DIGEST, 6), 'and is healed by the next put')
  fs.writeFileSync(layout.blobPath(HELLO_DIGEST), 'jello\n')
  layout.putBytes(HELLO)
  t.same(layout.readBlob(HELLO_DIGEST), HELLO, 'damage of the same length too')
  const inode = (): number => fs.statSync(layout.blobPath(HELLO_DIGEST)).ino
  const [before, expected] = [inode(), { digest: HELLO_DIGEST, size: 6 }]
  layout.putBytes(HELLO, expected)
  t.equal(inode(), before, 'what is there is not written again')
  fs.writeFileSync(layout.blobPath(HELLO_DIGEST), 'jello\n')
  layout.putBytes(HELLO, expected)
  t.same(layout.readBlob(HELLO_DIGEST), HELLO, 'unless it was damaged: what comes from elsewhere mends it')
  t.throws(() => layout.putBytes(HELLO, { ...expected, size: 5 }), { code: 'SIZE_MISMATCH' })
  for (const [text, why] of [
    ['{', 'not JSON'],
    ['[]', 'an array'],
    ['{"manifests":{}}', 'manifests no array'],
    ['{"manifests":[{}]}', 'no descriptor'],
    ['{"manifests":[{"mediaType":"a","digest":"sha256:zz","size":1}]}', 'bad digest'],
  ] as const) {
    fs.writeFileSync(`${layout.root}/index.json`, text)
    t.throws(() => layout.index(), { code: 'LAYOUT_INVALID' }, why)
  }
  fs.writeFileSync(`${layout.root}/index.json`, '{"manifests":null}')
  t.same(layout.index().manifests, [], 'null manifests is an empty layout (umoci 0.5.1)')
})

t.test('tag(): names move, entries stay, unknown fields stay', async t => {
  const layout = Layout.open(`${t.testdir()}/l`, { create: true })
  const other = `sha256:${'2'.repeat(64)}`
  const names = () =>
    layout
      .index()
      .manifests.map(
        m => `${m.annotations?.['org.opencontainers.image.ref.name'] ?? '-'} ${m.digest.slice(7, 9)}`,
      )
  fs.writeFileSync(
    `${layout.root}/index.json`,
    JSON.stringify({ schemaVersion: 2, manifests: [], custom: { a: 1 } }),
  )
  layout.tag(descriptor())
  layout.tag(descriptor())
  t.same(names(), ['- 58'], 'a nameless entry once')
  layout.tag(descriptor(), 'a')
  t.same(names(), ['a 58'], 'a name takes the nameless entry over')
  layout.tag(descriptor(other), 'b')
  layout.tag(descriptor(other), 'a')
  t.same(names(), ['b 22', 'a 22'], 'a name points to one thing')
  t.equal(layout.resolve('a')[0]?.digest, other)
  t.equal(layout.resolve(other).length, 2, 'by digest')
  t.same(layout.resolve('absent'), [])
  t.same(layout.index().custom, { a: 1 })
  const { mtimeNs, ino } = fs.statSync(`${layout.root}/index.json`, { bigint: true })
  layout.tag(descriptor(other), 'a')
  t.same(
    [
      fs.statSync(`${layout.root}/index.json`, { bigint: true }).mtimeNs,
      fs.statSync(`${layout.root}/index.json`, { bigint: true }).ino,
    ],
    [mtimeNs, ino],
    'no change, no write',
  )
})

/** Puts an index with these digests as entries into the layout. */
function indexOf(layout: Layout, digests: readonly string[], more: object = {}): string {
  const manifests = digests.map(digest => ({ mediaType: MEDIA, digest, size: 6 }))
  return layout.putBytes(Buffer.from(JSON.stringify({ schemaVersion: 2, manifests, ...more }))).digest
}

t.test('a name pinned by digest stands for that digest alone', async t => {
  const layout = Layout.open(`${t.testdir()}/l`, { create: true })
  const other = `sha256:${'2'.repeat(64)}`
  const mediaType = 'application/vnd.oci.image.index.v1+json'
  const index = indexOf(layout, [HELLO_DIGEST])
  const nested = layout.putBytes(
    Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [{ mediaType, digest: index, size: 1 }] })),
  ).digest
  const both = indexOf(layout, [HELLO_DIGEST], { layers: [] })
  const gone = indexOf(layout, [HELLO_DIGEST], { annotations: { gone: 'yes' } })
  fs.rmSync(layout.blobPath(gone))
  const damaged = indexOf(layout, [other], { annotations: { damaged: 'yes' } })
  fs.copyFileSync(layout.blobPath(index), layout.blobPath(damaged))
  const rows: readonly [pin: string, stands: boolean, why: string][] = [
    [HELLO_DIGEST, true, 'its own digest'],
    [other, false, 'another digest'],
    [`sha512:${'2'.repeat(128)}`, false, 'a digest of another algorithm'],
    [`md5:${'2'.repeat(32)}`, false, 'a digest that nobody here can check'],
    [index, true, 'an index that is here and lists it'],
    [nested, true, 'an index of an index that lists it'],
    [indexOf(layout, [other]), false, 'an index that does not list it'],
    [gone, false, 'an index that is not here'],
    [damaged, false, 'an index that was overwritten by one that lists it'],
    [both, false, 'a document that is an index and a manifest at once'],
  ]
  for (const [pin, stands, why] of rows) {
    for (const name of [`h.example/app@${pin}`, `h.example/app:1@${pin}`]) {
      fs.writeFileSync(`${layout.root}/index.json`, '{"manifests":[]}')
      if (stands) layout.tag(descriptor(), name)
      else t.throws(() => layout.tag(descriptor(), name), { code: 'DIGEST_MISMATCH', message: pin }, why)
      t.equal(layout.index().manifests.length, stands ? 1 : 0, `written: ${why}`)
      const annotations = { 'org.opencontainers.image.ref.name': name }
      const planted = { manifests: [{ ...descriptor(), annotations }] }
      fs.writeFileSync(`${layout.root}/index.json`, JSON.stringify(planted))
      t.equal(layout.resolve(name).length, stands ? 1 : 0, `read: ${why}`)
    }
  }
  const annotations = { 'org.opencontainers.image.ref.name': other }
  const planted = { manifests: [{ ...descriptor(), annotations }] }
  fs.writeFileSync(`${layout.root}/index.json`, JSON.stringify(planted))
  t.same(layout.resolve(other), [], 'a digest as the name of something else')
  t.throws(() => layout.tag(descriptor(), other), { code: 'DIGEST_MISMATCH' }, 'nor is it written')
  layout.tag(descriptor(), 'debian:12')
  t.equal(layout.resolve('debian:12').length, 1, 'a tag is no digest, whatever it looks like')
})

t.test('tag(): eight processes at once lose nothing, killed ones leave nothing', async t => {
  const dir = t.testdir()
  const layout = Layout.open(`${dir}/l`, { create: true })
  const script = `${dir}/tagger.mjs`
  await build({
    stdin: {
      contents: `import { Layout } from '@pipelayer/store'
        const [,, root, who] = process.argv
        const layout = Layout.open(root)
        for (let i = 0; i < 20; i++) layout.tag({ mediaType: '${MEDIA}', digest: '${HELLO_DIGEST}', size: 6 }, who + '-' + i)
        layout.blobWriter().write(Buffer.alloc(10)); process.kill(process.pid, 'SIGKILL')`,
      resolveDir: process.cwd(),
    },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@pipelayer/source'],
    external: ['koffi'],
    logLevel: 'warning',
    banner: { js: "import{createRequire as __r}from'node:module';const require=__r(process.cwd()+'/x');" },
  })
  const { status } = spawnSync(
    'sh',
    ['-c', `for i in 1 2 3 4 5 6 7 8; do node ${script} ${layout.root} $i & done; wait`],
    { stdio: 'inherit' },
  )
  t.equal(status, 0)
  t.equal(layout.index().manifests.length, 160)
  t.ok(
    fs.readdirSync(`${layout.root}/blobs/.partial`).length > 0,
    'the killed writers left their partial blobs',
  )
  layout.blobWriter().abort()
  Layout.open(layout.root).blobWriter().abort()
  t.notOk(fs.existsSync(`${layout.root}/blobs/.partial`), 'the next writer sweeps them')
})

t.test('Store: beside the blobs', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const hex = 'a'.repeat(64)
  t.equal(store.layerPath('root', `sha256:${hex}`), `${store.root}/layers/root/${hex}`)
  t.equal(store.stepPath('user-0a1b', `sha256:${hex}`), `${store.root}/steps/user-0a1b/${hex}`)
  t.throws(() => store.stepPath('../x', `sha256:${hex}`), { code: 'STORE_NAME' })
  const temp = store.tempDir('step')
  t.same(fs.readdirSync(temp), [])
  t.equal(fs.statSync(temp).mode & 0o777, 0o700, 'CVE-2024-25621: nobody else reads it')
  t.equal(store.getPacked(`sha256:${hex}`, 'gzip-6'), undefined)
  const record = { type: 'layer', digest: HELLO_DIGEST, size: 6, mediaType: 'm' }
  store.putPacked(`sha256:${hex}`, 'gzip-6', record)
  t.equal(store.getPacked(`sha256:${hex}`, 'gzip-6'), undefined, 'not while its blob is missing')
  store.putBytes(HELLO)
  t.same(store.getPacked(`sha256:${hex}`, 'gzip-6'), record)
  t.same([...store.listPacked(`sha256:${hex}`)], [['gzip-6', record]])
  t.same([...store.listPacked(`sha256:${hex.replaceAll(/./g, '0')}`)], [], 'nothing of another step')
  fs.writeFileSync(`${store.root}/packed/${hex}/gzip-6.json`, '{')
  t.equal(store.getPacked(`sha256:${hex}`, 'gzip-6'), undefined, 'a damaged note is no note')
  t.throws(() => store.getPacked(`sha256:${hex}`, '../x'), { code: 'STORE_NAME' })
  const names = (env: Record<string, string>) => defaultStorePath(env)
  t.equal(names({ PIPELAYER_STORE: '/a', HOME: '/h' }), '/a')
  t.equal(names({ XDG_DATA_HOME: '/x', HOME: '/h' }), '/x/pipelayer')
  t.equal(names({ HOME: '/h' }), '/h/.local/share/pipelayer')
  t.throws(() => names({}), { code: 'STORE_UNKNOWN' })
})

t.test('proveBlob(): what is damaged is set aside, what is right stays', async t => {
  const store = Store.open(`${t.testdir()}/s`)
  const expected = { digest: HELLO_DIGEST, size: 6 }
  t.notOk(await store.proveBlob(expected), 'a blob that is not there')
  store.putBytes(HELLO)
  t.ok(await store.proveBlob(expected))
  t.ok(await store.isIntact(expected))
  t.notOk(await store.proveBlob({ ...expected, size: 5 }), 'a record that says another size')
  t.ok(store.hasBlob(HELLO_DIGEST), 'does not take away what is right')
  const rows: readonly [content: string, why: string][] = [
    ['jello\n', 'a bit that turned'],
    ['hell', 'a file that was cut'],
    ['', 'a file that a power cut left empty'],
  ]
  for (const [content, why] of rows) {
    fs.writeFileSync(store.blobPath(HELLO_DIGEST), content)
    t.notOk(await store.isIntact(expected), why)
    t.ok(fs.existsSync(store.blobPath(HELLO_DIGEST)), `only looked at: ${why}`)
    t.notOk(await store.proveBlob(expected), why)
    t.notOk(store.hasBlob(HELLO_DIGEST), `it counts as missing: ${why}`)
    t.equal(fs.readFileSync(`${store.root}/damaged/${HELLO_DIGEST.replace(':', '-')}`, 'utf8'), content, why)
    store.putBytes(HELLO)
    t.ok(await store.proveBlob(expected), `and is put again: ${why}`)
  }
})

t.test('uploadState(): one upload at a time, for the owner alone', async t => {
  const store = Store.open(`${t.testdir()}/store`)
  const state = store.uploadState(['h:5000', 'a/b', HELLO_DIGEST])
  const same = store.uploadState(['h:5000', 'a/b', HELLO_DIGEST])
  const other = store.uploadState(['h:5000', 'a', HELLO_DIGEST])
  t.equal(state.take(), true)
  t.equal(same.take(), false, 'another upload of the same blob leaves it alone')
  t.equal(other.take(), true)
  t.equal(state.load(), undefined)
  state.save('https://h/up?secret')
  t.equal(other.load(), undefined)
  state.release()
  t.equal(same.take(), true)
  t.equal(same.load(), 'https://h/up?secret')
  for (const name of fs.readdirSync(`${store.root}/pushes`))
    t.equal(fs.statSync(`${store.root}/pushes/${name}`).mode & 0o077, 0, `${name} is private`)
  same.clear()
  t.equal(same.load(), undefined)
  for (const each of [same, other]) each.release()
})

t.test('a full disk is said, and nothing is published', async t => {
  // /dev/full fails every write with ENOSPC, so a layout whose blobs go there acts as a full disk, without a mount.
  const layout = Layout.open(`${t.testdir()}/l`, { create: true })
  const writer = layout.blobWriter()
  const real = fs.writeSync
  t.teardown(() => {
    fs.writeSync = real
  })
  const full = fs.openSync('/dev/full', 'w')
  fs.writeSync = ((_fd: number, bytes: Buffer) => real(full, bytes)) as typeof fs.writeSync
  t.throws(() => writer.write(HELLO), { code: 'ENOSPC', status: 75, message: /no space left on device/ })
  fs.writeSync = real
  writer.abort()
  t.same(walk(`${layout.root}/blobs/sha256`), [])
})
