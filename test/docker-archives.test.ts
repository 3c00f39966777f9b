// Archives of ours in Docker, podman and skopeo, and theirs in our programs.
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import {
  childrenOf,
  need,
  PODMAN_LIMITS,
  podman,
  type RunningPipe,
  startDocker,
  waitUntil,
} from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

/** A lab whose store has the images `one:1` and `two:2` of a busybox, and `arm:1`, which is for another machine. */
async function imagesIn(t: Test): Promise<Lab> {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  place.write({ 'tree/bin/': '', 'more/etc/word': 'hello\n' })
  fs.copyFileSync('/bin/busybox', place.path('tree/bin/sh'))
  fs.chmodSync(place.path('tree/bin/sh'), 0o755)
  const command = (text: string): string => `--cmd '${JSON.stringify(['/bin/sh', '-c', text])}'`
  const base = 'layer-pack --dir tree | manifest-gen --platform linux/amd64'
  await place.good(`${base} ${command('echo one')} -t one:1 | blob-put store:`)
  await place.good(`${base} ${command('echo two')} -t two:2 | blob-put store:`)
  const arm = 'layer-pack --dir more | manifest-gen --platform linux/arm64'
  await place.good(`${arm} -t arm:1 | blob-put store:`)
  return place
}

const rootOf = (place: Lab, command: string): Promise<unknown> =>
  place.good(command).then(result => result.records().find(({ root }) => root === true)?.digest)

