// The pipe of a build as a whole: with a full cache, in another encoding, with filters, for several platforms; and
// kf-build.
import fs from 'node:fs'
import path from 'node:path'
import {
  childrenOf,
  need,
  podman,
  ROOT,
  repository,
  serve,
  serveGit,
  startRegistry,
  waitUntil,
} from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

const skip = need('root', 'busybox', 'runc')
const SCRIPT = path.join(ROOT, 'shell/kf-build')

const DOCKERFILE = `FROM scratch AS build
COPY sh /bin/sh
RUN echo built > /out
FROM scratch
COPY sh /bin/sh
COPY --from=build /out /out
RUN echo ran > /ran; rm /out
RUN true
CMD ["/bin/sh"]
`

function buildLab(t: Test, dockerfile = DOCKERFILE): Lab {
  const place = lab(t)
  place.write({ 'context/Dockerfile': dockerfile, 'context/f': 'f\n' })
  fs.copyFileSync('/bin/busybox', place.path('context/sh'))
  return place
}

interface Stages {
  readonly run?: string
  readonly diff?: string
  readonly pack?: string
}

/** A build up to its manifest. */
function pipe({ run = '', diff = 'ovl-diff', pack = '' }: Stages = {}): string {
  return `kf-parse context/Dockerfile | kf-run -c context ${run} | ${diff} | layer-pack ${pack} | manifest-gen -t app:1`
}

function digestsOf(records: readonly Record<string, unknown>[]): unknown[] {
  return records.filter(({ type }) => type === 'layer' || type === 'manifest').map(({ digest }) => digest)
}

t.test('a warm build', { skip }, async t => {
  const [warm, cold] = [buildLab(t), buildLab(t)]
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const first = await warm.good(pipe(), { env })
  const second = await warm.good(pipe(), { env })
  t.same(digestsOf(second.records()), digestsOf(first.records()), 'gives the same image')
  t.notMatch(second.stderr, /^ovl-diff/m, 'that steps come packed is no news')
  const verbose = await warm.good(pipe({ diff: 'ovl-diff --verbose' }), { env })
  t.match(verbose.stderr, /^ovl-diff: steps that come packed are not compared/m)
  const zstd = { pack: '--compress zstd:3' }
  const recoded = await warm.good(pipe(zstd), { env })
  t.same(
    digestsOf(recoded.records()),
    digestsOf((await cold.good(pipe(zstd), { env })).records()),
    'in another encoding it is the image that a cold build gives in it',
  )
  t.same(digestsOf((await warm.good(pipe(zstd), { env })).records()), digestsOf(recoded.records()))
  const refused: readonly [stages: Stages, status: number, why: string][] = [
    [{ pack: '--filtered' }, 3, 'a filter that saw no changes'],
    [{ pack: '--mtime-ns' }, 3, 'other times than were packed'],
    [{ diff: 'ovl-diff --all-xattrs' }, 2, 'xattrs that were not packed'],
  ]
  for (const [stages, at, why] of refused) {
    const { statuses, stderr } = await warm.run(pipe(stages), { env })
    t.equal(statuses[at], 1, why)
    t.match(stderr, /run kf-run with --snapshots \[STEP_PACKED\]/, why)
    t.same((await warm.run(pipe({ ...stages, run: '--snapshots' }), { env })).statuses, [0, 0, 0, 0, 0], why)
  }
})

t.test('packing goes on while the next step is executed', { skip }, async t => {
  const cache = '--mount=type=cache,target=/c'
  const place = buildLab(
    t,
    `FROM scratch\nCOPY sh /bin/sh\nRUN ${cache} until [ -e /c/go ]; do sleep 0.05; done; rm /c/go\n`,
  )
  const running = place.start(pipe())
  const seen = new Promise<void>(resolve => {
    let text = ''
    running.child.stdout?.on('data', chunk => {
      text += String(chunk)
      if (/"type":"layer".*COPY sh/.test(text)) resolve()
    })
  })
  await seen
  const caches = place.path('store/caches/root')
  const [id] = fs.readdirSync(caches).filter(name => !name.endsWith('.lock'))
  fs.writeFileSync(path.join(caches, id ?? '', 'go'), '')
  t.same((await running.done).statuses, [0, 0, 0, 0, 0], 'the layer of the first step was out before')
})

