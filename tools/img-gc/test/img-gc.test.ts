import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type Digest, digestOf, encodedOf } from '@pipelayer/digest'
import { type AnyRecord, collect, type GarbageRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ownedName } from '@pipelayer/sys'
import { LONG_AGO, NOW, StoreKit } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgGcOptions, imgGc } from '../src/index.js'

const DAY_MS = 24 * 3_600_000

function gc(kit: StoreKit, options: Partial<ImgGcOptions> = {}): Promise<AnyRecord[]> {
  return collect(imgGc({ root: kit.root, minAgeMs: DAY_MS, waitMs: 0, now: NOW, ...options }))
}

function garbageIn(records: readonly AnyRecord[]): GarbageRecord[] {
  return records.filter(({ type }) => type === 'garbage') as GarbageRecord[]
}

function failedIn(records: readonly AnyRecord[]): unknown[] {
  return records.filter(({ type }) => type === 'failed').map(({ code }) => code)
}

function left(kit: StoreKit, digests: readonly Digest[]): boolean[] {
  return digests.map(digest => kit.has(digest))
}

const hexOf = (text: string): string => encodedOf(digestOf(text))

t.test('blobs stay as long as something needs them', async t => {
  const kit = new StoreKit(t)
  const named = kit.image('named')
  kit.tag(named, 'docker.io/library/a:1')
  const nameless = kit.image('nameless')
  kit.tag(nameless)
  const child = kit.image('child')
  const absent = { ...child, digest: digestOf('a platform that was not pulled') }
  const index = kit.index([child, absent])
  const outer = kit.index([index])
  kit.tag(outer, 'docker.io/library/b:1')
  const signature = kit.image('signature', { subject: named })
  const ofSignature = kit.image('of the signature', { subject: signature })
  const lostSubject = kit.image('lost', {})
  const lostSignature = kit.image('lost signature', { subject: lostSubject })
  const lostIndex = kit.index([lostSubject])
  const loose = kit.blob('a layer of no image')
  const fresh = kit.blob('written now')
  kit.age(fresh.digest === undefined ? '' : kit.store.blobPath(fresh.digest), NOW)
  const freshImage = kit.image('to be named soon')
  kit.age(kit.store.blobPath(freshImage.digest), NOW)

  const kept = [named, nameless, child, signature, ofSignature, freshImage].flatMap(({ parts }) => parts)
  const gone = [...lostSubject.parts, ...lostSignature.parts, lostIndex.digest, loose.digest]
  const before = kit.names()
  const planned = await gc(kit, { dryRun: true })
  t.ok(left(kit, gone).every(Boolean), 'a dry run removes nothing')
  t.ok(
    garbageIn(planned).every(({ removed }) => !removed),
    'and says so',
  )
  const records = await gc(kit)
  t.ok(
    left(kit, [...kept, index.digest, outer.digest, fresh.digest]).every(Boolean),
    'what is needed is there',
  )
  t.notOk(left(kit, gone).some(Boolean), 'all else is gone')
  t.same(kit.names(), before, 'names are as they were')
  const removed = garbageIn(records).map(({ digest }) => digest)
  t.same([...removed].sort(), [...new Set(gone)].sort(), 'a record for each')
  t.same(
    garbageIn(planned).map(({ digest }) => digest),
    removed,
    'which the dry run told',
  )
  t.ok(
    removed.indexOf(lostIndex.digest) < removed.indexOf(lostSubject.digest),
    'an index goes before its manifests',
  )
  t.ok(
    removed.indexOf(lostSubject.digest) < removed.indexOf(lostSubject.parts[2]),
    'a manifest goes before its layers',
  )
  t.ok(
    garbageIn(records).every(({ size, reason, removed: is }) => size > 0 && reason === 'unreferenced' && is),
    'with the bytes of disk that it took, and why',
  )
  t.same(await gc(kit), [], 'and nothing is left to do')
})

