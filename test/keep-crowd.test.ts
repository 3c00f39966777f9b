// Eight writers that pull, build, tag, remove and read, img-gc at random instants, SIGKILL for any process: the store
// stays true, loses no name, and keeps nothing that nobody needs.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { Layout, REF_NAME } from '@pipelayer/layout'
import { mountsBelow, need, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { Crowd, type Operation } from './crowd.js'
import { buildPipe, type Lab, lab } from './lab.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const isFull = process.env.PIPELAYER_TEST_ALL === '1'
/** Pulls and builds. */
const OPERATIONS = isFull ? 300 : 30
const KILLS = isFull ? 200 : 20
const COLLECTIONS = isFull ? 20 : 2
const IMAGES = isFull ? 24 : 6
const BUILDS = 4
const TAR = 'application/vnd.oci.image.layer.v1.tar'

/** Names of images that are sources, with their digests. */
type Sources = ReadonlyMap<string, string>

/** The bytes of a tar of one file. */
function tarOf(place: Lab, name: string, content: Buffer): Buffer {
  fs.writeFileSync(place.path(name), content)
  const { stdout } = spawnSync('tar', ['-c', '--mtime=@0', '-C', place.dir, name], { maxBuffer: 1 << 24 })
  return stdout
}

/** Images `app:N` in the layout `source`: all of them share a layer, and each shares one with some others. */
function makeSources(place: Lab): Sources {
  const layout = Layout.open(place.path('source'), { create: true })
  const put = (content: Buffer | string, mediaType: string) => {
    const { digest, size } = layout.putBytes(Buffer.from(content))
    return { mediaType, digest, size }
  }
  const layer = (name: string, bytes: number) => put(tarOf(place, name, randomBytes(bytes)), TAR)
  const shared = [layer('base', 300_000), ...[0, 1, 2, 3].map(at => layer(`middle${at}`, 100_000))]
  const found = new Map<string, string>()
  for (let at = 0; at < IMAGES; at++) {
    const layers = [shared[0], shared[1 + (at % 4)], layer(`own${at}`, 50_000)]
    const rootfs = { type: 'layers', diff_ids: layers.map(each => each?.digest) }
    const config = put(
      JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs }),
      'application/vnd.oci.image.config.v1+json',
    )
    const mediaType = 'application/vnd.oci.image.manifest.v1+json'
    const manifest = put(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }), mediaType)
    layout.tag(manifest, `docker.io/library/app:${at}`)
    found.set(`app:${at}`, manifest.digest)
  }
  return found
}

/** What is built, by a clean build into another store: the digest for each Dockerfile. */
async function makeBuilds(place: Lab): Promise<readonly string[]> {
  place.write({ 'context/a': 'a'.repeat(20_000), 'context/b': 'b' })
  const digests: string[] = []
  for (let at = 0; at < BUILDS; at++) {
    const from = at % 2 === 0 ? 'scratch' : `oci:${place.path('source')}:docker.io/library/app:${at}`
    place.write({ [`Dockerfile${at}`]: `FROM ${from}\nCOPY a /a${at}\nENV N=${at}\nCOPY b /b\n` })
    const store = place.path('clean')
    await place.good(buildOf(at, 'clean:1'), { env: { PIPELAYER_STORE: store } })
    const entry = Layout.open(store)
      .index()
      .manifests.find(each => each.annotations?.[REF_NAME] === 'docker.io/library/clean:1')
    digests.push(entry?.digest ?? '')
  }
  return digests
}

function buildOf(at: number, name: string): string {
  return `kf-parse Dockerfile${at} | ${buildPipe(`store:${name}`, { run: '--context context', tag: name })}`
}

// What a reader that was killed has unpacked is in the way of the next one.
function readOf(name: string, dir: string): string {
  return `rm -rf ${dir}; img-pull store:${name} | untar ${dir}`
}

async function startServer(t: Test, place: Lab): Promise<string> {
  const server = place.start('registry-serve --listen 127.0.0.1:0 --until-eof oci:source > listening', {
    input: 'open',
    timeoutMs: 900_000,
  })
  t.teardown(async () => {
    server.child.stdin?.end()
    await server.done
  })
  const file = place.path('listening')
  await waitUntil('the registry listens', () =>
    /\n/.test(fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : ''),
  )
  return JSON.parse(fs.readFileSync(file, 'utf8').split('\n')[0] ?? '').address
}