t.test(
  'archives of ours',
  { skip: need('root', 'busybox', 'skopeo', 'podman', 'dockerd', 'docker') },
  async t => {
    const place = await imagesIn(t)
    const { host } = await startDocker(t)
    const docker = `docker -H ${host}`
    const engine = podman(place.path('podman'))
    await place.good('img-pull store:one:1 store:two:2 | blob-put docker-archive:x.tar')

    t.test('Docker loads, inspects and runs two images', async t => {
      const { stdout } = await place.good(`${docker} load -i x.tar`)
      t.match(stdout, /Loaded image: one:1\n.*Loaded image: two:2\n/s)
      const run = await place.good(`${docker} run --rm --network none one:1`)
      t.equal(run.stdout, 'one\n')
      const [image] = JSON.parse((await place.good(`${docker} inspect two:2`)).stdout)
      t.match(image, { RepoTags: ['two:2'], Architecture: 'amd64' })
      const config = await place.good('img-pull store:two:2')
      const ours = config.records().find(({ type }) => type === 'config')
      t.equal(image.Id, ours?.digest, 'the image ID is the digest of our config')
    })
    t.test('what Docker saves comes back', async t => {
      await place.good(`${docker} save -o saved.tar one:1 two:2`)
      const again = await place.good(`img-pull --no-tag docker-archive:saved.tar:two:2 | untar back`)
      t.ok(fs.existsSync(place.path('back/bin/sh')), again.stderr)
      await place.good(`sh -c '${docker} save one:1 | gzip' > saved.tgz`)
      await place.good(
        `cat saved.tgz | img-pull --no-tag docker-archive:-:one:1 | blob-put docker-archive:-:three:3 | ${docker} load`,
      )
      t.equal((await place.good(`${docker} run --rm --network none three:3`)).stdout, 'one\n')
    })
    t.test('podman loads and runs them', async t => {
      await place.good(`${engine} load -q -i x.tar`)
      const run = `${engine} run --rm --network none ${PODMAN_LIMITS} docker.io/library/one:1`
      t.equal((await place.good(run)).stdout, 'one\n')
      await place.good('img-pull store:two:2 | blob-put oci-archive:two.tar')
      await place.good(`${engine} load -q -i two.tar`)
      await place.good(`${engine} image exists docker.io/library/two:2`)
      await place.run(`${engine} system reset -f`)
    })
    t.test('skopeo reads both, and we read what it writes', async t => {
      const digest = await rootOf(place, 'img-pull store:one:1')
      await place.good('img-pull store:one:1 store:two:2 | blob-put oci-archive:both.tar')
      const name = 'docker.io/library/one:1'
      const inspect = `skopeo inspect --format '{{.Digest}}' oci-archive:both.tar:${name}`
      t.equal((await place.good(inspect)).stdout.trim(), digest)
      await place.good('skopeo inspect docker-archive:x.tar:two:2')
      await place.good(`skopeo copy -q oci-archive:both.tar:${name} oci-archive:theirs.tar:app`)
      t.equal(
        await rootOf(place, 'img-pull --no-tag oci-archive:theirs.tar:app'),
        digest,
        'its digest is kept',
      )
      t.equal(
        await rootOf(place, 'img-pull --no-tag oci-archive:theirs.tar'),
        digest,
        'the only image needs no name',
      )
      await place.good('skopeo copy -q docker-archive:x.tar:one:1 docker-archive:theirs2.tar:app:1')
      await place.good('img-pull --no-tag docker-archive:theirs2.tar:app:1')
      await place.good('sh -c "gzip -k theirs.tar"')
      t.equal(await rootOf(place, 'img-pull --no-tag oci-archive:theirs.tar.gz'), digest, 'compressed')
      await place.good('sh -c "gzip -k x.tar"')
      t.equal(
        await rootOf(place, 'img-pull --no-tag docker-archive:x.tar.gz:one:1'),
        digest,
        'the other form',
      )
    })
    t.test('two platforms', async t => {
      const both =
        '{ img-pull store:one:1; img-pull --platform linux/arm64 store:arm:1; } | manifest-gen --streams 2 --index'
      const digest = await rootOf(place, `${both} -t both:1 | blob-put docker-archive:both.tar`)
      const list = JSON.parse((await place.good('tar xOf both.tar manifest.json')).stdout)
      t.same(
        list.map(({ RepoTags }: { RepoTags: unknown }) => RepoTags),
        [['docker.io/library/both:1'], null],
        'the first platform has the name',
      )
      await place.good(`${docker} load -i both.tar`)
      t.equal((await place.good(`${docker} run --rm --network none both:1`)).stdout, 'one\n')
      t.equal(
        await rootOf(place, 'img-pull --no-tag --all-platforms docker-archive:both.tar'),
        digest,
        'the index comes back',
      )
      const second = await place.good('skopeo inspect --format {{.Architecture}} docker-archive:both.tar:@1')
      t.equal(second.stdout.trim(), 'arm64')
      await place.good(
        'img-pull --no-tag --all-platforms docker-archive:both.tar | blob-put oci-archive:both.oci:both',
      )
      const raw = await place.good('skopeo inspect --raw oci-archive:both.oci:both')
      t.equal(
        `sha256:${createHash('sha256').update(raw.stdout).digest('hex')}`,
        digest,
        'skopeo sees the same index',
      )
    })
    t.test('an archive that was cut is loaded by nobody', async t => {
      const { size } = fs.statSync(place.path('x.tar'))
      const list = (await place.good('tar tvRf x.tar')).stdout
      const at = 512 * Number(/block (\d+): [^\n]*manifest\.json/.exec(list)?.[1])
      t.ok(at > 0 && at < size)
      for (const [length, why] of [
        [at, 'before the documents that name the images'],
        [Math.floor(at / 1024) * 512, 'in the middle of a layer'],
      ] as const) {
        fs.writeFileSync(place.path('cut.tar'), fs.readFileSync(place.path('x.tar')).subarray(0, length))
        const images = async (): Promise<string[]> =>
          (await place.good(`${docker} images -q`)).stdout.split('\n').sort()
        const before = await images()
        for (const command of [
          `${docker} load -i cut.tar`,
          'img-pull --no-tag docker-archive:cut.tar:one:1',
          'img-pull --no-tag oci-archive:cut.tar',
          'skopeo inspect docker-archive:cut.tar:one:1',
        ])
          t.not((await place.run(command)).status, 0, `${why}: ${command}`)
        t.same(await images(), before, why)
      }
    })
    t.test('kf-build --load', async t => {
      place.write({
        'context/Dockerfile': 'FROM scratch\nCOPY sh /bin/sh\nCMD ["/bin/sh", "-c", "echo built"]\n',
      })
      fs.copyFileSync('/bin/busybox', place.path('context/sh'))
      const env = { DOCKER_HOST: host }
      const loaded = await place.good('kf-build -q --load -t built:1 -t built:2 context', { env })
      t.equal(loaded.stdout, '', 'what the engine says goes to stderr')
      t.match(loaded.stderr, /Loaded image: built:1\n.*Loaded image: built:2/s)
      t.equal((await place.good(`${docker} run --rm --network none built:2`)).stdout, 'built\n')
      place.write({ 'context/Dockerfile': 'FROM scratch\nCOPY none /\n' })
      t.equal((await place.run('kf-build -q --load -t broken:1 context', { env })).status, 1)
      t.not((await place.run(`${docker} inspect broken:1`)).status, 0, 'a build that fails loads nothing')
    })
  },
)

