// docker-daemon: with Docker's own engine and with podman's service, and commands of docker that ask a registry, beside
// ours.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, PODMAN_LIMITS, podman, serve, startDocker, startRegistry, waitUntil } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type Lab, lab } from './lab.js'

/** A lab whose store has the images `one:1` and `two:2` of a busybox. */
async function imagesIn(t: Test): Promise<Lab> {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  place.write({ 'tree/bin/': '' })
  fs.copyFileSync('/bin/busybox', place.path('tree/bin/sh'))
  fs.chmodSync(place.path('tree/bin/sh'), 0o755)
  for (const [word, tag] of [
    ['one', '1'],
    ['two', '2'],
  ]) {
    const command = JSON.stringify(['/bin/sh', '-c', `echo ${word}`])
    const described = `manifest-gen --platform linux/amd64 --cmd '${command}' -t ${word}:${tag}`
    await place.good(`layer-pack --dir tree | ${described} | blob-put store:`)
  }
  return place
}

const skip = need('root', 'busybox', 'dockerd', 'docker', 'docker-registry', 'htpasswd', 'jq')

t.test('an engine of Docker', { skip }, async t => {
  const place = await imagesIn(t)
  const { host } = await startDocker(t)
  const env = { DOCKER_HOST: host }
  const docker = `docker -H ${host}`
  const good = (command: string) => place.good(command, { env })
  const run = (command: string) => place.run(command, { env })

  t.test('images go in', async t => {
    const put = await good('img-pull store:one:1 | blob-put docker-daemon:one:1')
    const root = put.records().find(record => record.root === true)
    t.match(root, { reference: 'docker.io/library/one:1' })
    t.same(root?.from, ['docker-daemon:one:1'], 'where it is found again')
    t.equal((await good(`${docker} run --rm --network none one:1`)).stdout, 'one\n')
    const config = put.records().find(({ type }) => type === 'config')
    const id = `${docker} inspect --format '{{.Id}}' one:1`
    t.equal((await good(id)).stdout.trim(), config?.digest, 'the image ID is the digest of our config')
    await good('img-pull store:one:1 store:two:2 | blob-put docker-daemon:')
    await good('img-pull store:two:2 | blob-put docker-daemon:h.example/x:1 --additional-tag y:2')
    const { stdout } = await good(`${docker} images --format '{{.Repository}}:{{.Tag}}'`)
    t.same(stdout.trim().split('\n').sort(), ['h.example/x:1', 'one:1', 'two:2', 'y:2'])
    const plan = await good('img-pull store:one:1 | blob-put --dry-run docker-daemon:never:1')
    t.match(
      plan.records().find(({ type }) => type === 'plan'),
      { type: 'plan', action: 'put', place: 'docker-daemon:never:1' },
    )
    await good(
      `layer-pack --dir tree | manifest-gen --platform linux/amd64 --label l=1 | blob-put docker-daemon:`,
    )
    t.match(
      (await good(`${docker} images -q --filter dangling=true`)).stdout,
      /^[0-9a-f]{12}\n$/,
      'without a name',
    )
  })

  t.test('images come out', async t => {
    const id = (await good(`${docker} inspect --format '{{.Id}}' one:1`)).stdout.trim()
    for (const name of ['one:1', 'docker.io/library/one:1', id]) {
      const { stdout } = await good(
        `img-pull --no-tag docker-daemon:${name} | jq -r 'select(.type == "config").digest'`,
      )
      t.equal(stdout.trim(), id, name)
    }
    await good('img-pull --no-tag docker-daemon:one:1 | untar back')
    t.ok(fs.readFileSync(place.path('back/bin/sh')).equals(fs.readFileSync('/bin/busybox')))
    const both = await good('img-pull docker-daemon:one:1 docker-daemon:y:2')
    const names = both.records().flatMap(({ root, reference }) => (root === true ? [reference] : []))
    t.same(names, ['docker.io/library/one:1', 'docker.io/library/y:2'])
    await good('img-pull store:y:2 | blob-put oci:again:1')
    await good('img-pull --no-tag docker-daemon:two:2 | img-edit --env A=b | blob-put docker-daemon:edited:1')
    t.match((await good(`${docker} inspect edited:1`)).stdout, /"A=b"/)
  })

  t.test('what cannot be', async t => {
    const diffID = `if .type == "layer" then .diffID = "sha256:${'0'.repeat(64)}" else . end`
    const wrong = `layer-pack --dir tree | jq -c '${diffID}' | manifest-gen --platform linux/amd64 | blob-put docker-daemon:wrong:1`
    const rows: readonly [command: string, status: number, message: RegExp, why: string][] = [
      [
        'img-pull docker-daemon:none:1',
        1,
        /there is no image none:1 in the engine at unix:.*\[MANIFEST_UNKNOWN\]/,
        'no image',
      ],
      [`img-pull docker-daemon:sha256:${'0'.repeat(64)}`, 1, /\[MANIFEST_UNKNOWN\]/, 'nor such an id'],
      [
        wrong,
        1,
        /the engine cannot load the images at unix:.*diffID.*\[ENGINE_FAILED\]/,
        'an error inside a 200',
      ],
      [
        'img-pull store:one:1 | head -n -1 | blob-put docker-daemon:cut:1',
        1,
        /the input ended before its "end" record/,
        'a stream that is cut',
      ],
      [
        `layer-pack --dir tree --compress zstd | manifest-gen | blob-put docker-daemon:z:1`,
        1,
        /\[LAYER_UNSUPPORTED\]/,
        'zstd',
      ],
      [
        'img-pull store:one:1 store:two:2 | blob-put docker-daemon:x:1',
        1,
        /\[PLACE_TAKEN\]/,
        'two images, one name',
      ],
      [
        `img-pull store:one:1 | blob-put docker-daemon:x@sha256:${'0'.repeat(64)}`,
        1,
        /\[PLACE_INVALID\]/,
        'a digest',
      ],
      [
        'DOCKER_HOST=unix:///none/s img-pull docker-daemon:one:1',
        75,
        /no such socket.*\[ENGINE_UNREACHABLE\]/,
        'no engine',
      ],
      ['DOCKER_HOST=ssh://h img-pull docker-daemon:one:1', 1, /ssh -nNT -L.*\[ENGINE_UNSUPPORTED\]/, 'ssh'],
    ]
    const images = async (): Promise<string> => (await good(`${docker} images -a --no-trunc | sort`)).stdout
    const before = await images()
    for (const [command, status, message, why] of rows) {
      const result = await run(command)
      t.equal(result.statuses.at(-1), status, `${why}: ${result.stderr}`)
      t.match(result.stderr, message, why)
    }
    t.equal(await images(), before, 'nothing was loaded')
  })

  t.test('kf-build --load needs no program', async t => {
    place.write({
      'context/Dockerfile': 'FROM scratch\nCOPY sh /bin/sh\nCMD ["/bin/sh", "-c", "echo built"]\n',
      'stubs/': '',
    })
    fs.copyFileSync('/bin/busybox', place.path('context/sh'))
    for (const name of ['docker', 'podman'])
      fs.writeFileSync(place.path('stubs', name), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
    const built = await good('PATH="$PWD/stubs:$PATH" kf-build -q --load -t built:1 -t built:2 context')
    t.equal(built.stdout, '')
    t.equal(built.stderr, 'Loaded image: built:1\nLoaded image: built:2\n')
    t.equal((await good(`${docker} run --rm --network none built:2`)).stdout, 'built\n')
    const terminal = `script -qec 'kf-build -q -o type=docker -t shown:1 context' /dev/null`
    t.match(
      (await good(terminal)).stdout,
      /^Loaded image: shown:1\r\n$/,
      'on a terminal an archive goes there, too',
    )
    await good('kf-build -q --load context')
  })

  t.test('docker search', async t => {
    const results = [
      { name: 'nginx', description: 'Official build.', star_count: 20, is_official: true },
      { name: 'team/nginx', description: '', star_count: 0, is_official: false },
    ]
    const { url, asked } = await serve(t, (request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(request.url === '/v1/_ping' ? '{}' : JSON.stringify({ num_results: 2, results }))
    })
    const registry = url.slice('http://'.length)
    const format = '{{.Name}}|{{.Description}}|{{.StarCount}}|{{.IsOfficial}}'
    const theirs = await good(`${docker} search --no-trunc --limit 7 --format '${format}' ${registry}/nginx`)
    const shown =
      '[(.reference | sub("^[^/]*/"; "")), .description // "", .stars, if .official then "[OK]" else "" end] | map(tostring) | join("|")'
    const ours = await good(
      `registry-ls --search ${registry}/nginx --limit 7 | jq -r 'select(.type == "reference") | ${shown}'`,
    )
    t.equal(ours.stdout, theirs.stdout)
    t.match(ours.stdout, /^nginx\|Official build\.\|20\|\[OK\]\n/, 'Docker leaves the host out')
    t.equal(asked.filter(line => line === 'GET /v1/search?q=nginx&n=7').length, 2, 'both ask the same')
  })

  t.test('docker login and logout', async t => {
    const user = { name: 'me', password: 'a: b"c' }
    const { host: registry } = await startRegistry(t, { user })
    place.write({ password: `${user.password}\n`, wrong: 'x\n' })
    const commands = {
      theirs: (word: string, file = '') => `${docker} ${word} ${registry} ${file}`,
      ours: (word: string, file = '') =>
        `registry-login ${word === 'logout' ? '--logout' : ''} ${registry} ${file}`,
    }
    const at = (who: string) => ({ env: { ...env, DOCKER_CONFIG: place.path(who), XDG_RUNTIME_DIR: '' } })
    const config = (who: string): unknown => {
      const { HttpHeaders: _, ...rest } = JSON.parse(fs.readFileSync(place.path(who, 'config.json'), 'utf8'))
      return rest
    }
    for (const [who, command] of Object.entries(commands)) {
      const refused = await place.run(`${command('login', '-u me --password-stdin')} < wrong`, at(who))
      t.not(refused.status, 0, `${who}: a wrong password`)
      await place.good(`${command('login', '-u me --password-stdin')} < password`, at(who))
    }
    t.same(config('ours'), config('theirs'))
    t.match(config('ours'), {
      auths: { [registry]: { auth: Buffer.from(`me:${user.password}`).toString('base64') } },
    })
    for (const who of ['theirs', 'ours'])
      await place.good(`img-pull store:one:1 | blob-put docker://${registry}/${who}:1`, at(who))
    for (const [who, command] of Object.entries(commands)) {
      await place.good(command('logout'), at(who))
      t.notMatch(fs.readFileSync(place.path(who, 'config.json'), 'utf8'), /"auth":/, who)
      const denied = await place.run(`img-pull --no-tag docker://${registry}/${who}:1`, at(who))
      t.equal(denied.status, 1, `${who}: nobody is known any more`)
    }
  })
})

t.test("podman's service", { skip: need('root', 'busybox', 'podman', 'jq') }, async t => {
  const place = await imagesIn(t)
  const engine = podman(place.path('podman'))
  const socket = place.path('podman.sock')
  const [program = '', ...flags] = engine.split(' ')
  const log = fs.openSync(place.path('log'), 'w')
  const service = spawn(program, [...flags, 'system', 'service', '--time', '0', `unix://${socket}`], {
    stdio: ['ignore', log, log],
  })
  t.teardown(async () => {
    service.kill('SIGTERM')
    await place.run(`${engine} system reset -f`)
  })
  await waitUntil('podman listens', () => service.exitCode !== null || fs.existsSync(socket), 30_000)
  if (service.exitCode !== null) throw new Error(fs.readFileSync(path.join(place.dir, 'log'), 'utf8'))
  const good = (command: string) => place.good(command, { env: { DOCKER_HOST: `unix://${socket}` } })
  await good('img-pull store:one:1 | blob-put docker-daemon:one:1 --additional-tag h.example/y:2')
  await good('img-pull store:one:1 store:two:2 | blob-put docker-daemon:')
  const run = `${engine} run --rm --network none ${PODMAN_LIMITS}`
  t.equal((await good(`${run} h.example/y:2`)).stdout, 'one\n')
  t.equal((await good(`${run} docker.io/library/two:2`)).stdout, 'two\n')
  const theirs = (
    await good(`${engine} image inspect --format '{{.Id}}' docker.io/library/two:2`)
  ).stdout.trim()
  const { stdout } = await good(
    `img-pull --no-tag docker-daemon:two:2 | jq -r 'select(.type == "config").digest'`,
  )
  t.equal(stdout.trim(), `sha256:${theirs}`)
  const none = await place.run('img-pull docker-daemon:none:1', { env: { DOCKER_HOST: `unix://${socket}` } })
  t.match(none.stderr, /\[MANIFEST_UNKNOWN\]/)
})
