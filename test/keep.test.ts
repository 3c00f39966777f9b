// The tools that keep the local store: img-gc, img-verify and img-du as programs, beside programs that write.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Store } from '@pipelayer/store'
import { isAlive, need, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { lab } from './lab.js'
import { holders, inStore, NAME, unname, withImages } from './store-lab.js'

/** How often img-gc is killed. */
const KILLS = process.env.PIPELAYER_TEST_ALL === '1' ? 200 : 10

t.test('an image without a name goes, and no other', async t => {
  const place = await withImages(t, 2)
  await place.good('img-import < 0.tar')
  await place.good('img-import < 1.tar')
  const usage = (await place.good('img-du')).records()
  const own = usage.find(({ reference }) => reference === `${NAME}:0`)?.own
  unname(place, `${NAME}:0`)
  const young = await place.good('img-gc')
  t.same(
    young.records(),
    [{ type: 'end', tool: 'img-gc', records: 0, failed: 0 }],
    'it is younger than a day',
  )
  const before = await place.good('img-du')
  const dry = (await place.good('img-gc --dry-run --min-age 0')).records()
  const real = (await place.good('img-gc --min-age 0')).records()
  const garbage = real.filter(({ type }) => type === 'garbage')
  t.equal(garbage.length, 3, 'its manifest, its config and its own layer')
  t.same(
    dry.map(({ digest }) => digest),
    real.map(({ digest }) => digest),
  )
  const total = (records: Record<string, unknown>[]): number =>
    Number(records.find(({ kind }) => kind === 'total')?.size)
  const freed = garbage.reduce((sum, { size }) => sum + Number(size), 0)
  t.equal(freed, own, 'as much as no other image needs')
  const after = (await place.good('img-du')).records()
  t.equal(total(before.records()) - total(after), freed, 'img-du tells that this became free')
  const du = spawnSync('du', ['-s', '--block-size=1', place.store], { encoding: 'utf8' }).stdout
  t.equal(total(after), Number.parseInt(du, 10), 'and what du tells')
  t.match((await place.good('img-verify --deep')).records(), [
    { type: 'verified', reference: `${NAME}:1`, blobs: 4, faults: 0 },
    { type: 'end', records: 1, failed: 0 },
  ])
})

t.test('wrong options are refused before anything is removed', async t => {
  const place = await withImages(t, 1)
  await place.good('img-import < 0.tar')
  const rows = [
    '--min-age 1',
    '--min-age=-1h',
    '--min-age x',
    '--keep-bytes x',
    '--keep-bytes 1.5.2GB',
    'NAME',
  ]
  for (const options of rows) {
    const { status, stderr } = await place.run(`img-gc ${options}`)
    t.equal(status, 2, `${options}: ${stderr}`)
  }
  const sizes = ['0', '500MB', '1.5GiB', '20 gb', '7k']
  for (const size of sizes) await place.good(`img-gc --min-age 0h --dry-run --keep-bytes '${size}'`)
  t.equal(fs.readdirSync(path.join(place.store, 'blobs/sha256')).length, 4)
})

t.test('programs that use the store are named, and new ones wait', async t => {
  const place = await withImages(t, 1)
  await place.good('img-import < 0.tar')
  const running = place.start('img-import', { input: 'open' })
  await waitUntil('img-import has the lease', () => holders(place) > 0)
  const { status, stderr, stdout } = await place.run('img-gc --min-age 0 --wait 0')
  t.equal(status, 75)
  t.match(stderr, /is used by img-import \(pid \d+\): try again/)
  t.match(stdout, /"code":"STORE_BUSY"/)
  running.child.stdin?.end()
  await running.done
  await place.good('img-gc --min-age 0 --wait 0')
  const alone = await Store.openAlone(place.store, { waitMs: 10_000 })
  const waiting = place.start('img-verify')
  await waitUntil('img-verify waits', () => holders(place) > 1)
  t.ok(isAlive(waiting.pid))
  alone?.endLease()
  t.equal((await waiting.done).status, 0)
})

t.test('where locks cannot be taken, nothing is removed', async t => {
  const place = await withImages(t, 1)
  await place.good('img-import < 0.tar')
  unname(place, `${NAME}:0`)
  place.write({
    'no-koffi.cjs': `const Module = require('node:module')
const load = Module._load
Module._load = (name, ...rest) => {
  if (name.includes('koffi')) throw new Error('no koffi here')
  return load(name, ...rest)
}`,
  })
  const env = { NODE_OPTIONS: `--require ${place.path('no-koffi.cjs')}` }
  const { status, stderr } = await place.run('img-gc --min-age 0', { env })
  t.equal(status, 1)
  t.match(stderr, /nobody knows what other programs use \[LEASE_UNAVAILABLE\]/)
  t.equal((await place.good('img-gc --min-age 0 --dry-run', { env })).records().length, 5, 'a dry run works')
})

t.test('a build finds what img-gc has left of its cache', { skip: need('root', 'setpriv') }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  place.write({ Dockerfile: 'FROM scratch\nCOPY f /\nCOPY g /\n', 'context/f': 'f', 'context/g': 'g' })
  const build = async (): Promise<{ manifest: unknown; executed: number }> => {
    const { stdout, stderr } = await place.good(
      'kf-parse Dockerfile | kf-run --context context | ovl-diff | layer-pack | manifest-gen -t app:1 | blob-put store:app:1',
    )
    const manifest = stdout.split('\n').find(line => line.startsWith('{"type":"manifest"')) ?? '{}'
    return {
      manifest: (JSON.parse(manifest) as { digest?: unknown }).digest,
      executed: stderr.split('\n').filter(line => /COPY/.test(line) && !line.includes('(cached)')).length,
    }
  }
  const first = await build()
  t.equal(first.executed, 2)
  const steps = path.join(place.store, 'steps/root')
  const notes = fs.readdirSync(steps).map(key => {
    const note = fs.readFileSync(path.join(steps, key, 'step.json'), 'utf8')
    return { key, below: (JSON.parse(note) as { below: unknown[] }).below }
  })
  const [base, top] = notes.toSorted((a, b) => a.below.length - b.below.length)
  t.same([base?.below, top?.below], [[], [`steps/root/${base?.key}`]], 'a step says what it was executed on')
  const old = new Date(Date.now() - 48 * 3_600_000)
  const age = (key = ''): void => {
    const files = fs.readdirSync(path.join(place.store, 'packed', key)).map(name => `packed/${key}/${name}`)
    for (const file of [`steps/root/${key}`, `packed/${key}`, ...files])
      fs.utimesSync(path.join(place.store, file), old, old)
  }
  age(base?.key)
  await place.good('img-gc')
  t.equal(fs.readdirSync(steps).length, 2, 'what a step in use was executed on stays')
  for (const { key } of notes) age(key)
  t.same(await build(), { ...first, executed: 0 }, 'a warm build')
  await place.good('img-gc')
  t.equal(fs.readdirSync(steps).length, 2, 'which marks its steps as used')
  for (const { key } of notes) age(key)
  await place.good('img-gc')
  t.same(fs.readdirSync(steps), [], 'what no build used for a day goes')
  await place.good('img-verify --deep')
  t.same(await build(), first, 'a later build executes it anew')
})

