// Our images read by skopeo, umoci, oci-image-tool, podman and Docker, and their images read by our programs. The base
// image is a debootstrapped Debian; every comparison is of the whole tree.
import fs from 'node:fs'
import {
  buildah,
  compareTrees,
  debianTree,
  need,
  PODMAN_LIMITS,
  podman,
  startDocker,
  startRegistry,
} from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { buildPipe, type Lab, lab } from './lab.js'

const DOCKERFILE = (host: string): string => `FROM ${host}/debian:12
ENV GREETING=hello LEVEL=\${GREETING}-2
WORKDIR /srv/app
COPY --chown=33:33 --chmod=0640 page.txt data/ ./
RUN rm -rf /usr/share/doc /usr/share/man && mkdir /usr/share/doc && echo new > /usr/share/doc/new
RUN ln /srv/app/page.txt /srv/linked && chmod 4755 /usr/bin/env && mkfifo /srv/fifo && ln -s nowhere /srv/dangling
CMD ["cat", "/srv/app/page.txt"]
`
// podman and Docker mount or write these files themselves.
const MADE_BY_ENGINES = [
  'etc/hosts',
  'etc/hostname',
  'etc/resolv.conf',
  'etc/mtab',
  'run',
  'dev',
  'proc',
  'sys',
  '.dockerenv',
]

t.test(
  'an image of ours is theirs',
  { skip: need('root', 'docker-registry', 'skopeo', 'umoci', 'oci-image-tool', 'podman', 'debootstrap') },
  async t => {
    const ours = lab(t)
    const { host } = await startRegistry(t)
    await buildOurs(ours, host)
    await ours.good(`img-pull docker://${host}/app:1 | untar ours`)

    t.test('skopeo reads its config and copies it; oci-image-tool finds it valid', async t => {
      const { stdout } = await ours.good(`skopeo inspect --config --tls-verify=false docker://${host}/app:1`)
      t.match(JSON.parse(stdout).config, { Cmd: ['cat', '/srv/app/page.txt'], WorkingDir: '/srv/app' })
      // A variable in an instruction has the value from before that instruction.
      t.ok(JSON.parse(stdout).config.Env.includes('LEVEL=-2'))
      await ours.good(`skopeo copy -q --src-tls-verify=false docker://${host}/app:1 oci:layout:app`)
      await ours.good('oci-image-tool validate --type image --ref name=app layout')
    })
    t.test('umoci unpacks it to the same tree', async t => {
      await ours.good('umoci unpack --keep-dirlinks --image layout:app bundle')
      t.same(compareTrees(ours.path('ours'), ours.path('bundle/rootfs'), { ignore: ['xattrs'] }), [])
    })
    t.test('podman pulls it, mounts the same tree and runs it', async t => podmanTakes(t, ours, host))
    t.test('Docker pulls it, has the same tree and runs it', { skip: need('dockerd') }, async t =>
      dockerTakes(t, ours, host),
    )
  },
)

t.test(
  'an image of theirs is ours',
  { skip: need('root', 'docker-registry', 'skopeo', 'buildah', 'dockerd') },
  async t => {
    const ours = lab(t)
    const { host } = await startRegistry(t)
    t.test('buildah', async t => fromBuildah(t, ours, host))
    t.test('skopeo, every compression and family of media types', async t => fromSkopeo(t, ours, host))
    t.test('Docker', async t => fromDocker(t, ours, host))
  },
)