t.test('an index that a name pins stays, since it proves what the name stands for', async t => {
  const kit = new StoreKit(t)
  const [here, elsewhere] = [kit.image('here'), kit.image('of another platform')]
  const index = kit.index([here, elsewhere])
  kit.tag(here, `docker.io/library/a@${index.digest}`)
  await gc(kit)
  t.ok(kit.has(index.digest))
  t.notOk(kit.has(elsewhere.digest), 'its other manifests are not needed for that')
  t.equal(kit.store.resolve(`docker.io/library/a@${index.digest}`).length, 1, 'the name is still found')
})

t.test('a manifest that cannot be read keeps all blobs', async t => {
  const rows: readonly { why: string; code: string; spoil: (kit: StoreKit, file: string) => void }[] = [
    { why: 'altered', code: 'MANIFEST_DAMAGED', spoil: (_, file) => fs.writeFileSync(file, 'altered') },
    { why: 'short', code: 'MANIFEST_DAMAGED', spoil: (_, file) => fs.truncateSync(file, 10) },
    { why: 'missing', code: 'MANIFEST_MISSING', spoil: (_, file) => fs.rmSync(file) },
    {
      why: 'a device',
      code: 'MANIFEST_DAMAGED',
      spoil: (_, file) => {
        fs.rmSync(file)
        fs.symlinkSync('/dev/zero', file)
      },
    },
    {
      why: 'a FIFO',
      code: 'MANIFEST_DAMAGED',
      spoil: (_, file) => {
        fs.rmSync(file)
        spawnSync('mkfifo', [file])
      },
    },
    {
      why: 'larger than any manifest',
      code: 'MANIFEST_DAMAGED',
      spoil: (_, file) => fs.truncateSync(file, 5 * 1024 * 1024),
    },
  ]
  for (const { why, code, spoil } of rows) {
    const kit = new StoreKit(t)
    const image = kit.image('a')
    kit.tag(image, 'docker.io/library/a:1')
    const loose = kit.blob('loose')
    const step = kit.put(`steps/root/${hexOf('old')}`, { 'step.json': '{}' })
    spoil(kit, kit.store.blobPath(image.digest))
    const records = await gc(kit)
    t.same(failedIn(records), [code], why)
    t.ok(left(kit, [...image.parts.slice(1), loose.digest]).every(Boolean), `${why}: blobs stay`)
    t.notOk(fs.existsSync(step), `${why}: the build cache is collected all the same`)
    kit.store.updateIndex(index => ({ ...index, manifests: [] }))
    t.same(failedIn(await gc(kit)), [], `${why}: without its name`)
    t.notOk(kit.has(loose.digest), `${why}: blobs go again`)
  }
  const kit = new StoreKit(t)
  const child = kit.image('child')
  kit.tag(kit.index([child]), 'docker.io/library/a:1')
  const file = kit.store.blobPath(child.digest)
  fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('layers', 'lagers'))
  t.equal(await kit.store.proveBlob(child), false)
  kit.age(path.join(kit.root, 'damaged', child.digest.replace(':', '-')), NOW)
  t.same(failedIn(await gc(kit)), ['MANIFEST_MISSING'], 'one of an index that was set aside')
  t.ok(left(kit, child.parts.slice(1)).every(Boolean))
})

t.test('an index.json that cannot be read stops everything', async t => {
  const rows = [
    ['{"schemaVersion":2,"manifests":[{"med', 'cut'],
    ['', 'empty'],
    ['[]', 'no object'],
    ['{"manifests":[{"digest":1}]}', 'no descriptor'],
  ] as const
  for (const [text, why] of rows) {
    const kit = new StoreKit(t)
    const loose = kit.blob('loose')
    const step = kit.put(`steps/root/${hexOf('old')}`, { 'step.json': '{}' })
    fs.writeFileSync(path.join(kit.root, 'index.json'), text)
    await t.rejects(gc(kit), { code: 'LAYOUT_INVALID' }, why)
    t.ok(kit.has(loose.digest) && fs.existsSync(step), `${why}: nothing is removed`)
  }
})

