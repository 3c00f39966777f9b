// containerd's own images in our programs: its folder is read while it runs, and ours go into it by an archive.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { need, startRegistry, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

interface Containerd {
  readonly root: string
  /** The first words of a command to it. */
  readonly ctr: string
}

/** Starts containerd without plugins that need more than a folder; it stops with the test. */
async function startContainerd(t: Test, place: Lab): Promise<Containerd> {
  const root = place.path('containerd')
  const socket = place.path('run/containerd.sock')
  const unused = ['cri', 'aufs', 'btrfs', 'devmapper', 'zfs'].map(name =>
    name === 'cri' ? `"io.containerd.grpc.v1.${name}"` : `"io.containerd.snapshotter.v1.${name}"`,
  )
  place.write({
    'containerd.toml': [
      'version = 2',
      `root = "${root}"`,
      `state = "${place.path('run')}"`,
      `disabled_plugins = [${unused.join(', ')}]`,
      `[grpc]\naddress = "${socket}"`,
      '',
    ].join('\n'),
  })
  const log = fs.openSync(place.path('containerd.log'), 'w')
  const child = spawn('containerd', ['--config', place.path('containerd.toml')], {
    stdio: ['ignore', log, log],
  })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  t.teardown(() => {
    child.kill('SIGTERM')
    return ended
  })
  const answers = (): boolean => spawnSync('ctr', ['-a', socket, 'version'], { stdio: 'ignore' }).status === 0
  await waitUntil('containerd answers', () => child.exitCode !== null || answers(), 60_000)
  if (child.exitCode !== null)
    throw new Error(fs.readFileSync(place.path('containerd.log'), 'utf8').slice(-2000))
  return { root, ctr: `ctr -a ${socket}` }
}

function rootsOf(records: readonly Record<string, unknown>[]): unknown[] {
  return records.filter(({ root }) => root === true).map(({ reference, digest }) => `${reference} ${digest}`)
}

t.test('containerd and ctr', { skip: need('root', 'containerd', 'ctr', 'docker-registry') }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  const { root, ctr } = await startContainerd(t, place)
  place.write({ 'tree/etc/word': 'hello\n', 'more/etc/more': 'more\n' })
  const pack = (tree: string, rest: string): string =>
    `layer-pack --dir ${tree} | manifest-gen ${rest} | blob-put store:`
  await place.good(pack('tree', '--platform linux/amd64 -t app:1'))
  await place.good(pack('more', '--platform linux/arm64 -t app:arm'))
  await place.good(pack('more', '--platform linux/amd64 -t other:1'))
  await place.good('img-pull store:other:1 store:app:arm | manifest-gen --index -t both:1 | blob-put store:')
  const app = rootsOf((await place.good('img-pull store:app:1')).records())

  t.test('an image that ctr imported', async t => {
    await place.good('img-pull store:app:1 | blob-put oci-archive:app.tar:docker.io/library/app:1')
    await place.good(`${ctr} images import --local app.tar || ${ctr} images import app.tar`)
    const listed = (await place.good(`${ctr} images ls -q`)).stdout
    t.equal(listed, 'docker.io/library/app:1\n')
    for (const name of ['', ':default', ':default:app:1'])
      t.same(
        rootsOf((await place.good(`img-pull --store again containerd:${root}${name}`)).records()),
        app,
        name,
      )
    await place.good(`img-pull --no-tag containerd:${root} | untar out`)
    t.equal(fs.readFileSync(place.path('out/etc/word'), 'utf8'), 'hello\n')
  })

  t.test('an image that was pulled for one platform', async t => {
    const { host } = await startRegistry(t)
    const [both] = rootsOf(
      (await place.good(`img-pull --all-platforms store:both:1 | blob-put ${host}/both:1`)).records(),
    )
    await place.good(`${ctr} -n k8s.io images pull --plain-http --platform linux/arm64 ${host}/both:1`)
    const named = `containerd:${root}:k8s.io:${host}/both:1`
    const arm = await place.good(`img-pull --platform linux/arm64 ${named}`)
    t.match(rootsOf(arm.records()), [new RegExp(`^${host}/both:1 sha256:`)])
    const other = await place.run(`img-pull --platform linux/amd64 ${named}`)
    t.match(other, { status: 1, stderr: /image \S+both:1 was pulled for linux\/arm64 only \[BLOB_UNKNOWN\]/ })
    t.match(await place.run(`img-pull containerd:${root}`), {
      status: 1,
      stderr: /say which: default, k8s.io/,
    })
    await place.good(`${ctr} -n k8s.io content fetch --plain-http --all-platforms ${host}/both:1`)
    const all = await place.good(`img-pull --all-platforms ${named}`)
    t.same(rootsOf(all.records()), [both], 'the index as it is in the registry')
  })

  t.test(
    'names are read while they are written',
    { skip: process.env.PIPELAYER_TEST_ALL === undefined },
    async t => {
      const tag = (n: number): string =>
        `${ctr} -n busy images tag docker.io/library/app:1 docker.io/library/app:t${n}`
      await place.good(`${ctr} -n busy images import app.tar`)
      const tags = Array.from({ length: 60 }, (_, n) => tag(n)).join(' && ')
      const writing = place.good(`sh -c '${tags}'`)
      let isWriting = true
      void writing.finally(() => {
        isWriting = false
      })
      let reads = 0
      for (; isWriting; reads++) {
        const { stdout } = await place.good(`img-pull --no-store containerd:${root}:busy`)
        t.match(stdout, /app:1/)
      }
      await writing
      t.ok(reads > 3, `read ${reads} times`)
      t.equal(rootsOf((await place.good(`img-pull --no-store containerd:${root}:busy`)).records()).length, 61)
    },
  )
})
