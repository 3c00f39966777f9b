import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { areas } from '../src/areas.js'
import { defaultStorePath, holdStore, Store, touch } from '../src/index.js'

const HELLO = Buffer.from('hello\n')
// printf 'hello\n' | sha256sum
const HELLO_DIGEST = 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'

t.test('every area stands in the table of the README, and no other one', async t => {
  const readme = fs.readFileSync(path.join(process.cwd(), 'README.md'), 'utf8')
  const folders = [...readme.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, cell = '']) => [
    ...cell.matchAll(/`(\w+)\//g),
  ])
  const named = folders.map(([, name]) => name).filter(name => name !== 'blobs')
  t.same(named.sort(), [...areas].sort())
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
  const note = path.join(store.root, 'packed', hex, 'gzip-6.json')
  for (const file of [note, store.blobPath(record.digest)]) {
    fs.utimesSync(file, 1, 1)
    store.getPacked(`sha256:${hex}`, 'gzip-6')
    t.ok(fs.statSync(file).mtimeMs > 1000, 'a record that is used is marked, with its blob')
  }
  fs.writeFileSync(note, '{')
  t.equal(store.getPacked(`sha256:${hex}`, 'gzip-6'), undefined, 'a damaged note is no note')
  t.throws(() => store.getPacked(`sha256:${hex}`, '../x'), { code: 'STORE_NAME' })
  const names = (env: Record<string, string>) => defaultStorePath(env)
  t.equal(names({ PIPELAYER_STORE: '/a', HOME: '/h' }), '/a')
  t.equal(names({ XDG_DATA_HOME: '/x', HOME: '/h' }), '/x/pipelayer')
  t.equal(names({ HOME: '/h' }), '/h/.local/share/pipelayer')
  t.throws(() => names({}), { code: 'STORE_UNKNOWN' })
})

t.test('touch() marks what is used, and never fails', async t => {
  const dir = t.testdir({ file: 'x', folder: {} })
  for (const name of ['file', 'folder']) {
    fs.utimesSync(path.join(dir, name), 1, 1)
    const before = Date.now()
    touch(path.join(dir, name))
    t.ok(fs.statSync(path.join(dir, name)).mtimeMs >= before - 1, name)
  }
  t.doesNotThrow(() => touch(path.join(dir, 'none')), 'what is gone is made again by whoever needs it')
  t.doesNotThrow(() => touch('/proc/self/status'), 'what cannot be marked')
  t.notOk(fs.existsSync(path.join(dir, 'none')))
})

t.test('holdStore() keeps garbage collection away', async t => {
  const dir = t.testdir({ other: { file: 'x' } })
  const root = path.join(dir, 'store')
  const alone = (): Promise<Store | undefined> => Store.openAlone(root, { waitMs: 0 })
  holdStore(root, {})
  holdStore(path.join(dir, 'other'), {})
  holdStore(undefined, {})
  t.same(fs.readdirSync(dir), ['other'], 'no store is made')
  t.same(fs.readdirSync(path.join(dir, 'other')), ['file'], 'what is no store is left alone')
  Store.open(root).endLease()
  const collecting = await alone()
  t.ok(collecting, 'nobody has it')
  collecting?.endLease()
  holdStore(undefined, { PIPELAYER_STORE: root })
  await t.rejects(alone(), { code: 'STORE_BUSY', status: 75 })
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