t.test('what is no file of a blob is left alone', async t => {
  const kit = new StoreKit(t)
  const link = path.join(kit.root, 'blobs/sha256', hexOf('link'))
  fs.symlinkSync('/etc/passwd', link)
  const folder = kit.put(`blobs/sha256/${hexOf('folder')}`, { a: '1' })
  const text = kit.put('blobs/sha256/README', 'no digest')
  t.same(await gc(kit), [])
  t.ok(fs.lstatSync(link).isSymbolicLink() && fs.existsSync(folder) && fs.existsSync(text))
})

t.test('the build cache goes when it was not used for long', async t => {
  const kit = new StoreKit(t)
  const layer = kit.blob('a packed layer')
  const fetched = kit.blob('a file of the web')
  const other = kit.blob('a packed layer of a step in use')
  const old = [
    kit.put(`steps/root/${hexOf('step')}`, { 'step.json': '{}', 'upper/a': 'a' }),
    kit.put(`packed/${hexOf('step')}/gzip.json`, JSON.stringify({ type: 'layer', ...layer })),
    kit.put(`layers/root/${hexOf('layer')}`, { 'usr/a': 'a' }),
    kit.put(`caches/root/${hexOf('cache')}`, { a: 'a' }),
    kit.put(`caches/root/${hexOf('cache')}.lock`, ''),
    kit.put(`git/${hexOf('git')}`, { HEAD: 'ref' }),
    kit.put(`git/${hexOf('git')}.lock`, ''),
    kit.put(`http/${hexOf('http')}.json`, JSON.stringify(fetched)),
    kit.put(`contexts/${hexOf('context')}`, ''),
    kit.put(`contexts/${hexOf('context')}.trees`, ''),
    kit.put(`partial/sha256-${hexOf('partial')}`, 'half'),
    kit.put(`pushes/${hexOf('push')}`, 'https://x'),
    kit.put(`damaged/sha256-${hexOf('damaged')}`, 'bad'),
    kit.put('tmp/run.x', { a: 'a' }),
    kit.put('blobs/.partial/blob.x', 'half'),
  ]
  kit.age(path.join(kit.root, 'packed', hexOf('step')))
  fs.symlinkSync(digestOf('step'), path.join(kit.root, 'steps/root', `${hexOf('before')}.current`))
  fs.lutimesSync(path.join(kit.root, 'steps/root', `${hexOf('before')}.current`), LONG_AGO, LONG_AGO)
  const base = kit.put(`layers/root/${hexOf('base')}`, { 'usr/a': 'a' })
  const below = kit.put(`steps/root/${hexOf('below')}`, {
    'step.json': JSON.stringify({ below: [`layers/root/${hexOf('base')}`] }),
  })
  const used = kit.put(`steps/root/${hexOf('used')}`, {
    'step.json': JSON.stringify({ below: [`steps/root/${hexOf('below')}`, 'nowhere'] }),
  })
  kit.put(`packed/${hexOf('used')}/gzip.json`, JSON.stringify({ type: 'layer', ...other }))
  kit.age(used, NOW)

  const records = await gc(kit)
  t.same(failedIn(records), [])
  t.same(
    old.filter(file => fs.existsSync(file)),
    [],
    'all that is old is gone',
  )
  t.same(fs.readdirSync(path.join(kit.root, 'steps/root')).sort(), [hexOf('below'), hexOf('used')].sort())
  t.notOk(kit.has(layer.digest) || kit.has(fetched.digest), 'with the blobs that only it needed')
  t.ok(fs.existsSync(below) && fs.existsSync(base), 'a step in use keeps what it was executed on')
  t.ok(kit.has(other.digest), 'and its layer')
  t.same(fs.readdirSync(path.join(kit.root, 'tmp')), [], 'nothing is left of the work')
  const kinds = garbageIn(records).map(({ kind }) => kind)
  t.same([...new Set(kinds)].sort(), [
    'blob',
    'cache',
    'context',
    'damaged',
    'git',
    'http',
    'layer',
    'partial',
    'push',
    'step',
    'temporary',
  ])
  t.ok(kinds.lastIndexOf('step') < kinds.indexOf('blob'), 'what names a blob goes before it')
})