t.test(
  'what loads an archive of ours',
  { skip: need('root', 'skopeo', 'podman', 'dockerd', 'docker') },
  async t => {
    const ours = lab(t)
    const engine = podman(ours.path('podman'))
    const docker = await startDocker(t)
    ours.write({ 'tree/file': 'text\n' })
    for (const name of ['a', 'b'])
      await ours.good(`layer-pack --dir tree | manifest-gen -t ${name}:1 | blob-put store:${name}:1`)
    await ours.good('img-pull store:a:1 | img-export > one.tar')
    await ours.good('img-pull store:a:1 store:b:1 | img-export > two.tar')
    const rows: readonly [command: string, isGood: boolean, why: string][] = [
      [`${engine} load -i one.tar`, true, 'podman, of one image'],
      [`${engine} load -i two.tar`, false, 'not of two'],
      [`${engine} pull -q oci-archive:two.tar:docker.io/library/b:1`, true, 'but by name'],
      ['skopeo copy -q oci-archive:two.tar:docker.io/library/b:1 oci:copy:b', true, 'and skopeo'],
      [`docker -H ${docker.host} load -i one.tar`, false, 'Docker with a graph driver does not'],
      [
        `skopeo copy -q --dest-daemon-host ${docker.host} oci-archive:one.tar docker-daemon:a:1`,
        true,
        'skopeo brings it there',
      ],
    ]
    for (const [command, isGood, why] of rows) {
      const { status, stderr } = await ours.run(command)
      t.equal(status === 0, isGood, `${why}: ${stderr.slice(-500)}`)
    }
    await ours.run(`${engine} system reset -f`)
  },
)

async function buildOurs(ours: Lab, host: string): Promise<void> {
  const base = await debianTree()
  await ours.good(
    `layer-pack --dir ${base} | manifest-gen --cmd /bin/bash -t debian:12 | blob-put docker://${host}/debian:12`,
  )
  ours.write({
    'context/Dockerfile': DOCKERFILE(host),
    'context/page.txt': 'a page\n',
    'context/data/deep/file': 'deep\n',
  })
  await ours.good(`kf-parse Dockerfile | ${buildPipe(`docker://${host}/app:1`)}`, {
    cwd: ours.path('context'),
    timeoutMs: 300_000,
  })
}

async function podmanTakes(t: Test, ours: Lab, host: string): Promise<void> {
  const engine = podman(ours.path('podman'))
  await ours.good(`${engine} pull -q --tls-verify=false ${host}/app:1`)
  const { stdout } = await ours.good(`${engine} run --rm --network none ${PODMAN_LIMITS} ${host}/app:1`)
  t.equal(stdout, 'a page\n')
  const tree = (await ours.good(`${engine} image mount ${host}/app:1`)).stdout.trim()
  t.same(compareTrees(ours.path('ours'), tree, { except: MADE_BY_ENGINES, root: false }), [])
  await ours.good(`${engine} image umount ${host}/app:1`)
  await ours.run(`${engine} system reset -f`)
}

async function dockerTakes(t: Test, ours: Lab, host: string): Promise<void> {
  const engine = await startDocker(t)
  const docker = `docker -H ${engine.host}`
  await ours.good(`${docker} pull -q ${host}/app:1`)
  const { stdout } = await ours.good(`${docker} run --rm --network none ${host}/app:1`)
  t.equal(stdout, 'a page\n')
  const tree = await mountDocker(t, ours, { docker, image: `${host}/app:1` })
  t.same(compareTrees(ours.path('ours'), tree, { except: MADE_BY_ENGINES, root: false }), [])
}

/** Mounts an image's overlay2 layers, as Docker itself would for a container. */
async function mountDocker(
  t: Test,
  ours: Lab,
  { docker, image }: { docker: string; image: string },
): Promise<string> {
  const { stdout } = await ours.good(`${docker} image inspect -f '{{json .GraphDriver.Data}}' ${image}`)
  const { LowerDir, UpperDir } = JSON.parse(stdout) as { LowerDir?: string; UpperDir: string }
  const target = ours.path('docker-tree')
  fs.mkdirSync(target)
  // A single layer needs no overlay, and without an upper overlayfs wants two lowers.
  if (!LowerDir) return UpperDir
  await ours.good(`mount -t overlay overlay -o ro,lowerdir=${UpperDir}:${LowerDir} ${target}`)
  t.teardown(async () => {
    await ours.run(`umount ${target}; rmdir ${target}`)
  })
  return target
}