/** Gives the operations: names with `-gone` may be removed again, all others stay. */
function operations(address: string, sources: Sources, builds: readonly string[]) {
  const images = [...sources]
  // Names that are being removed: nobody else removes them.
  const taken = new Set<string>()
  let count = 0
  const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)] as T
  const made = (name: string, digest: string) => ({ name: `docker.io/library/${name}`, digest })
  const source = (): Operation => {
    const [image, digest] = pick(images)
    const number = image.slice('app:'.length)
    const name = `made:${++count}${Math.random() < 0.25 ? '-gone' : ''}`
    const adds = [made(name, digest)]
    // img-pull gives the name of the registry by itself.
    const pulled = { name: `${address}/${image}`, digest }
    const at = count % builds.length
    return pick<() => Operation>([
      () => ({ kind: 'pull', command: `img-pull ${address}/${image}`, adds: [pulled] }),
      () => ({
        kind: 'copy',
        command: `img-pull ${address}/${image} | blob-put store:${name}`,
        adds: [...adds, pulled],
      }),
      () => ({
        kind: 'copy',
        command: `img-pull oci:source:docker.io/library/${image} | blob-put store:${name}`,
        adds,
      }),
      () => ({ kind: 'put', command: `blob-put store:${name} < ${number}.ndjson`, adds }),
      () => ({ kind: 'import', command: `img-import < ${number}.tar`, adds: [made(image, digest)] }),
      () => ({ kind: 'build', command: buildOf(at, name), adds: [made(name, builds[at] ?? '')] }),
    ])()
  }
  return (done: ReadonlyMap<string, string>): Operation => {
    const stays = [...done].filter(([name]) => !name.endsWith('-gone'))
    const goes = [...done.keys()].filter(name => name.endsWith('-gone') && !taken.has(name))
    const roll = Math.random()
    if (roll < 0.1 && stays.length > 0) {
      const [name, digest] = pick(stays)
      const adds = [made(`tagged:${++count}`, digest)]
      return { kind: 'tag', command: `img-tag ${name} tagged:${count}`, adds }
    }
    if (roll < 0.2 && stays.length > 0)
      return { kind: 'read', command: readOf(pick(stays)[0], `read/${++count}`) }
    if (roll < 0.3 && goes.length > 0) {
      const name = pick(goes)
      taken.add(name)
      return { kind: 'remove', command: `img-rm ${name}`, removes: name }
    }
    return { ...source(), counts: true }
  }
}

/** The bytes of the store that are neither blobs that images need, nor the index, nor the folders themselves. */
async function leftOver(place: Lab): Promise<{ readonly left: number; readonly referenced: number }> {
  const usage = (await place.good('img-du')).records().filter(({ type }) => type === 'usage')
  const size = (kinds: (kind: unknown) => boolean): number =>
    usage.filter(({ kind }) => kinds(kind)).reduce((sum, record) => sum + Number(record.size), 0)
  const partial = place.path('store/blobs/.partial')
  const broken = fs.existsSync(partial) ? fs.readdirSync(partial) : []
  return {
    referenced: size(kind => kind === 'blobs'),
    left:
      size(kind => !['blobs', 'other', 'total', 'image'].includes(String(kind))) +
      broken.reduce((sum, name) => sum + fs.statSync(path.join(partial, name)).size, 0),
  }
}

t.test('writers, img-gc and SIGKILL', { skip: need('root', 'tar') || tooLong }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  const sources = makeSources(place)
  const builds = await makeBuilds(place)
  const address = await startServer(t, place)
  for (const image of sources.keys()) {
    const number = image.slice('app:'.length)
    const env = { PIPELAYER_STORE: place.path('source') }
    await place.good(`img-pull store:${image} | tee ${number}.ndjson | img-export > ${number}.tar`, { env })
  }
  place.write({ 'read/': '', 'unpacked/': '' })
  const next = operations(address, sources, builds)
  const crowd = new Crowd(place, {
    writers: 8,
    operations: OPERATIONS,
    kills: KILLS,
    collections: COLLECTIONS,
    next,
  })
  await crowd.work()
  t.comment(
    `${crowd.kills} kills, ${crowd.interrupted.length} operations broken off, ${crowd.collections} collections removed ${crowd.removed} things`,
  )
  t.same(crowd.faults, [], 'what nobody killed ends well')
  await place.good('img-verify --deep')
  await crowd.repeat()
  t.same(crowd.faults, [], 'what was killed ends well when it is done again')
  await place.good('img-verify --deep')
  const names = Layout.open(place.store)
    .index()
    .manifests.map(({ annotations, digest }) => [annotations?.[REF_NAME], digest])
  t.same(names.sort(), [...crowd.names].sort(), 'the store has the names, each with its image, and no other')
  await place.good('img-gc --min-age 0')
  await place.good('img-verify --deep')
  const { left, referenced } = await leftOver(place)
  t.comment(`${left} bytes are left over beside ${referenced}`)
  t.ok(left <= referenced / 100, `${left} bytes are left over`)
  for (const [digest, name] of new Map([...crowd.names].map(([name, digest]) => [digest, name])))
    await place.good(readOf(name, `unpacked/${digest.slice(7, 19)}`))
  t.same(mountsBelow(place.dir), [], 'no mount is left')
})
