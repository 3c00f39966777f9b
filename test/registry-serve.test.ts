// registry-serve used by skopeo, podman, Docker and our own tools, and its folder used by docker-registry. Copies are
// compared by digest, so that a registry that alters a byte is noticed.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { need, podman, startDocker, startRegistry, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const KINDS = ['layout', 'folder'] as const
const SKOPEO = 'skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --preserve-digests'

/** Starts registry-serve on a folder of the lab; it stops with the test. */
async function serve(t: Test, where: Lab, dir: string, options = ''): Promise<string> {
  const out = where.path(`${path.basename(dir)}-${Math.random().toString(36).slice(2)}`)
  const pipe = where.start(`registry-serve --listen 127.0.0.1:0 --until-eof ${options} ${dir} > ${out}`, {
    input: 'open',
    timeoutMs: 600_000,
  })
  t.teardown(async () => {
    pipe.child.stdin?.end()
    await pipe.done
  })
  await waitUntil(
    'registry-serve listens',
    () => fs.existsSync(out) && fs.readFileSync(out, 'utf8').includes('\n'),
  )
  return JSON.parse(fs.readFileSync(out, 'utf8').split('\n')[0] ?? '').address
}

/** Puts an image into `oci:src:1`, and returns its digest. */
async function image(where: Lab): Promise<string> {
  where.write({ 'a/bin/x': 'x\n', 'a/etc/conf': 'conf\n', 'a/data': 'data\n'.repeat(100_000) })
  fs.copyFileSync('/bin/busybox', where.path('a/bin/busybox'))
  fs.chmodSync(where.path('a/bin/busybox'), 0o755)
  await where.good(
    'layer-pack --dir a | manifest-gen --cmd /bin/busybox --cmd cat --cmd /data -t docker.io/library/app:1 | blob-put oci:src:1',
  )
  return digestIn(where, 'src')
}

function digestIn(where: Lab, layout: string): string {
  const { manifests } = JSON.parse(fs.readFileSync(where.path(layout, 'index.json'), 'utf8'))
  return manifests[0].digest
}

async function digestOf(url: string): Promise<string | undefined> {
  const accept = 'application/vnd.oci.image.manifest.v1+json'
  return new Promise((resolve, reject) => {
    http
      .get(url, { agent: false, headers: { accept } }, answer =>
        resolve(answer.resume().headers['docker-content-digest'] as string | undefined),
      )
      .on('error', reject)
  })
}