t.test('eight builds at once on one store, one of them killed', { skip }, async t => {
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const text = (n: number): string =>
    [
      `FROM scratch AS b\nCOPY sh /bin/sh\nRUN echo common > /c\nRUN echo ${n} > /n`,
      `FROM b AS x\nRUN echo x${n} > /x`,
      `FROM scratch\nCOPY sh /bin/sh\nCOPY --from=b /c /n /\nCOPY --from=x /x /x\nRUN echo last ${n % 2} > /l\n`,
    ].join('\n')
  const place = buildLab(t)
  for (const n of [0, 1, 2]) place.write({ [`D${n}`]: text(n) })
  const build = (n: number, tag: string): string =>
    `kf-parse D${n} | kf-run -c context | ovl-diff | layer-pack | manifest-gen -t ${tag} | blob-put store:${tag}`
  const want: unknown[] = []
  for (const n of [0, 1, 2]) {
    const alone = { env: { ...env, PIPELAYER_STORE: place.path(`alone${n}`) } }
    want.push(digestsOf((await place.good(build(n, 'app:1'), alone)).records()))
  }
  const runs = Array.from({ length: 8 }, (_, index) => place.start(build(index % 3, `app:${index}`), { env }))
  const steps = place.path('store/steps/root')
  await waitUntil('steps are there', () => fs.existsSync(steps) && fs.readdirSync(steps).length > 1)
  const pids = childrenOf(runs[4]?.pid ?? 0)
  const kfRun = pids.find(pid => fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('kf-run'))
  process.kill(kfRun ?? Number.NaN, 'SIGKILL')
  const results = await Promise.all(runs.map(run => run.done))
  for (const [index, result] of results.entries()) {
    if (index === 4) continue
    t.same(result.statuses, [0, 0, 0, 0, 0, 0], result.stderr)
    t.same(digestsOf(result.records()), want[index % 3], `build ${index} gives what it gives alone`)
  }
  t.equal(results[4]?.statuses[1], 137)
  t.notOk(place.tags().includes('docker.io/library/app:4'), 'the killed one publishes nothing')
  await waitUntil('its work is gone', () => fs.readdirSync(place.path('store/tmp')).length === 0)
  t.same(
    digestsOf((await place.good(build(1, 'app:4'), { env })).records()),
    want[1],
    'and can be done again',
  )
})

