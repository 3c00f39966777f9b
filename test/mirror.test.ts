// Images from registry to registry, and problems on the way: full disks, other processes in the same store, plans that
// are carried out later.
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { need, runPipe, type Scope, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const LAYER_BYTES = 6 * 1024 * 1024

/** Three images in a registry that share a layer of some size. */
async function withRegistry(t: Scope): Promise<{ readonly place: Lab; readonly host: string }> {
  const place = lab(t)
  const { host } = await startRegistry(t)
  place.write({ 'base/': '' })
  fs.writeFileSync(place.path('base/big'), randomBytes(LAYER_BYTES))
  await place.good('layer-pack --dir base | head -n -1 > base.ndjson')
  for (const name of ['one', 'two', 'three']) {
    place.write({ [`${name}/file`]: `${name}\n` })
    await place.good(
      `(cat base.ndjson; layer-pack --dir ${name}) | manifest-gen -t x/${name}:1 | blob-put docker://${host}/from/${name}:1 > ${name}.ndjson`,
    )
    place.write({ references: `${host}/from/one:1\n${host}/from/two:1\n${host}/from/three:1\n` })
  }
  fs.rmSync(place.store, { recursive: true })
  return { place, host }
}

/** The root digests of the images in a place. */
async function digests(place: Lab, references: string): Promise<string> {
  const { stdout } = await place.good(`img-pull --no-store ${references} | jq -r 'select(.root).digest'`)
  return stdout
}

/**
 * Runs `work` with a file system of this size, in bytes, in the folder `small`; the function that it returns enlarges
 * it.
 */
async function smallDisk(t: Scope, place: Lab, bytes: number): Promise<() => Promise<unknown>> {
  fs.mkdirSync(place.path('small'))
  await runPipe(`mount -t tmpfs -o size=${bytes} tmpfs small`, { cwd: place.dir })
  t.teardown(async () => void (await runPipe('umount small', { cwd: place.dir })))
  return () => runPipe(`mount -o remount,size=${bytes * 10} small`, { cwd: place.dir })
}

t.test('a full disk', { skip: need('root', 'docker-registry', 'jq') }, async t => {
  const rows: readonly { pipe: string; why: string }[] = [
    {
      pipe: 'img-pull --store small/store - < references',
      why: 'a pull into the store',
    },
    {
      pipe: 'img-pull - < references | blob-put oci:small/layout',
      why: 'a layout',
    },
    {
      pipe: 'img-pull - < references | blob-put registry-fs:small/folder',
      why: 'the folder of a registry',
    },
  ]
  for (const { pipe, why } of rows) {
    const { place } = await withRegistry(t)
    const enlarge = await smallDisk(t, place, LAYER_BYTES / 2)
    const full = await place.run(pipe)
    t.equal(full.status, 75, why)
    t.match(full.stderr, /ENOSPC|no space/i, why)
    const named = await runPipe('cat small/*/index.json; find small -path "*_manifests/tags/*"', {
      cwd: place.dir,
    })
    t.notMatch(named.stdout, /ref\.name|tags/, 'nothing is named')
    await enlarge()
    const { stdout } = await place.good(`${pipe} | jq -c 'select(.root).digest'`)
    t.equal(stdout.trim().split('\n').length, 3, 'the same command goes on when there is room')
  }
})

t.test('two pulls of the same images at once', { skip: need('docker-registry', 'jq') }, async t => {
  const { place } = await withRegistry(t)
  await place.good('img-pull - < references > a & img-pull - < references > b && wait $!')
  t.equal(place.tags().length, 3, 'each is named once')
  t.notOk(
    fs.existsSync(place.path('store/partial')) && fs.readdirSync(place.path('store/partial')).length > 0,
  )
  const roots = async (file: string): Promise<string> =>
    (await place.good(`jq -r 'select(.root).digest' < ${file}`)).stdout
  t.equal(await roots('a'), await roots('b'))
  t.equal(await roots('a'), await digests(place, '- < references'))
})

t.test('a store that is collected meanwhile', { skip: need('docker-registry', 'jq') }, async t => {
  const { place, host } = await withRegistry(t)
  await place.good('img-pull - < references > pulled')
  fs.rmSync(place.path('store/blobs/sha256'), { recursive: true })
  await place.good(`blob-put docker://${host}/to/ < pulled`)
  const to = ['one', 'two', 'three'].map(name => `${host}/to/from/${name}:1`).join(' ')
  t.equal(
    await digests(place, to),
    await digests(place, '- < references'),
    'blobs come from where they came from',
  )
  await place.good(`jq -c 'del(.from)' < pulled > without`)
  const lost = await place.run('blob-put oci:out < without')
  t.equal(lost.status, 1)
  t.same(
    lost.records().flatMap(({ type, code }) => (type === 'failed' ? [code] : [])),
    Array(3).fill('BLOB_MISSING'),
    'nowhere else: each image fails for itself',
  )
  t.same(place.tags(place.path('out')), [])
})

t.test('a plan is carried out later, by the same tool', { skip: need('docker-registry', 'jq') }, async t => {
  const { place, host } = await withRegistry(t)
  const other = await startRegistry(t)
  await place.good(
    `img-pull --no-store - < references | blob-put --dry-run docker://${other.host}/copy/ > plan`,
  )
  const actions = async (): Promise<string> =>
    (
      await place.good("jq -r 'select(.type == \"plan\").action' < plan | sort | uniq -c | tr -s ' \\n' ' '")
    ).stdout.trim()
  t.equal(await actions(), '2 mount 10 put', 'what the first image brings is mounted for the others')
  await t.rejects(digests(place, `${other.host}/copy/from/one:1`), 'and nothing was put')
  const cut = await place.run(
    `jq -c 'select(.type != "layer")' < plan | blob-put docker://${other.host}/copy/`,
  )
  t.same(
    [cut.status, cut.records().filter(({ code }) => code === 'BLOB_MISSING').length],
    [1, 3],
    'nor of a plan that lacks parts',
  )
  await place.good(`blob-put docker://${other.host}/copy/ < plan`)
  const copies = ['one', 'two', 'three'].map(name => `${other.host}/copy/from/${name}:1`).join(' ')
  t.equal(await digests(place, copies), await digests(place, '- < references'))
  await place.good(
    `blob-put --dry-run docker://${other.host}/copy/ < plan | jq -c 'select(.type == "plan" or .root)' > again`,
  )
  const again = await place.good("grep '\"plan\"' again | jq -r .action | sort | uniq -c | tr -s ' \\n' ' '")
  t.match(again.stdout, /9 skip/, 'a second time all blobs are there')

  await place.good(`img-pull --no-store - < references | blob-put --dry-run docker://${host}/near/ > plan`)
  t.match(await actions(), /9 mount/, 'in one registry they are mounted')
  await place.good(`blob-put docker://${host}/near/ < plan`)
  t.equal(await digests(place, `${host}/near/from/two:1`), await digests(place, `${host}/from/two:1`))
  t.notOk(
    fs.existsSync(place.path('store/blobs/sha256')) &&
      fs.readdirSync(place.path('store/blobs/sha256')).length > 0,
    'nothing on disk between',
  )
})
