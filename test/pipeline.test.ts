// The pipes of the README, with only our own programs and loopback.
import fs from 'node:fs'
import path from 'node:path'
import { collect } from '@pipelayer/records'
import { compareTrees, mountTable, need, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { dockerfile, writeContext } from './context.js'
import { buildInProcess } from './in-process.js'
import { buildPipe, lab } from './lab.js'

const BUILD = `kf-parse context/Dockerfile | ${buildPipe('oci:out:1', { run: '--context context' })}`

t.test(
  'a Dockerfile becomes an image, comes back as a tree and runs',
  { skip: need('root', 'runc') },
  async t => {
    const place = lab(t)
    const mounts = mountTable()
    writeContext(place, dockerfile())
    const built = await place.good(BUILD)
    t.same(place.tags(place.path('out')), ['1'])
    const manifest = built.records().find(({ type }) => type === 'manifest')
    t.match(manifest, { root: true, reference: 'docker.io/library/app:1', platform: { os: 'linux' } })

    await place.good('img-pull oci:out:1 | untar tree')
    t.equal(fs.readFileSync(place.path('tree/srv/made'), 'utf8'), 'value\n')
    t.equal(fs.readFileSync(place.path('tree/srv/sub/b'), 'utf8'), 'b\n')
    t.notOk(fs.existsSync(place.path('tree/usr/share/doc')), 'what RUN removed is gone')
    const { stdout } = await place.good(
      `img-pull oci:out:1 | bundle-gen --rootfs tree bundle >&2 && runc run --bundle bundle pipelayer-test-${process.pid}`,
    )
    t.equal(stdout, 'value\n')
    t.same(mountTable(), mounts, 'no mount is left')
  },
)

t.test(
  'a second, unchanged build executes nothing and gives the same digest',
  { skip: need('root') },
  async t => {
    const place = lab(t)
    writeContext(place, dockerfile('RUN echo executed >&2'))
    const first = await place.good(BUILD)
    const second = await place.good(BUILD)
    t.match(first.stderr, /: executed$/m)
    t.notMatch(second.stderr, /: executed$/m)
    t.equal(digestOf(second.records()), digestOf(first.records()))
    place.write({ 'context/files/a': 'changed\n' })
    const third = await place.good(BUILD)
    t.match(third.stderr, /: executed$/m, 'a changed file is another input')
  },
)

t.test('the same stages in one process give the same image', { skip: need('root') }, async t => {
  const epoch = 1_600_000_000
  const [processes, one] = [lab(t, { SOURCE_DATE_EPOCH: String(epoch) }), lab(t)]
  for (const place of [processes, one]) writeContext(place, dockerfile())
  const piped = (await processes.good(BUILD)).records().slice(0, -1)
  const place = {
    context: one.path('context'),
    store: one.store,
    tag: 'app:1',
    place: `oci:${one.path('out')}:1`,
  }
  const joined = await collect(buildInProcess({ ...place, sourceDateEpoch: epoch }))
  const essence = (records: readonly Record<string, unknown>[]): unknown[] =>
    records.map(({ type, digest }) => [type, digest])
  t.same(essence(joined), essence(piped))
  t.same(one.tags(one.path('out')), ['1'])
})

t.test('a tree, packed and unpacked, is the same tree', { skip: need('root') }, async t => {
  const place = lab(t)
  await place.good(`bash -c '
    mkdir -p tree/dir/empty tree/late && cd tree && umask 022
    echo text > file; ln file hard; ln -s ../outside link; ln -s /absolute abs; mkfifo fifo; mknod null c 1 3
    chmod 4711 file; chown 12345:4000000 link dir; touch -d @1234567890 dir/empty; touch -hd @-5 link
    printf x > "$(printf "caf\\351")"; printf y > "new
line"; printf z > "$(printf "%0200d" 7)"; truncate -s 3M sparse
    mkdir -p "$(printf "%0120d/%0120d" 1 2)"; setfattr -n user.note -v "a b" dir; : > .hidden; : > -dash'`)
  for (const compression of ['gzip', 'zstd', 'none']) {
    await place.good(
      `layer-pack --dir tree --compress ${compression} | manifest-gen -t t:1 | untar out-${compression}`,
    )
    t.same(compareTrees(place.path('tree'), place.path(`out-${compression}`)), [], compression)
  }
})

t.test('lists of references, prefixes and concatenated streams', async t => {
  const place = lab(t)
  place.write({ 'one/file': '1', 'two/file': '2' })
  for (const name of ['one', 'two'])
    await place.good(`layer-pack --dir ${name} | manifest-gen -t ${name}:1 | blob-put oci:${name}-layout:1`)
  place.write({ 'list.txt': '# both\noci:one-layout:1\n\noci:two-layout:1\n' })
  const listed = await place.good('img-pull - < list.txt')
  t.equal(listed.records().filter(({ root }) => root === true).length, 2, 'two images')
  const joined = await place.good(
    '(img-pull oci:one-layout:1; img-pull oci:two-layout:1) | manifest-gen --streams 2 --index -t both:1 | blob-put oci:both:1',
  )
  const index = joined.records().find(({ type }) => type === 'index')
  t.match(index, { root: true })
  t.equal(
    (await place.run('(img-pull oci:one-layout:1; img-pull oci:two-layout:1) | blob-put oci:none:1')).status,
    1,
    'a second stream must be announced',
  )
})

t.test('an unfinished image behind a whole one, and one name for both', async t => {
  const place = lab(t)
  place.write({ 'base/file': '1', 'tree/file': '2' })
  await place.good('layer-pack --dir base | manifest-gen -t base:1 | blob-put store:base:1')
  const both = '{ img-pull store:base:1; layer-pack --dir tree; }'
  const rows: readonly [pipe: string, name: string, why: string][] = [
    ['manifest-gen --streams 2 -t c:1 | blob-put store:c:1', 'c:1', 'a tag and a place'],
    ['manifest-gen --streams 2 -t d:1 | blob-put store:', 'd:1', 'a tag alone'],
    ['manifest-gen --streams 2 | blob-put store:e:1', 'e:1', 'a place alone'],
    ['blob-put --streams 2 store:f:1', 'f:1', 'a place, and no manifest for the second'],
  ]
  for (const [pipe, name, why] of rows) {
    t.equal((await place.run(`${both} | ${pipe}`)).status, 1, why)
    t.equal((await place.run(`img-pull store:${name}`)).status, 1, `nothing has the name: ${why}`)
  }
})

t.test('a registry that asks for a password', { skip: need('docker-registry', 'htpasswd') }, async t => {
  const place = lab(t)
  const user = { name: 'user', password: 'pass:word' }
  const { host } = await startRegistry(t, { user })
  place.write({ 'tree/file': 'x' })
  const put = `layer-pack --dir tree | manifest-gen -t x:1 | blob-put docker://${host}/a/x:1`
  const refused = await place.run(put)
  t.equal(refused.status, 1, refused.stderr)
  t.match(refused.stderr, /^blob-put: .*(401|UNAUTHORIZED)/im)
  const auth = Buffer.from(`${user.name}:${user.password}`).toString('base64')
  place.write({ 'docker/config.json': JSON.stringify({ auths: { [host]: { auth } } }) })
  const env = { DOCKER_CONFIG: place.path('docker') }
  await place.good(put, { env })
  await place.good(`img-pull docker://${host}/a/x:1 | untar out`, { env })
  t.equal(fs.readFileSync(path.join(place.dir, 'out/file'), 'utf8'), 'x')
})

function digestOf(records: readonly Record<string, unknown>[]): unknown {
  return records.find(({ type }) => type === 'manifest')?.digest
}