t.test('kf-build', { skip }, async t => {
  const registry = await startRegistry(t)
  const text = fs.readFileSync(SCRIPT, 'utf8')
  t.ok(text.split('\n').length - 1 < 20, 'has fewer than 20 lines')
  const rows: readonly [args: string, status: number, why: string][] = [
    ['--no-such-flag', 2, 'an unknown flag'],
    ['-o type=docer,dest=x context', 2, 'an unknown output'],
    ['-o type=docker,dest=x,compression=zstd context', 2, 'layers that not every Docker reads'],
    ['-o type=docker,name=x context', 2, 'a field of buildx that is not known'],
    ['-o type=oci,dest=y.tar,compression=xz context', 2, 'a compression that is not known'],
    ['-o type=oci,dest=y.tar,compression-level=10 context', 2, 'a level that gzip does not have'],
    ['-o type=tar,dest=y.tar,compression=gzip context', 2, 'a compression of no layers'],
    ['-o type=oci,dest= context', 2, 'a field without a value'],
    ['context other', 2, 'two contexts'],
    ['-f - - < context/Dockerfile', 2, 'both from stdin'],
    ['-f other - < context/Dockerfile', 2, 'a file of a context that stdin does not give'],
    ['-o type=oci,dest=y.tar,force-compression=true context', 2, 'a field that is not known'],
    ['-o type=oci context', 2, 'an archive without a place'],
    ['-o type=image,push=true context', 2, 'a field of docker that is not known'],
    ['-o tree,more context', 2, 'a directory that reads like fields'],
    ['-t app:1 --build-arg A=1 --label l=1 context', 0, 'the store'],
    ['-t app:2 -t other:2 --target build context', 0, 'two names'],
    [`-t ${registry.host}/app:1 -t ${registry.host}/app:2 --push context`, 0, 'a registry'],
    ['-o tree context', 0, 'a directory'],
    ['--output type=local,dest=tree2 --no-cache context', 0, 'the same, nothing cached'],
    ['-o type=tar,dest=tree.tar context', 0, 'a tar'],
    ['-o type=oci,dest=image.oci -t app:3 context', 0, 'an archive'],
    ['-o type=tar,dest=- context | cat > piped.tar', 0, 'a tar on stdout'],
    ['-o type=oci,dest=- -t app:3 context | cat > piped.oci', 0, 'an archive on stdout'],
    ['-o type=oci,dest=z.oci,compression=zstd,compression-level=3 -t app:3 context', 0, 'zstd'],
    ['-o type=image,compression=uncompressed -t plain:1 context', 0, 'plain layers in the store'],
    ['-o type=docker,dest=image.docker -t app:3 -t app:4 context', 0, 'an archive for Docker'],
    ['-o type=docker -t app:3 -t app:4 context | cat > piped.docker', 0, 'the same on stdout'],
    ['-o type=docker,dest=- context | cat > bare.docker', 0, 'without a name'],
    ['-f - -t stdin:1 context < context/Dockerfile', 0, 'a Dockerfile from stdin'],
    ['-t app:1 --target= --platform= context', 0, 'empty, as an unset variable leaves them'],
    ['context', 0, 'no name'],
    ['--cache-to type=local,dest=cache -t app:1 context', 0, 'a cache'],
  ]
  const place = buildLab(t)
  for (const [args, status, why] of rows) {
    const result = await place.run(`'${SCRIPT}' ${args}`)
    t.equal(result.statuses[0], status, `${why}: ${result.stderr.slice(-500)}`)
    if (status === 2)
      t.match(result.stderr.split('\n')[0] ?? '', /^[a-z-]+: \S/, `${why}: the first line says why`)
  }
  t.same(
    place.tags().sort(),
    ['app:1', 'app:2', 'other:2', 'plain:1', 'stdin:1'].map(name => `docker.io/library/${name}`),
  )
  t.equal(fs.readFileSync(place.path('tree/ran'), 'utf8'), 'ran\n')
  t.ok(fs.existsSync(place.path('tree2/ran')))
  t.match((await place.good('tar tf tree.tar')).stdout, /^ran$/m)
  t.ok(
    fs.readFileSync(place.path('piped.tar')).equals(fs.readFileSync(place.path('tree.tar'))),
    'the same tar',
  )
  t.match((await place.good('tar tf piped.oci')).stdout, /^index.json$/m)
  t.ok(
    fs.readFileSync(place.path('piped.docker')).equals(fs.readFileSync(place.path('image.docker'))),
    'the same archive',
  )
  for (const [archive, names] of [
    ['image.docker', ['docker.io/library/app:3', 'docker.io/library/app:4']],
    ['bare.docker', null],
  ] as const) {
    const list = JSON.parse((await place.good(`tar xOf ${archive} manifest.json`)).stdout)
    t.same(list[0].RepoTags, names, archive)
  }
  const zstd = JSON.parse((await place.good('skopeo inspect --raw oci-archive:z.oci')).stdout)
  t.match(zstd.layers[0].mediaType, /\+zstd$/, 'layers are packed by zstd')
  await place.good(`'${SCRIPT}' -t app:5 -t team/app -o type=oci,dest=two.oci context`)
  const entries = JSON.parse((await place.good('tar xOf two.oci index.json')).stdout).manifests
  t.same(
    entries.map(({ annotations }: { annotations: object }) => Object.values(annotations)[0]),
    ['docker.io/library/app:5', 'docker.io/team/app:latest'],
    'every name is in the index',
  )
  place.write({ 'above/Dockerfile': 'FROM store:plain:1\nCOPY f /above\n', 'above/f': 'f\n' })
  await place.good(`'${SCRIPT}' -o type=oci,dest=above.oci,compression=gzip,compression-level=9 above`)
  const { layers } = JSON.parse((await place.good('skopeo inspect --raw oci-archive:above.oci')).stdout)
  t.match(layers[0].mediaType, /\.tar$/, 'a layer of the base stays as it is')
  t.match(layers.at(-1).mediaType, /\+gzip$/, 'a new one is packed as said')
  const deaf = await place.run(`env DOCKER_HOST=unix:///none '${SCRIPT}' --load -t app:9 context`)
  t.equal(deaf.status, 75)
  t.match(deaf.stderr, /^kf-build: --load found no engine: docker does not answer/)
  t.equal(deaf.stdout, '', 'nothing was built')
  const quiet = await place.good(`'${SCRIPT}' -q -t app:1 --no-cache context`)
  t.equal(quiet.stderr, '', 'quiet')
  const nameless = await place.good(`'${SCRIPT}' context`)
  const root = nameless.records().find(record => record.root === true)
  const found = (await place.good(`img-pull store:${root?.digest}`)).records()
  t.match(
    found.at(-2),
    { root: true, digest: root?.digest },
    'an image without a name is found by its digest',
  )
  const two = (await place.good(`'${SCRIPT}' -t app:1 -t other:1 context`)).records()
  const references = ['docker.io/library/app:1', 'docker.io/library/other:1']
  t.match(two.at(-2), { root: true, references }, 'of two names the record has both')
  const bare = await place.run(`env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin '${SCRIPT}' -q context`)
  t.equal(bare.status, 0, `the programs beside it are found without PATH: ${bare.stderr}`)
  const args = `'${SCRIPT}' -q -o - -f - context`
  const arg = await place.good(`echo 'FROM scratch\nARG A\nCOPY f /$A' | ${args} --build-arg A | tar t`, {
    env: { A: 'named' },
  })
  t.match(arg.stdout, /^named$/m, 'an ARG of the environment')
  t.match((await place.good('skopeo inspect --config oci-archive:image.oci')).stdout, /"\/bin\/sh"/)
  const { stdout } = await place.good(`registry-ls docker://${registry.host}/app`)
  t.match(stdout, /app:1"/)
  t.match(stdout, /app:2"/)
  t.equal(fs.existsSync(place.path('cache/index.json')), true)
  const help = (await place.good(`'${SCRIPT}' --help`)).stdout
  const page = fs.readFileSync(`${SCRIPT}.md`, 'utf8')
  t.match(page, help, 'its help is its man page')
  for (const [, flag = ''] of text.matchAll(/([a-z-]+):?[,|]/g))
    if (/(flags|words)=|-l "/.test(lineOf(text, flag))) t.match(help, `--${flag}`, `--${flag} is documented`)
})

function lineOf(text: string, word: string): string {
  return text.split('\n').find(line => new RegExp(`[,'|]${word}[:|,']`).test(line)) ?? ''
}

t.test('kf-build of contexts that are no directory', { skip: skip || need('git') }, async t => {
  const place = lab(t)
  place.write({
    'context/Dockerfile': 'FROM scratch\nCOPY f /f\n',
    'context/sub/Other': 'FROM scratch\nCOPY sub/Other /other\n',
    'context/f': 'f\n',
    'cluster/Kubefile': 'FROM scratch\nCOPY f /f\n',
    'cluster/f': 'f\n',
    'alone/Dockerfile': 'FROM scratch\nWORKDIR /w\n',
    'none/f': 'f\n',
    'link/f': 'f\n',
    temporary: '',
  })
  fs.rmSync(place.path('temporary'))
  fs.mkdirSync(place.path('temporary'))
  fs.symlinkSync('/etc/passwd', place.path('link/Dockerfile'))
  await place.good(`sh -c 'for name in context cluster none link; do tar czf $name.tgz -C $name .; done'`)
  const web = await serve(t, ({ url = '' }, response) => {
    const file = place.path(url.slice(1))
    if (fs.existsSync(file)) response.end(fs.readFileSync(file))
    else response.writeHead(404).end()
  })
  const repositories = place.path('repositories')
  repository(path.join(repositories, 'r.git'), {
    'sub/Dockerfile': 'FROM scratch\nCOPY f /f\n',
    'sub/f': 'f\n',
  })
  const gitWeb = await serveGit(t, repositories)
  const rows: readonly [args: string, status: number, file: string, why: string][] = [
    ['context', 0, 'f', 'a directory, for comparison'],
    ['- < context.tgz', 0, 'f', 'a tar from stdin'],
    ['- < alone/Dockerfile', 0, 'w/', 'a Dockerfile from stdin, and no context'],
    ['- < context/Dockerfile', 1, '', 'which then has no file to copy'],
    ['./context.tgz', 0, 'f', 'a tar'],
    ['-f sub/Other ./context.tgz', 0, 'other', 'another file of it'],
    ['-f none ./context.tgz', 1, '', 'one that it lacks'],
    ['<(tar cC context .)', 0, 'f', 'a tar that can be read once'],
    ['-f - ./context.tgz < context/Dockerfile', 0, 'f', 'a tar beside its Dockerfile'],
    ['./cluster.tgz', 0, 'f/f', 'a Kubefile in a tar, whose COPY makes a directory'],
    [`${web.url}/context.tgz`, 0, 'f', 'a tar of the web'],
    [`${web.url}/alone/Dockerfile`, 0, 'w/', 'a Dockerfile of the web'],
    [`${gitWeb.url}/r.git#main:sub`, 0, 'f', 'a directory of a repository'],
    [`${gitWeb.url}/r.git#nothing`, 1, '', 'a branch that is not there'],
    [`${web.url}/missing`, 1, '', 'an address that is not there'],
    ['./none.tgz', 1, '', 'a tar without a Dockerfile'],
    ['./link.tgz', 1, '', 'a Dockerfile that is a symlink, which could lead out of the context'],
    ['missing', 1, '', 'nothing'],
  ]
  const env = { TMPDIR: place.path('temporary') }
  for (const [args, status, file, why] of rows) {
    const result = await place.run(`'${SCRIPT}' -q -o - ${args} > tree.tar`, { env })
    t.equal(result.statuses[0], status, `${why}: ${result.stderr}`)
    if (status !== 0) t.match(result.stderr, /^[a-z-]+: .+\n$/, `${why}: one line`)
    else t.equal((await place.good('tar tf tree.tar')).stdout.trim().split('\n').at(-1), file, why)
    t.same(fs.readdirSync(place.path('temporary')), [], `${why}: nothing is left`)
  }
})

t.test('a broken kf-build publishes nothing', { skip }, async t => {
  const place = buildLab(t, `${DOCKERFILE}RUN exit 7\n`)
  const outputs = [
    'tree',
    'type=tar,dest=x.tar',
    'type=oci,dest=x.oci',
    'type=docker,dest=x.docker',
    'type=docker',
    '-',
  ]
  for (const args of ['-t app:1', ...outputs.map(output => `-o ${output}`)]) {
    const { status, stdout } = await place.run(`'${SCRIPT}' ${args} context`)
    t.equal(status, 1, args)
    if (args === '-o -' || args === '-o type=docker') t.equal(stdout, '', 'no byte')
    t.same(place.tags(), [], args)
    t.same(fs.readdirSync(place.dir).sort(), ['context', 'store'], args)
  }
  const gone = await place.run(`'${SCRIPT}' -t app:1 --target build context | true`)
  t.same(gone.statuses, [141, 0], 'a reader that is gone')
})

t.test('an index of several platforms', { skip: skip || need('skopeo', 'podman') }, async t => {
  const place = buildLab(
    t,
    'FROM scratch\nARG TARGETARCH TARGETVARIANT\nCOPY f /$TARGETARCH$TARGETVARIANT\nENV A=$TARGETARCH\n',
  )
  const platforms = 'linux/amd64,linux/arm64,linux/arm/v7'
  await place.good(`'${SCRIPT}' -t app:1 --platform ${platforms} -o type=oci,dest=app.oci context`)
  const index = JSON.parse((await place.good('skopeo inspect --raw oci-archive:app.oci')).stdout)
  t.same(
    index.manifests.map(({ platform }: { platform: object }) => platform),
    [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ],
  )
  for (const arch of ['amd64', 'arm64']) {
    const { stdout } = await place.good(`skopeo --override-arch ${arch} inspect --config oci-archive:app.oci`)
    t.match(JSON.parse(stdout), { architecture: arch, config: { Env: [/^PATH=/, `A=${arch}`] } })
  }
  const engine = podman(place.dir)
  const id = (await place.good(`${engine} pull -q --arch arm64 oci-archive:app.oci`)).stdout.trim()
  const { stdout } = await place.good(`${engine} image inspect ${id}`)
  t.match(JSON.parse(stdout), [{ Architecture: 'arm64' }], 'podman takes the one it is asked for')
})
