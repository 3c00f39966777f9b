// The folder of a real Docker engine: what it built, pulled and loaded is read while it runs, and what is written while it
// does not run is listed, inspected, run and pushed by it.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import {
  childrenOf,
  type DockerEngine,
  inSystem,
  need,
  startDocker,
  startRegistry,
  tempDir,
  waitUntil,
} from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const isAll = process.env.PIPELAYER_TEST_ALL === '1'
const skip = need('root', 'dockerd', 'docker', 'busybox', 'docker-registry', 'skopeo', 'setfattr', 'jq')
/** The root folder of a system with a newer Docker, as `scripts/bench --peers` takes it. */
const PEERS = process.env.PIPELAYER_TEST_PEERS ?? '/srv/sid'
/** How often a write is killed. */
const KILLS = isAll ? 25 : 3
/** Files of the image that is killed while it is written. */
const FILES = 300

/** A Dockerfile whose steps leave what a layer can have; each is an image, `built:N`. */
const STEPS = [
  'FROM scratch\nCOPY bin /bin',
  'FROM built:0\nRUN mkdir -p /d/sub && echo 1 > /d/one && echo 2 > /d/sub/two && ln -s one /d/link',
  'FROM built:1\nRUN rm /d/one && rm -r /d/sub',
  'FROM built:1\nRUN rm -r /d && mkdir /d && echo new > /d/new',
  'FROM built:0\nRUN echo x > /a && ln /a /b && ln /a /c && chmod 4755 /a',
  `FROM built:0\nRUN mkdir -p /${'long/'.repeat(40)} && echo x > /${'long/'.repeat(40)}${'n'.repeat(120)}`,
  'FROM built:0\nRUN dd if=/dev/zero of=/sparse bs=1 count=1 seek=3000000 && dd if=/dev/zero of=/zeros bs=1M count=2',
  'FROM built:0\nADD special.tar /',
  `FROM built:0\nRUN i=0; while [ $i -lt 40 ]; do i=$((i+1)); mkdir -p /many/$i; echo $i > /many/$i/file; done`,
  'FROM built:2\nENV A=b\nLABEL c=d\nWORKDIR /new/folder\nRUN echo 3 > three\nUSER 1:2\nCMD ["/bin/sh", "-c", "cat three"]',
]

interface World {
  readonly place: Lab
  /** A folder for the engine, which it keeps over restarts. */
  readonly dir: string
  readonly system: string | undefined
}

/** What an engine builds from: a busybox, and an archive with the entries that no Dockerfile makes. */
function prepare(t: Test, system?: string): World {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  place.write({ 'context/bin/': '', 'special/': '' })
  fs.copyFileSync('/bin/busybox', place.path('context/bin/busybox'))
  for (const name of ['sh', 'mkdir', 'ln', 'rm', 'dd', 'cat', 'chmod', 'echo'])
    fs.symlinkSync('busybox', place.path('context/bin', name))
  const file = place.path('special/caf\xe9')
  fs.writeFileSync(Buffer.from(file, 'latin1'), 'not UTF-8\n')
  place.write({ 'special/attributes': 'y\n', 'special/<&>': 'z\n' })
  spawnSync('setfattr', ['-n', 'security.capability', '-v', CAPABILITY, place.path('special/attributes')])
  spawnSync('mkfifo', [place.path('special/fifo')])
  const packed = spawnSync('tar', [
    '--xattrs',
    '--xattrs-include=*',
    '-cf',
    place.path('context/special.tar'),
    '-C',
    place.path('special'),
    '.',
  ])
  if (packed.status !== 0) throw new Error(String(packed.stderr))
  return { place, dir: tempDir(t, 'engine'), system }
}

/** cap_net_raw, effective and permitted. */
const CAPABILITY = '0x0100000200200000000000000000000000000000'

const dockerOf = ({ host }: DockerEngine): string => `docker -H ${host}`