t.test('kf-build --load asks the first engine that answers', { skip: need('root', 'busybox') }, async t => {
  const place = lab(t)
  place.write({ 'context/Dockerfile': 'FROM scratch\nCOPY Dockerfile /\n', 'stubs/': '' })
  const stub = (name: string, answer: number): void =>
    fs.writeFileSync(
      place.path('stubs', name),
      `#!/bin/sh\n[ "$1" != version ] || exit ${answer}\ncat > ${name}.tar; echo ${name}\n`,
      { mode: 0o755 },
    )
  const run = `PATH="$PWD/stubs:$PATH" kf-build -q --load -t app:1 context`
  for (const [docker, podman, host, engine] of [
    [0, 0, '', 'docker'],
    [1, 0, '', 'podman'],
    [1, 0, 'unix:///none', undefined],
    [1, 1, '', undefined],
  ] as const) {
    stub('docker', docker)
    stub('podman', podman)
    // No engine of this machine is meant: a context that is not there hides it.
    const env = { DOCKER_HOST: host, DOCKER_CONTEXT: 'none' }
    const { status, stdout, stderr } = await place.run(run, { env })
    const what = `docker ${docker}, podman ${podman}, DOCKER_HOST "${host}"`
    t.equal(status, engine === undefined ? 75 : 0, `${what}: ${stderr}`)
    t.equal(stdout, '', what)
    if (engine === undefined) t.match(stderr, /^kf-build: --load found no engine: docker does not answer/)
    else t.match((await place.good(`tar tf ${engine}.tar`)).stdout, /^manifest\.json$/m, what)
  }
  t.same(place.tags(), [], 'the store gets no name')
})

t.test(
  'a run that is killed, and a disk that cannot be written',
  { skip: need('root', 'busybox') },
  async t => {
    const place = await imagesIn(t)
    const folder = place.path('out')
    fs.mkdirSync(folder)
    fs.writeFileSync(path.join(folder, 'x.tar'), 'old')
    fs.writeFileSync(place.path('records'), (await place.good('img-pull store:one:1 store:two:2')).stdout)

    const terminal = await place.run(`script -qec 'blob-put docker-archive:- < records' /dev/null`)
    t.equal(terminal.status, 2)
    t.match(terminal.stdout, /bytes are not written to a terminal/)

    // The last line never comes, so the archive waits with its first image in the temporary file.
    const started = async (): Promise<RunningPipe> => {
      const running = place.start(
        'sh -c "head -n -1 records; exec sleep 60" | blob-put docker-archive:out/x.tar',
      )
      await waitUntil('the archive is begun', () => fs.readdirSync(folder).length === 2)
      return running
    }
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const running = await started()
      for (const pid of childrenOf(running.pid)) process.kill(pid, signal)
      await running.done
      const left = fs.readdirSync(folder).filter(name => name !== 'x.tar')
      t.equal(left.length, signal === 'SIGTERM' ? 0 : 1, `${signal}: the temporary file`)
    }
    t.equal(fs.readFileSync(path.join(folder, 'x.tar'), 'utf8'), 'old', 'the old file is whole')
    await place.good('blob-put docker-archive:out/x.tar < records')
    t.same(fs.readdirSync(folder), ['x.tar'], 'the next run removes what was left')
    await place.good('img-pull --no-tag docker-archive:out/x.tar:one:1')

    await place.good('mount -t tmpfs -o size=200k none out')
    t.teardown(() => place.run('umount out'))
    const full = await place.run('blob-put docker-archive:out/y.tar < records')
    t.equal(full.status, 75)
    t.match(full.stderr, /no space left on device \[ENOSPC\]/)
    t.same(fs.readdirSync(folder), [], 'a full disk keeps nothing')
    await place.good('mount -o remount,ro out')
    const readOnly = await place.run('blob-put oci-archive:out/y.tar < records')
    t.equal(readOnly.status, 75)
    t.match(readOnly.stderr, /file system is read-only \[EROFS\]/)
    const standard = await place.run('sh -c "blob-put docker-archive:- < records > /dev/full"')
    t.equal(standard.status, 75, standard.stderr)
  },
)