async function fromBuildah(t: Test, ours: Lab, host: string): Promise<void> {
  const tool = buildah(ours.path('buildah'))
  const script = `set -e
    c=$(${tool} from scratch); m=$(${tool} mount $c)
    mkdir -p $m/bin $m/etc/conf.d $m/gone $m/opaque
    cp /bin/busybox $m/bin/busybox; ln -s busybox $m/bin/sh; ln $m/bin/busybox $m/bin/hard
    chmod 4755 $m/bin/busybox; setfattr -n user.note -v text $m/etc; setcap cap_net_raw+ep $m/bin/busybox
    echo 1 > $m/gone/a; echo 2 > $m/opaque/b; mknod $m/null c 1 3; mkfifo $m/fifo
    ln -s /absolute $m/link; printf 'x' > "$m/etc/$(printf 'caf\\351')"; touch -d @1000000000.5 $m/etc/conf.d
    chown 1234:70000 $m/fifo; truncate -s 1M $m/etc/sparse
    ${tool} umount $c; ${tool} commit -q $c b:1
    c=$(${tool} from b:1); m=$(${tool} mount $c)
    rm -r $m/gone $m/opaque; mkdir $m/opaque; echo 3 > $m/opaque/c; chmod 700 $m/etc; ln $m/etc/sparse $m/etc/sparse2
    ${tool} umount $c; ${tool} commit -q $c b:2
    ${tool} push -q --tls-verify=false b:2 docker://${host}/buildah:2`
  ours.write({ 'buildah.sh': script })
  await ours.good('bash buildah.sh')
  await ours.good(`img-pull docker://${host}/buildah:2 | untar from-buildah`)
  const { stdout } = await ours.good(`bash -c 'c=$(${tool} from b:2); ${tool} mount $c'`)
  t.same(compareTrees(ours.path('from-buildah'), stdout.trim(), { root: false }), [])
  await ours.good(`${tool} umount -a && ${tool} rm -a`)
}

async function fromSkopeo(t: Test, ours: Lab, host: string): Promise<void> {
  const rows = [
    { name: 'v2s2', options: '--format v2s2', why: "Docker's media types" },
    { name: 'oci-gzip', options: '--format oci', why: "OCI's" },
    {
      name: 'oci-zstd',
      options: '--format oci --dest-compress-format zstd --dest-force-compress-format',
      why: 'zstd layers',
    },
  ]
  for (const { name, options, why } of rows) {
    const flags = options.replace(' --dest-force-compress-format', '')
    await ours.good(
      `skopeo copy -q ${flags} --src-tls-verify=false --dest-tls-verify=false docker://${host}/buildah:2 docker://${host}/skopeo:${name}`,
    )
    await ours.good(`img-pull docker://${host}/skopeo:${name} | untar skopeo-${name}`)
    t.same(compareTrees(ours.path('from-buildah'), ours.path(`skopeo-${name}`)), [], why)
  }
}

async function fromDocker(t: Test, ours: Lab, host: string): Promise<void> {
  const engine = await startDocker(t)
  const docker = `docker -H ${engine.host}`
  ours.write({
    'docker/Dockerfile': `FROM ${host}/buildah:2\nRUN ["sh", "-c", "rm /fifo; echo new > /new"]\nCOPY Dockerfile /etc/\n`,
  })
  await ours.good(
    `${docker} build -q --network none -t ${host}/docker:1 docker && ${docker} push -q ${host}/docker:1`,
    { env: { DOCKER_BUILDKIT: '0' } },
  )
  await ours.good(`img-pull docker://${host}/docker:1 | untar from-docker`)
  const tree = await mountDocker(t, ours, { docker, image: `${host}/docker:1` })
  t.same(compareTrees(ours.path('from-docker'), tree), [])
}