/** Builds the images, pulls, loads, imports and commits others; returns the names of all. */
async function fill(t: Test, { place }: World, engine: DockerEngine): Promise<string[]> {
  const docker = dockerOf(engine)
  const names: string[] = []
  for (const [index, text] of STEPS.entries()) {
    place.write({ 'context/Dockerfile': `${text}\n` })
    await place.good(`${docker} build -q --network host -t built:${index} context`, {
      env: { DOCKER_BUILDKIT: '0' },
    })
    names.push(`built:${index}`)
  }
  const { host } = await startRegistry(t)
  // The registry gets layers of ours, compressed in another way than by Docker.
  await place.good(
    'layer-pack --dir context --compress zstd | manifest-gen -t zstd:1 | blob-put store:zstd:1',
  )
  await place.good(
    'layer-pack --dir context | manifest-gen --cmd \'["/bin/cat"]\' -t gzip:1 | blob-put store:gzip:1',
  )
  await place.good(`img-pull store:gzip:1 | blob-put docker://${host}/team/gzip:1`)
  await place.good(`${docker} pull -q ${host}/team/gzip:1`)
  await place.good(`${docker} tag ${host}/team/gzip:1 pulled:1`)
  await place.good('img-pull store:gzip:1 | blob-put docker-archive:g.tar:loaded:1')
  await place.good(`${docker} load -q -i g.tar`)
  await place.good('tar -cf tree.tar -C special .')
  await place.good(`${docker} import tree.tar imported:1`)
  await place.good(`${docker} create --name box built:1 /bin/sh && ${docker} cp context/special.tar box:/d/`)
  await place.good(`${docker} commit box committed:1 && ${docker} rm box`)
  return [...names, 'pulled:1', 'loaded:1', 'imported:1', 'committed:1']
}

/** The digest of the image that a place has, all of whose blobs were read and checked: the store of the command is new. */
async function digestOf(place: Lab, text: string): Promise<string> {
  const dir = place.path('new-store')
  fs.rmSync(dir, { recursive: true, force: true })
  const pulled = await place.good(`img-pull --no-tag ${text}`, { env: { PIPELAYER_STORE: dir } })
  return String(pulled.records().find(({ root }) => root === true)?.digest)
}

/** Compares what `docker save` gives with what lies in the folder. */
async function sameAsSaved(
  t: Test,
  { place }: World,
  engine: DockerEngine,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    await place.good(`${dockerOf(engine)} save -o saved.tar ${name}`)
    t.equal(
      await digestOf(place, `docker-store:${engine.root}:${name}`),
      await digestOf(place, `docker-archive:saved.tar:${name}`),
      `${name}: the manifest names the same config and the same layers`,
    )
  }
}

async function reading(t: Test, world: World): Promise<void> {
  const { place, dir, system } = world
  const engine = await startDocker(t, { dir, ...(system !== undefined && { system }) })
  const docker = dockerOf(engine)
  const names = await fill(t, world, engine)
  await sameAsSaved(t, world, engine, names)
  await t.test('by an id, and what is not there', async t => {
    const id = (await place.good(`${docker} inspect -f '{{.Id}}' built:9`)).stdout.trim()
    const byName = await digestOf(place, `docker-store:${engine.root}:built:9`)
    for (const text of [id, id.slice(7), id.slice(7, 19)])
      t.equal(await digestOf(place, `docker-store:${engine.root}:${text}`), byName, text)
    const many = await place.good(`img-pull --no-store docker-store:${engine.root}`)
    const found = many.records().flatMap(({ root, reference }) => (root === true ? [String(reference)] : []))
    t.ok(found.length > 1 && found.includes('docker.io/library/built:0'), 'without a name all that have one')
    const none = await place.run(`img-pull docker-store:${engine.root}:none:1`)
    t.match(none.stderr, /no image none:1 in /)
  })
  await t.test('it unpacks as any image', async t => {
    await place.good(`img-pull docker-store:${engine.root}:built:9 | untar root`)
    t.equal(fs.readFileSync(place.path('root/new/folder/three'), 'utf8'), '3\n')
    t.same(fs.readdirSync(place.path('root/d')), ['link'], 'what was removed is gone')
  })
  await t.test('nothing is written while it runs', async t => {
    await place.good(`img-pull docker-store:${engine.root}:built:0 | blob-put store:app:1`)
    const refused = await place.run(`img-pull store:app:1 | blob-put docker-store:${engine.root}:app:1`)
    t.equal(refused.status, 1)
    t.match(refused.stderr, new RegExp(`a Docker engine works on it \\(pid ${engine.pid}\\): stop it first`))
  })
  await engine.stop()
}