for (const kind of KINDS) {
  t.test(`skopeo and a ${kind}`, { skip: need('skopeo') }, async t => {
    const ours = lab(t)
    const digest = await image(ours)
    const host = await serve(t, ours, ours.path('images'), `--${kind}`)
    await ours.good(`${SKOPEO} oci:src:1 docker://${host}/team/app:1`)
    await ours.good(`${SKOPEO} docker://${host}/team/app:1 docker://${host}/team/copy:1`)
    await ours.good(`${SKOPEO} docker://${host}/team/copy:1 oci:back:1`)
    t.equal(digestIn(ours, 'back'), digest)
    await ours.good(
      `skopeo copy -q --src-tls-verify=false --dest-tls-verify=false --format v2s2 docker://${host}/team/app:1 docker://${host}/team/docker:1`,
    )
    const raw = await ours.good(`skopeo inspect --raw --tls-verify=false docker://${host}/team/docker:1`)
    t.match(raw.stdout, /vnd\.docker\.distribution\.manifest\.v2\+json/)
    const tags = await ours.good(`skopeo list-tags --tls-verify=false docker://${host}/team/app`)
    t.same(JSON.parse(tags.stdout).Tags, ['1'])
    await ours.good(`skopeo delete --tls-verify=false docker://${host}/team/copy:1`)
    t.equal((await ours.run(`skopeo inspect --tls-verify=false docker://${host}/team/copy:1`)).status, 1)
    t.equal(await digestOf(`http://${host}/v2/team/app/manifests/1`), digest, 'its neighbour stays')
  })

  t.test(`umoci, through skopeo, and a ${kind}`, { skip: need('root', 'skopeo', 'umoci') }, async t => {
    const ours = lab(t)
    await image(ours)
    const host = await serve(t, ours, ours.path('images'), `--${kind}`)
    await ours.good(`img-pull oci:src:1 | blob-put docker://${host}/team/app:1`)
    await ours.good(`${SKOPEO} docker://${host}/team/app:1 oci:work:1`)
    await ours.good('umoci unpack --image work:1 bundle && echo more > bundle/rootfs/data')
    await ours.good('umoci repack --image work:2 bundle && umoci config --image work:2 --config.user 7')
    await ours.good(`${SKOPEO} oci:work:2 docker://${host}/team/app:2`)
    await ours.good(`img-pull docker://${host}/team/app:2 | untar tree`)
    t.equal(fs.readFileSync(ours.path('tree/data'), 'utf8'), 'more\n', 'a layer of umoci')
    const raw = await ours.good(`skopeo inspect --config --tls-verify=false docker://${host}/team/app:2`)
    t.equal(JSON.parse(raw.stdout).config.User, '7')
  })

  t.test(`our own tools and a ${kind}`, { skip: need('busybox') }, async t => {
    const ours = lab(t)
    const digest = await image(ours)
    const host = await serve(t, ours, ours.path('images'), `--${kind}`)
    await ours.good(`img-pull oci:src:1 | blob-put docker://${host}/team/app:1`)
    await ours.good(`img-pull docker://${host}/team/app:1 | blob-put docker://${host}/other/app:2`)
    await ours.good(`img-pull docker://${host}/other/app:2 | blob-put oci:back:1`)
    t.equal(digestIn(ours, 'back'), digest)
    const place =
      kind === 'layout' ? 'oci:images:docker.io/team/direct:1' : 'registry-fs:images:team/direct:1'
    await ours.good(`img-pull oci:src:1 | blob-put ${place}`)
    t.equal(await digestOf(`http://${host}/v2/team/direct/manifests/1`), digest, 'a second writer is seen')
  })

  t.test(`podman and a ${kind}`, { skip: need('root', 'podman') }, async t => {
    const ours = lab(t)
    await image(ours)
    const host = await serve(t, ours, ours.path('images'), `--${kind}`)
    const engine = podman(ours.path('podman'))
    await ours.good(`img-pull oci:src:1 | blob-put docker://${host}/team/app:1`)
    await ours.good(`${engine} pull -q --tls-verify=false ${host}/team/app:1`)
    await ours.good(`${engine} push -q --tls-verify=false ${host}/team/app:1 ${host}/team/pushed:1`)
    await ours.good(`${engine} rmi -f ${host}/team/app:1`)
    await ours.good(`${engine} pull -q --tls-verify=false ${host}/team/pushed:1`)
    await ours.good(`img-pull docker://${host}/team/pushed:1 | untar tree`)
    t.equal(fs.readFileSync(ours.path('tree/etc/conf'), 'utf8'), 'conf\n')
    // podman 4 fails here when a process of its own still writes into its folder of events.
    await ours.run(`${engine} system reset -f`)
  })

  t.test(`Docker and a ${kind}`, { skip: need('root', 'dockerd', 'docker') }, async t => {
    const ours = lab(t)
    await image(ours)
    const host = await serve(t, ours, ours.path('images'), `--${kind}`)
    const docker = `docker -H ${(await startDocker(t)).host}`
    await ours.good(`img-pull oci:src:1 | blob-put docker://${host}/team/app:1`)
    await ours.good(`${docker} pull -q ${host}/team/app:1`)
    await ours.good(`${docker} tag ${host}/team/app:1 ${host}/app:2 && ${docker} push -q ${host}/app:2`)
    await ours.good(`${docker} rmi ${host}/app:2 ${host}/team/app:1 && ${docker} pull -q ${host}/app:2`)
    const { stdout } = await ours.good(`${docker} run --rm --network none ${host}/app:2`)
    t.equal(stdout, 'data\n'.repeat(100_000))
  })
}