t.test('--keep-bytes keeps what was used last', async t => {
  const kit = new StoreKit(t)
  const sizes = ['a', 'b', 'c', 'd'].map((name, at) => {
    const file = kit.put(`caches/root/${hexOf(name)}`, { x: 'x'.repeat(100_000) })
    kit.age(file, new Date(LONG_AGO.getTime() + at * 3_600_000))
    return file
  })
  const there = (): boolean[] => sizes.map(file => fs.existsSync(file))
  t.same(garbageIn(await gc(kit, { keepBytes: 1e9 })), [], 'all of it fits, although it is old')
  const told = garbageIn(await gc(kit, { keepBytes: 250_000, dryRun: true }))
  t.same(
    told.map(({ reason }) => reason),
    ['over-limit', 'over-limit'],
  )
  await gc(kit, { keepBytes: 250_000 })
  t.same(there(), [false, false, true, true], 'the ones that were used longest ago go')
  await gc(kit, { keepBytes: 0, minAgeMs: 30 * DAY_MS })
  t.same(there(), [false, false, true, true], 'what is younger than the least age stays')
  await gc(kit, { keepBytes: 0 })
  t.same(there(), [false, false, false, false])
  for (const name of ['e', 'f'])
    kit.age(kit.put(`caches/root/${hexOf(name)}`, { x: 'x'.repeat(100_000) }), NOW)
  const left = (): number => fs.readdirSync(path.join(kit.root, 'caches/root')).length
  await gc(kit, { keepBytes: 150_000 })
  t.equal(left(), 2, 'both are young')
  await gc(kit, { keepBytes: 150_000, minAgeMs: 0 })
  t.equal(left(), 1, 'without a least age, no more than that is left, however young')
})

t.test('--keep-bytes counts the blobs that only the build cache needs, and what a step needs', async t => {
  const kit = new StoreKit(t)
  const layer = kit.blob('x'.repeat(100_000))
  kit.put(`packed/${hexOf('one')}/gzip.json`, JSON.stringify({ type: 'layer', ...layer }))
  kit.age(path.join(kit.root, 'packed', hexOf('one')))
  await gc(kit, { keepBytes: 90_000 })
  t.notOk(kit.has(layer.digest), 'a packed layer')
  const below = kit.put(`steps/root/${hexOf('below')}`, { 'upper/x': 'x'.repeat(100_000) })
  const above = kit.put(`steps/root/${hexOf('above')}`, {
    'step.json': JSON.stringify({ below: [`steps/root/${hexOf('below')}`] }),
  })
  kit.age(above, new Date(LONG_AGO.getTime() + 3_600_000))
  const records = await gc(kit, { keepBytes: 90_000 })
  t.same(
    garbageIn(records).map(({ path: file }) => path.basename(file)),
    [hexOf('above'), hexOf('below')],
    'a step does not stay without what it was executed on, and goes first',
  )
  t.notOk(fs.existsSync(below))
})

t.test('steps of which only layers are left go together', async t => {
  const kit = new StoreKit(t)
  const cut = new Date(NOW.getTime() - DAY_MS)
  for (const [name, seconds] of [
    ['first', -30],
    ['second', 30],
  ] as const) {
    const file = kit.put(`packed/${hexOf(name)}/gzip.json`, '{"type":"layer","empty":true}')
    for (const each of [file, path.dirname(file)]) kit.age(each, new Date(cut.getTime() + seconds * 1000))
  }
  t.same(await gc(kit), [], 'one of them is younger than a day')
  t.equal(garbageIn(await gc(kit, { now: new Date(NOW.getTime() + 60_000) })).length, 2, 'none is')
})