t.test('an engine of Debian', { skip: skip || tooLong }, async t => {
  const world = prepare(t)
  await t.test('is read while it runs', async t => reading(t, world))
  await t.test('gets images while it does not', async t => writing(t, world))
})

const noPeers = fs.existsSync(path.join(PEERS, 'usr/sbin/dockerd')) ? skip : `there is no system in ${PEERS}`

t.test('a newer engine', { skip: isAll ? noPeers : 'PIPELAYER_TEST_ALL is not set' }, async t => {
  const world = prepare(t, PEERS)
  await t.test('is read while it runs', async t => reading(t, world))
  await t.test('gets images while it does not', async t => writing(t, world))
  await t.test('BuildKit', async t => withBuildKit(t, world))
})

/** The images that are written: of layers of ours, and of the engine's own layers in another order. */
async function writing(t: Test, world: World): Promise<void> {
  const { place, dir, system } = world
  const root = path.join(dir, 'data')
  place.write({
    'one/etc/': '',
    'one/d/gone': 'x\n',
    'one/old/file': 'y\n',
    Dockerfile: [
      'FROM gzip:1',
      'RUN mkdir /d /old && echo 1 > /d/gone && echo 2 > /old/file && ln -s d /e',
      'RUN rm /d/gone && rm -r /old && mkdir /old && echo new > /old/new && ln /old/new /old/again',
      'RUN echo through > /e/through',
      'CMD ["/bin/sh", "-c", "cat /old/again /e/through; echo /d/* /old/*"]',
      '',
    ].join('\n'),
  })
  await place.good('kf-build -q -f Dockerfile -t store/built:1 one')
  const copies = ['store/built:1', 'zstd:1'].map(name => `store:${name}`).join(' ')
  await place.good(`img-pull ${copies} | blob-put docker-store:${root}`)
  const again = await place.good(
    `img-pull store:store/built:1 | blob-put --verify docker-store:${root}:second:2`,
  )
  t.match(
    again.records().find(({ root }) => root === true),
    { reference: 'docker.io/library/second:2' },
  )
  const dry = await place.good(`img-pull store:zstd:1 | blob-put --dry-run docker-store:${root}:dry:1`)
  const planned = dry.records().filter(({ type }) => type === 'plan')
  t.same(
    planned.map(({ action, mediaType }) => [action, String(mediaType).includes('manifest')]),
    [
      ['skip', false],
      ['skip', false],
      ['put', true],
    ],
    'its blobs are there',
  )
  await killed(t, place, root)

  const engine = await startDocker(t, { dir, ...(system !== undefined && { system }) })
  const docker = dockerOf(engine)
  const listed = (await place.good(`${docker} images --format '{{.Repository}}:{{.Tag}}'`)).stdout.split('\n')
  for (const name of ['store/built:1', 'second:2', 'zstd:1', 'killed:1']) t.ok(listed.includes(name), name)
  t.notOk(listed.includes('dry:1'))
  const config = (await place.good('img-pull store:store/built:1'))
    .records()
    .find(({ type }) => type === 'config')
  const [inspected] = JSON.parse((await place.good(`${docker} inspect second:2`)).stdout)
  t.equal(inspected.Id, config?.digest, 'the id is kept')
  t.equal(inspected.Size > 0, true)
  await place.good(`img-pull store:store/built:1 | blob-put docker-archive:-:loaded:2 | ${docker} load -q`)
  const run = await place.good(`${docker} run --rm --network host second:2`)
  t.equal(run.stdout, 'new\nthrough\n/d/through /old/again /old/new\n')
  await sameAsSaved(t, world, engine, ['store/built:1', 'zstd:1'])

  const { host } = await startRegistry(t)
  await place.good(`${docker} tag second:2 ${host}/second:2 && ${docker} push ${host}/second:2`)
  const pushed = await place.good(
    `skopeo inspect --tls-verify=false --config --raw docker://${host}/second:2`,
  )
  t.same(JSON.parse(pushed.stdout), config?.config, 'its layers were put together for a push')
  await place.good(`img-pull --no-tag docker://${host}/second:2 | untar pushed`)
  t.equal(fs.readFileSync(place.path('pushed/d/through'), 'utf8'), 'through\n')

  await t.test('its size is the one that docker load computes', async t => {
    for (const name of ['store/built:1', 'zstd:1']) await place.good(`${docker} rmi -f ${name}`)
    await place.good(`${docker} rmi -f second:2 ${host}/second:2 loaded:2`)
    await place.good(`img-pull store:store/built:1 | blob-put docker-archive:-:loaded:2 | ${docker} load -q`)
    const size = (await place.good(`${docker} inspect -f '{{.Size}}' loaded:2`)).stdout.trim()
    t.equal(Number(size), inspected.Size)
  })
  await engine.stop()
}