t.test('users and TLS', { skip: need('skopeo', 'htpasswd', 'openssl') }, async t => {
  const ours = lab(t)
  const digest = await image(ours)
  await ours.good(
    'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem 2> log',
  )
  await ours.good('htpasswd -cbB users ann secret 2> log')
  const host = await serve(
    t,
    ours,
    ours.path('images'),
    `--htpasswd ${ours.path('users')} --tls-cert ${ours.path('cert.pem')} --tls-key ${ours.path('key.pem')}`,
  )
  const copy = (options: string): string =>
    `skopeo copy -q --dest-tls-verify=false ${options} oci:src:1 docker://${host}/app:1`
  t.equal((await ours.run(copy(''))).status, 1, 'nobody')
  t.equal((await ours.run(copy('--dest-creds ann:wrong'))).status, 1, 'a wrong password')
  await ours.good(copy('--dest-creds ann:secret'))
  await ours.good(
    `skopeo copy -q --src-tls-verify=false --src-creds ann:secret docker://${host}/app:1 oci:back:1`,
  )
  t.equal(digestIn(ours, 'back'), digest)
})

t.test(
  'one folder, the real registry and ours at the same time',
  { skip: need('docker-registry', 'skopeo') },
  async t => {
    const ours = lab(t)
    const digest = await image(ours)
    const theirs = await startRegistry(t)
    fs.mkdirSync(theirs.storage, { recursive: true })
    const host = await serve(t, ours, theirs.storage, '--folder')
    await ours.good(`${SKOPEO} oci:src:1 docker://${host}/from/ours:1`)
    await ours.good(`${SKOPEO} oci:src:1 docker://${theirs.host}/from/theirs:1`)
    await ours.good(`img-pull oci:src:1 | blob-put registry-fs:${theirs.storage}:from/files:1`)
    for (const name of ['ours', 'theirs', 'files']) {
      for (const server of [host, theirs.host]) {
        await ours.good(`rm -rf back && ${SKOPEO} docker://${server}/from/${name}:1 oci:back:1`)
        t.equal(digestIn(ours, 'back'), digest, `from ${name} through ${server === host ? 'ours' : 'theirs'}`)
      }
      await ours.good(
        `rm -rf back && img-pull registry-fs:${theirs.storage}:from/${name}:1 | blob-put oci:back:1`,
      )
      t.equal(digestIn(ours, 'back'), digest, `from ${name} as files`)
    }
    await ours.good(`skopeo delete --tls-verify=false docker://${host}/from/theirs:1`)
    t.equal(
      await digestOf(`http://${theirs.host}/v2/from/theirs/manifests/1`),
      undefined,
      'deleted here, gone there',
    )
    const check = 'docker-registry garbage-collect'
    ours.write({
      'gc.json': JSON.stringify({
        version: '0.1',
        storage: { filesystem: { rootdirectory: theirs.storage } },
      }),
    })
    await ours.good(`${check} ${ours.path('gc.json')} > log 2>&1`)
    t.equal(
      await digestOf(`http://${host}/v2/from/files/manifests/1`),
      digest,
      'their garbage collection spares ours',
    )
    await ours.good(`rm -rf back && ${SKOPEO} docker://${theirs.host}/from/files:1 oci:back:1`)
  },
)

