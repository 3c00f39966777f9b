import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { collect } from '@pipelayer/records'
import { StoreKit } from '@pipelayer/testkit'
import t from 'tap'
import { imgDu } from '../src/index.js'
import { textForm } from '../src/text.js'

t.test('what takes the space, by kind and by image', async t => {
  const kit = new StoreKit(t)
  const shared = kit.blob('s'.repeat(50_000))
  const config = kit.blob('{}', 'application/vnd.oci.image.config.v1+json')
  const image = (name: string) => {
    const own = kit.blob(name.repeat(20_000))
    const manifest = kit.blob(
      { schemaVersion: 2, config, layers: [shared, own] },
      'application/vnd.oci.image.manifest.v1+json',
    )
    return { own, manifest }
  }
  const [a, b] = [image('a'), image('b')]
  kit.tag(a.manifest, 'docker.io/library/a:1')
  kit.tag(a.manifest, 'docker.io/library/a:2')
  kit.tag(b.manifest)
  const loose = kit.blob('l'.repeat(30_000))
  kit.put('steps/root/one', { 'upper/a': 'a'.repeat(10_000) })
  fs.linkSync(path.join(kit.root, 'steps/root/one/upper/a'), path.join(kit.root, 'steps/root/one/upper/b'))
  kit.put('steps/user-1/two', { 'upper/a': 'a' })
  kit.put('caches/root/x', { a: 'a'.repeat(10_000) })
  kit.put('damaged/sha256-x', 'x')
  fs.mkdirSync(path.join(kit.root, 'git'))

  const disk = (file: string): number =>
    Number(spawnSync('du', ['-s', '--block-size=1', file], { encoding: 'utf8' }).stdout.split('\t')[0])
  const blob = ({ digest }: { digest: string }): number => disk(kit.store.blobPath(digest))
  const records = await collect(imgDu(kit.root))
  const byKind = new Map(records.map(record => [record.kind, record]))
  const kinds = [
    'blobs',
    'unreferenced',
    'steps',
    'caches',
    'damaged',
    'other',
    'total',
    'image',
    'image',
    'image',
  ]
  t.same(
    records.map(({ kind }) => kind),
    kinds,
    'the kinds that there are, then the images',
  )
  const own = (each: typeof a): number => blob(each.own) + blob(each.manifest)
  const common = blob(shared) + blob(config)
  t.match(byKind.get('blobs'), { count: 6, size: own(a) + own(b) + common })
  t.match(byKind.get('unreferenced'), { count: 1, size: blob(loose) })
  t.match(byKind.get('steps'), { count: 2, size: disk(path.join(kit.root, 'steps')) }, 'hard links once')
  t.match(byKind.get('total'), { size: disk(kit.root) }, 'the sum is what du tells')
  const parts = records.filter(({ kind }) => kind !== 'total' && kind !== 'image')
  t.equal(
    parts.reduce((sum, { size }) => sum + Number(size), 0),
    disk(kit.root),
    'and that of the kinds',
  )
  const names = ['docker.io/library/a:1', 'docker.io/library/a:2', undefined]
  for (const [at, record] of records.filter(({ kind }) => kind === 'image').entries()) {
    const each = at < 2 ? a : b
    t.equal(record.reference, names[at])
    t.match(
      record,
      { count: 4, own: own(each), shared: common, size: own(each) + common },
      'two names of one manifest are one image',
    )
  }
})

t.test('the kinds of the manual are all that there are', async t => {
  const kit = new StoreKit(t)
  const manual = fs.readFileSync('README.md', 'utf8')
  const rows = [...manual.matchAll(/^\| (`\w+`.*?) \|/gm)].flatMap(
    ([, cell = '']) => cell.match(/\w+/g) ?? [],
  )
  const areas = rows.filter(kind => !['blobs', 'unreferenced', 'other', 'total'].includes(kind))
  t.equal(areas.length, 13)
  for (const area of areas)
    kit.put(['steps', 'layers', 'caches'].includes(area) ? `${area}/root/x` : `${area}/x`, 'x')
  kit.put('blobs/.partial/x', 'x'.repeat(10_000))
  const usage = await collect(imgDu(kit.root))
  const kinds = usage.map(({ kind }) => kind).filter(kind => kind !== 'other' && kind !== 'total')
  t.same(kinds.sort(), [...areas].sort())
  const other = usage.find(({ kind }) => kind === 'other')
  t.ok(Number(other?.size) >= 10_000, 'blobs in progress are among the others')
})

t.test('a layout that is not whole', async t => {
  const kit = new StoreKit(t)
  t.same(await collect(imgDu(path.join(kit.root, 'none'))), [], 'a store that does not exist has nothing')
  const image = kit.image('a')
  kit.tag(image, 'docker.io/library/a:1')
  for (const digest of image.parts.slice(1)) fs.rmSync(kit.store.blobPath(digest))
  const records = await collect(imgDu(kit.root))
  t.match(records.at(-1), { kind: 'image', count: 1 }, 'blobs that are missing take no space')
  fs.writeFileSync(kit.store.blobPath(image.digest), 'altered')
  t.equal(
    (await collect(imgDu(kit.root))).at(-1)?.count,
    1,
    'of a damaged manifest nothing but itself is known',
  )
  fs.writeFileSync(path.join(kit.root, 'index.json'), '{"schema')
  await t.rejects(collect(imgDu(kit.root)), { code: 'LAYOUT_INVALID' })
})

t.test('a terminal gets two tables', async t => {
  const form = textForm()
  const usage = { type: 'usage', count: 2, size: 1500 }
  const records = [
    { ...usage, kind: 'blobs' },
    { ...usage, kind: 'image', digest: `sha256:${'a'.repeat(64)}`, own: 500, shared: 1000 },
    {
      ...usage,
      kind: 'image',
      reference: 'docker.io/library/a:1',
      digest: `sha256:${'b'.repeat(64)}`,
      own: 1,
      shared: 0,
    },
  ]
  for (const record of records) t.equal(form.record(record), '')
  t.same(form.end({ type: 'end' }).split('\n'), [
    'KIND    COUNT    SIZE',
    'blobs       2   1.5kB',
    '',
    'IMAGE    DIGEST                BLOBS    OWN   SHARED    SIZE',
    '<none>   sha256:aaaaaaaaaaaa       2   500B      1kB   1.5kB',
    'a:1      sha256:bbbbbbbbbbbb       2     1B       0B   1.5kB',
    '',
  ])
})