t.test('what a process that is gone was working on goes, however young', async t => {
  const kit = new StoreKit(t)
  const mine = kit.store.tempDir('step')
  // No process has that number: it is larger than any.
  const left = path.join(kit.root, 'tmp', ownedName('step', 'x').replace(`.${process.pid}.`, '.4194304.'))
  for (const folder of [left, mine]) {
    fs.mkdirSync(folder, { recursive: true })
    kit.age(folder, NOW)
  }
  t.match(await gc(kit), [{ type: 'garbage', kind: 'temporary', path: left, reason: 'left-behind' }])
  t.ok(fs.existsSync(mine), 'a process that lives keeps its own')
  kit.age(mine)
  t.match(await gc(kit), [{ kind: 'temporary', path: mine, reason: 'unused' }], 'until it is old')
})

t.test('other programs work while the folders are emptied', async t => {
  const kit = new StoreKit(t)
  for (const name of ['one', 'two']) kit.put(`steps/root/${hexOf(name)}`, { 'upper/a': 'a' })
  const running = imgGc({ root: kit.root, minAgeMs: 0, waitMs: 0, now: NOW })
  t.match(await running.next(), { value: { type: 'garbage', kind: 'step', removed: true } })
  t.same(fs.readdirSync(path.join(kit.root, 'steps/root')), [], 'both are out of the way')
  const bin = path.join(kit.root, 'tmp', fs.readdirSync(path.join(kit.root, 'tmp'))[0] ?? '')
  t.equal(fs.readdirSync(bin).length, 1, 'and one is not emptied yet')
  const other = await Store.openAlone(kit.root, { waitMs: 0 })
  t.ok(other, 'the lease is free')
  other?.endLease()
  t.match(await running.next(), { value: { removed: true } })
  await running.next()
  t.same(fs.readdirSync(path.join(kit.root, 'tmp')), [])
})

t.test('a tool that works with the store is waited for', async t => {
  const kit = new StoreKit(t)
  const loose = kit.blob('loose')
  const user = Store.open(kit.root)
  await t.rejects(gc(kit), { code: 'STORE_BUSY', status: 75 })
  t.ok(kit.has(loose.digest), 'nothing is removed')
  t.equal(garbageIn(await gc(kit, { dryRun: true })).length, 1, 'a dry run need not wait')
  const waiting = gc(kit, { waitMs: 60_000 })
  user.endLease()
  t.equal(garbageIn(await waiting).length, 1, 'it goes on when the tool has ended')
  const aborter = new AbortController()
  const other = Store.open(kit.root)
  const stopped = gc(kit, { waitMs: 60_000, signal: aborter.signal })
  aborter.abort()
  await t.rejects(stopped, { name: 'AbortError' })
  other.endLease()
})

t.test('what cannot be removed is told, and the rest goes', async t => {
  const kit = new StoreKit(t)
  const tree = kit.put(`steps/root/${hexOf('step')}`, { 'upper/a': 'a' })
  const loose = kit.blob('loose')
  // An immutable directory refuses root, as a directory of another user refuses an ordinary user.
  const steps = path.dirname(tree)
  const { rename } = { rename: fs.renameSync }
  t.teardown(() => {
    fs.renameSync = rename
  })
  fs.renameSync = (from, to) => {
    if (String(from).startsWith(steps)) throw Object.assign(new Error('EACCES: refused'), { code: 'EACCES' })
    rename(from, to)
  }
  const asked: string[] = []
  const records = await gc(kit, {
    removeAsOwner: async trees => {
      asked.push(...trees)
    },
  })
  t.same(failedIn(records), ['GARBAGE_KEPT'])
  t.same(asked, [tree])
  t.ok(fs.existsSync(tree))
  t.notOk(kit.has(loose.digest))
  const again = await gc(kit, {
    removeAsOwner: async trees => {
      for (const each of trees) fs.rmSync(each, { recursive: true })
    },
  })
  t.same(failedIn(again), [], 'the owner can remove it')
  t.ok((garbageIn(again)[0]?.size ?? 0) > 0)
})

t.test('a store that does not exist has no garbage', async t => {
  const kit = new StoreKit(t)
  const root = path.join(kit.root, 'none')
  for (const options of [{}, { dryRun: true }, { keepBytes: 0 }])
    t.same(await gc(kit, { root, ...options }), [], JSON.stringify(options))
  t.notOk(fs.existsSync(root), 'and is not made')
})