t.test(
  'from folder to folder as files, every name kept',
  { skip: need('docker-registry', 'skopeo') },
  async t => {
    const ours = lab(t)
    const digest = await image(ours)
    const names = ['app', 'library/app', 'team/app', 'quay.io/team/app', 'a/b/c-d']
    for (const name of names) await ours.good(`img-pull oci:src:1 | blob-put registry-fs:one:${name}:1`)
    ours.write({ names: names.map(name => `registry-fs:one:${name}:1\n`).join('') })
    const theirs = await startRegistry(t)
    await ours.good(`img-pull --no-tag - < names | blob-put registry-fs:${theirs.storage}`)
    for (const name of names)
      t.equal(await digestOf(`http://${theirs.host}/v2/${name}/manifests/1`), digest, `${name} is served`)
    ours.write({ 'b/other': 'other\n', wanted: 'store:quay.io/team/x:1\nstore:docker.io/team/x:1\n' })
    await ours.good('img-pull oci:src:1 | blob-put store:quay.io/team/x:1')
    await ours.good('layer-pack --dir b | manifest-gen -t x:1 | blob-put store:docker.io/team/x:1')
    const clash = await ours.run(`img-pull - < wanted | blob-put registry-fs:clash`)
    t.equal(clash.status, 1, 'two domains, one name: the folder cannot hold both')
    const failed = clash.records().find(({ type }) => type === 'failed')
    t.match(failed, { code: 'PLACE_TAKEN', item: { reference: 'docker.io/team/x:1' } })
  },
)

t.test('the local store, served', { skip: need('skopeo') }, async t => {
  const ours = lab(t)
  const digest = await image(ours)
  await ours.good('img-pull oci:src:1 | blob-put store:app:1')
  const host = await serve(t, ours, ours.store, '--read-only')
  for (const name of ['app', 'library/app', 'docker.io/library/app'])
    t.equal(await digestOf(`http://${host}/v2/${name}/manifests/1`), digest, name)
  await ours.good(`${SKOPEO} docker://${host}/app:1 oci:back:1`)
  t.equal(digestIn(ours, 'back'), digest)
  t.equal((await ours.run(`${SKOPEO} oci:src:1 docker://${host}/app:2`)).status, 1, 'it is read-only')
})

t.test('SIGKILL in the middle of a push leaves every tag as it was', { skip: need('curl') }, async t => {
  for (const kind of KINDS) {
    const ours = lab(t)
    const digest = await image(ours)
    const images = ours.path('images')
    const pipe = ours.start(
      `registry-serve --${kind} --listen 127.0.0.1:0 ${images} > out & echo $! > pid; wait`,
    )
    await waitUntil(
      'it listens',
      () => fs.existsSync(ours.path('out')) && fs.statSync(ours.path('out')).size > 0,
    )
    const { address } = JSON.parse(fs.readFileSync(ours.path('out'), 'utf8'))
    await ours.good(`img-pull oci:src:1 | blob-put docker://${address}/team/app:1`)
    const begun = await ours.good(`curl -sS -o log -D - -X POST http://${address}/v2/team/app/blobs/uploads/`)
    const location = /^location: (\S+)/im.exec(begun.stdout)?.[1] ?? ''
    const id = path.basename(location)
    const push = http.request(`http://${address}${location}`, {
      method: 'PATCH',
      headers: { 'content-length': '10' },
    })
    push.on('error', () => {}).write('abc')
    await waitUntil('bytes came in', () => sizeOf(images, `${id}/data`) === 3, 60_000)
    process.kill(Number(fs.readFileSync(ours.path('pid'), 'utf8')), 'SIGKILL')
    await pipe.done
    const host = await serve(t, ours, images)
    t.equal(await digestOf(`http://${host}/v2/team/app/manifests/1`), digest, kind)
    const url = `http://${host}${location}`
    const rest = `curl -sS -o log -w '%{http_code} ' -X PATCH -H 'Content-Range: 3-5' --data-binary def ${url}`
    t.equal((await ours.good(rest)).stdout, '202 ', 'the next server takes the upload up')
    await ours.good(`img-pull docker://${host}/team/app:1 | blob-put oci:back:1`)
    t.equal(digestIn(ours, 'back'), digest)
  }
})

function sizeOf(dir: string, end: string): number | undefined {
  const found = (fs.readdirSync(dir, { recursive: true }) as string[]).find(name => name.endsWith(end))
  return found === undefined ? undefined : fs.statSync(path.join(dir, found)).size
}