t.test('a damaged blob is set aside, and the next pull heals it', { skip: need('jq') }, async t => {
  const place = await withImages(t, 2)
  await place.good('img-import < 0.tar')
  await place.good('img-import < 1.tar')
  const [layer = ''] = fs
    .readdirSync(path.join(place.store, 'blobs/sha256'))
    .map(name => path.join(place.store, 'blobs/sha256', name))
    .filter(file => fs.statSync(file).size === 64 * 1024)
  fs.writeFileSync(layer, Buffer.alloc(64 * 1024, 1))
  const verified = await place.run('img-verify app:0')
  t.equal(verified.status, 1)
  t.match(verified.stderr, /DIGEST_MISMATCH/)
  const broken = await place.run(`img-verify --repair | jq -r 'select(.type == "failed").image'`)
  t.same(broken.statuses, [1, 0])
  t.same(broken.stdout.trim().split('\n'), [`${NAME}:0`, `${NAME}:1`], 'both images that have the layer')
  t.notOk(fs.existsSync(layer))
  await place.good('img-import < 0.tar')
  await place.good('img-verify --deep')
})

t.test('a read-only store can be told about, and is not changed', { skip: need('root') }, async t => {
  const place = await withImages(t, 1)
  await place.good('img-import < 0.tar')
  unname(place, `${NAME}:0`)
  spawnSync('mount', ['--bind', place.store, place.store])
  spawnSync('mount', ['-o', 'remount,bind,ro', place.store])
  const { status, stderr } = await place.run('img-gc --min-age 0')
  t.equal(status, 75)
  t.match(stderr, /lease": the file system is read-only \[EROFS\]/)
  const dry = await place.good('img-gc --dry-run --min-age 0')
  t.equal(dry.records().filter(({ type }) => type === 'garbage').length, 4)
  for (const tool of ['img-verify', 'img-du', 'img-verify --deep']) await place.good(tool)
})

t.test('two at once remove everything once', async t => {
  const place = await withImages(t, 1)
  await place.good('img-import < 0.tar')
  inStore(place, store => {
    for (let at = 0; at < 500; at++) store.putBytes(Buffer.from(`loose ${at}`))
  })
  fs.mkdirSync(path.join(place.store, 'steps/root/one/upper'), { recursive: true })
  const results = await Promise.all([1, 2, 3].map(() => place.good('img-gc --min-age 0 --wait 60')))
  const removed = results.flatMap(result => result.records()).filter(({ removed: is }) => is === true)
  t.equal(removed.length, 501, 'loose blobs and a step, and nothing twice')
  t.equal(new Set(removed.map(({ path: file }) => file)).size, 501)
  await place.good('img-verify')
})

t.test('killed at any instant beside writers, it leaves a store that is true', async t => {
  const place = await withImages(t, 3)
  await place.good('img-import < 0.tar')
  const started = Date.now()
  await place.good('img-gc --min-age 0')
  const usualMs = Date.now() - started
  let isOver = false
  const writer = async (at: number): Promise<void> => {
    while (!isOver) {
      await place.good(`img-import < ${at}.tar`)
      // Its blobs become garbage, which the next round may need again.
      if (!isOver) unname(place, `${NAME}:${at}`)
    }
  }
  const writers = [1, 2].map(writer)
  let killed = 0
  for (let round = 0; round < KILLS; round++) {
    inStore(place, store => {
      for (let at = 0; at < 50; at++) store.putBytes(randomBytes(1000))
    })
    const step = path.join(place.store, 'steps/root', randomBytes(32).toString('hex'))
    for (let at = 0; at < 20; at++) fs.mkdirSync(path.join(step, 'upper', String(at)), { recursive: true })
    const running = place.start('exec img-gc --min-age 0 --wait 60 --keep-bytes 0')
    const timer = setTimeout(
      () => {
        killed++
        process.kill(-running.pid, 'SIGKILL')
      },
      usualMs * (0.3 + Math.random()),
    )
    await running.done
    clearTimeout(timer)
    t.ok(place.tags().includes(`${NAME}:0`), 'no name is lost')
  }
  isOver = true
  await Promise.all(writers)
  t.comment(`${killed} of ${KILLS} were killed`)
  await place.good('img-verify --deep')
  await place.good('img-gc --min-age 0')
  const kinds = (await place.good('img-du')).records().map(({ kind }) => kind)
  for (const kind of ['unreferenced', 'steps', 'tmp'])
    t.notOk(kinds.includes(kind), `no ${kind} are left over`)
  await place.good('img-verify --deep')
})