/** A write that is killed leaves no image, no layer, and nothing after the next write. */
async function killed(t: Test, place: Lab, root: string): Promise<void> {
  place.write({ 'large/': '' })
  for (let at = 0; at < FILES; at++)
    fs.writeFileSync(place.path('large', `file-${at}`), Buffer.alloc(20_000, `${at}`))
  await place.good('layer-pack --dir large | manifest-gen -t killed:1 | blob-put store:killed:1')
  fs.writeFileSync(place.path('records'), (await place.good('img-pull store:killed:1')).stdout)
  const repositories = path.join(root, 'image/overlay2/repositories.json')
  const layers = path.join(root, 'image/overlay2/layerdb/sha256')
  const state = (): unknown => [fs.readFileSync(repositories, 'utf8'), fs.readdirSync(layers).sort()]
  const before = state()
  const trees = path.join(root, 'overlay2')
  for (let kill = 0; kill < KILLS; kill++) {
    const running = place.start(`blob-put docker-store:${root}:killed:1 < records`)
    let isOver = false
    const done = running.done.finally(() => {
      isOver = true
    })
    // It is killed the later the more files it has unpacked, at last while it makes and proves the list of headers.
    const least = 1 + Math.floor((kill * FILES) / KILLS)
    const unpacked = (): number =>
      spawnSync('find', [trees, '-path', '*/.pipelayer*'], { encoding: 'latin1' }).stdout.split('\n').length
    await waitUntil(`${least} files are there`, () => isOver || unpacked() >= least)
    for (const pid of childrenOf(running.pid)) process.kill(pid, 'SIGKILL')
    if ((await done).status === 0) break
    t.same(state(), before, `kill ${kill}`)
  }
  await place.good(`blob-put docker-store:${root}:killed:1 < records`)
  t.same(
    fs.readdirSync(trees).filter(name => name.startsWith('.')),
    [],
    'what was left is gone',
  )
}

/** Images that BuildKit built, whose layers it names in its own way. */
async function withBuildKit(t: Test, world: World): Promise<void> {
  const { place, dir, system } = world
  const engine = await startDocker(t, { dir, ...(system !== undefined && { system }) })
  const names: string[] = []
  for (const [index, text] of STEPS.entries()) {
    place.write({ 'context/Dockerfile': `${text.replaceAll('built:', 'kit:')}\n` })
    fs.cpSync(place.path('context'), path.join(dir, 'context'), {
      recursive: true,
      verbatimSymlinks: true,
      force: true,
    })
    const build = [
      'docker',
      '-H',
      'unix:///host/docker.sock',
      'buildx',
      'build',
      '-q',
      '--network',
      'host',
      '--provenance=false',
      '-t',
      `kit:${index}`,
      '/host/context',
    ]
    const [program = '', ...args] = inSystem(build, { system, dir })
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    t.equal(status, 0, stderr)
    names.push(`kit:${index}`)
  }
  await sameAsSaved(t, world, engine, names)
  await engine.stop()
}
