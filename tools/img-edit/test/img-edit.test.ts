import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { need, runPipe, startRegistry, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgEditArguments, optionsOf } from '../src/arguments.js'

const NONE: ImgEditArguments = {
  _: [],
  cmd: [],
  entrypoint: [],
  env: [],
  label: [],
  workdir: undefined,
  user: undefined,
  expose: [],
  volume: [],
  'stop-signal': undefined,
  'unset-env': [],
  'unset-label': [],
  annotation: [],
  author: undefined,
  created: undefined,
  append: [],
  rebase: undefined,
  'strip-history': false,
  store: undefined,
  'plain-http': false,
  'tls-ca': [],
  'tls-cert': undefined,
  'tls-key': undefined,
  rate: undefined,
  timeout: 600,
}

t.test('options', async t => {
  const env = { PIPELAYER_STORE: `${tempDir(t, 'options')}/s`, SOURCE_DATE_EPOCH: '7' }
  const context = { env, signal: new AbortController().signal, warn: () => undefined }
  const given = {
    ...NONE,
    rebase: 'store:a:1=store:a:2',
    created: '2024-01-31 12:00:00Z',
    'unset-env': ['A'],
  }
  t.match(optionsOf(given, context), {
    rebase: { old: 'store:a:1', new: 'store:a:2' },
    created: '2024-01-31T12:00:00Z',
    config: { unset: { env: ['A'] } },
    sourceDateEpoch: 7,
  })
  t.equal(optionsOf(NONE, context).created, undefined, 'SOURCE_DATE_EPOCH bounds times of files alone')
  const rows: readonly [args: Partial<ImgEditArguments>, code: string][] = [
    [{ env: ['A'] }, 'USAGE'],
    [{ label: ['=x'] }, 'USAGE'],
    [{ annotation: ['x'] }, 'USAGE'],
    [{ 'unset-env': ['A=1'] }, 'USAGE'],
    [{ 'unset-label': [''] }, 'USAGE'],
    [{ expose: ['80:80'] }, 'USAGE'],
    [{ entrypoint: ['[1]'] }, 'USAGE'],
    [{ rebase: 'a' }, 'USAGE'],
    [{ rebase: 'a=' }, 'USAGE'],
    [{ rebase: 'a=b=c' }, 'USAGE'],
    [{ rebase: 'docker:a=b' }, 'PLACE_INVALID'],
    [{ created: 'yesterday' }, 'TIME_INVALID'],
  ]
  for (const [args, code] of rows)
    t.throws(() => optionsOf({ ...NONE, ...args }, context), { code, status: 2 }, JSON.stringify(args))
})

t.test('on a pipe', { skip: need('skopeo', 'umoci', 'jq') }, async t => {
  const top = tempDir(t, 'pipe')
  const env = { PIPELAYER_STORE: `${top}/s`, SOURCE_DATE_EPOCH: '1700000000' }
  const run = (command: string) => runPipe(command, { cwd: top, env })
  const config = (tag: string) =>
    JSON.parse(
      execFileSync('skopeo', ['inspect', '--config', '--raw', `oci:${top}/o:${tag}`], { encoding: 'utf8' }),
    )
  fs.mkdirSync(`${top}/tree`)
  fs.writeFileSync(`${top}/tree/f`, 'content')
  const made = 'layer-pack --dir tree | manifest-gen --cmd old -e PATH=/bin --label l=1'
  t.equal((await run(`${made} -t app:1 | blob-put store:app:1 | blob-put oci:o:1`)).status, 0)

  const one = await run(
    'img-pull store:app:1 | jq -c "select(.type != \\"end\\")" > a; img-pull store:app:1 | img-edit | jq -c "select(.type != \\"end\\")" | cmp - a',
  )
  t.equal(one.status, 0, 'without an option the stream stays')

  const flags = `--env A=b --unset-env PATH --label a=b --unset-label l --entrypoint '["/f","x"]' --cmd y --user 1000 --workdir /w --expose 80 --author me --created 2024-01-31T00:00:00Z`
  t.equal((await run(`img-pull store:app:1 | img-edit ${flags} | blob-put oci:o:2`)).status, 0)
  t.equal((await run(`img-pull store:app:1 | img-edit ${flags} | manifest-gen | blob-put oci:o:3`)).status, 0)
  const names = JSON.parse(fs.readFileSync(`${top}/o/index.json`, 'utf8')).manifests as { digest: string }[]
  t.equal(names[1]?.digest, names[2]?.digest, 'manifest-gen behind it changes nothing')
  execFileSync(
    'umoci',
    'config --image o:1 --tag umoci --config.env A=b --clear=config.env --clear=config.labels --config.label a=b --config.entrypoint /f --config.entrypoint x --config.cmd y --config.user 1000 --config.workingdir /w --config.exposedports 80/tcp --author me --created 2024-01-31T00:00:00Z --no-history'.split(
      ' ',
    ),
    { cwd: top },
  )
  t.same(config('2'), config('umoci'), 'umoci config makes the same of it')

  const appended = `img-pull store:app:1 | img-edit --append tree --append <(layer-pack --dir tree) --strip-history`
  t.equal((await run(`${appended} | blob-put oci:o:4`)).status, 0)
  t.same(
    [config('4').rootfs.diff_ids.length, config('4').history],
    [3, Array(3).fill({ created: '2023-11-14T22:13:20Z' })],
  )

  const bad: readonly [command: string, status: number, stderr: RegExp, why: string][] = [
    ['img-edit --env A', 2, /--env takes KEY=VALUE/, 'a wrong value, before stdin is read'],
    [
      'img-pull store:app:1 | img-edit --append none | blob-put oci:o:5',
      1,
      /none.*\[ENOENT\]/,
      'no such layer',
    ],
    [
      'img-pull store:app:1 | img-edit --append <(false) | blob-put oci:o:5',
      1,
      /is empty \[LAYER_INVALID\]/,
      'a layer whose program failed',
    ],
    [
      'img-pull store:app:1 | img-edit --rebase store:none:1=store:app:1 | blob-put oci:o:5',
      1,
      /MANIFEST_UNKNOWN/,
      'no such base',
    ],
    [
      'layer-pack --dir tree | img-edit --user 1 | blob-put oci:o:5',
      1,
      /put manifest-gen before.*\[CONFIG_MISSING\]/,
      'no config',
    ],
    [
      'img-pull store:app:1 | head -n 3 | img-edit --user 1 | blob-put oci:o:5',
      1,
      /INPUT_CUT/,
      'a stream that was cut',
    ],
    [
      `{ img-pull store:app:1; ${made} -t b; } | img-edit --streams 2 --user 1 | blob-put store:one:1`,
      1,
      /PLACE_TAKEN/,
      'two images, one name',
    ],
  ]
  for (const [command, status, stderr, why] of bad) {
    const { status: got, stderr: text } = await run(command)
    t.same([got, stderr.test(text)], [status, true], `${why}: ${text}`)
  }
  t.notMatch(fs.readFileSync(`${top}/o/index.json`, 'utf8'), '"5"', 'nothing was published')
  t.notMatch(fs.readFileSync(`${top}/s/index.json`, 'utf8'), 'one:1')
})

t.test(
  'from registry to registry',
  { skip: need('skopeo', 'podman', 'docker-registry', 'root') },
  async t => {
    const top = tempDir(t, 'registry')
    const { host } = await startRegistry(t)
    const run = (command: string, store = 's') =>
      runPipe(command, {
        cwd: top,
        env: { PIPELAYER_STORE: `${top}/${store}`, SOURCE_DATE_EPOCH: '1700000000' },
      })
    const good = async (command: string, store?: string): Promise<void> => {
      const { statuses, stderr } = await run(command, store)
      t.ok(
        statuses.every(status => status === 0),
        `${command}: ${stderr}`,
      )
    }
    const raw = (tag: string, ...args: string[]) =>
      JSON.parse(
        execFileSync(
          'skopeo',
          ['inspect', ...args, '--raw', '--tls-verify=false', `docker://${host}/app:${tag}`],
          { encoding: 'utf8' },
        ),
      )

    fs.mkdirSync(`${top}/base`)
    fs.mkdirSync(`${top}/tree`)
    const platforms = ['amd64', 'arm64']
    for (const [version, tag] of ['one', 'two'].entries()) {
      fs.writeFileSync(`${top}/base/f`, tag)
      const images = platforms.map(
        arch => `layer-pack --dir base | manifest-gen --platform linux/${arch} -e BASE=${version}`,
      )
      await good(
        `{ ${images.join('; ')}; } | manifest-gen --streams 2 --index -t base:1 | blob-put docker://${host}/base:${tag}`,
      )
    }
    fs.writeFileSync(`${top}/tree/g`, 'app')
    const pull = (name: string) => `img-pull --all-platforms --no-store docker://${host}/${name}`
    const put = (name: string) => `blob-put docker://${host}/${name}`
    await good(`${pull('base:one')} | img-edit --append tree --cmd /g | ${put('app:1')}`)

    await good(`${pull('app:1')} | img-edit --env A=b | ${put('app:2')}`, 'fresh')
    const sizes = execFileSync('find', ['fresh/blobs', '-type', 'f'], { cwd: top, encoding: 'utf8' })
    t.equal(
      sizes.trim().split('\n').length,
      5,
      'two configs, two manifests and an index: no layer was brought here',
    )
    for (const arch of platforms)
      t.match(raw('2', '--config', '--override-arch', arch), {
        architecture: arch,
        config: { Env: ['BASE=0', 'A=b'], Cmd: ['/g'] },
      })

    await good(
      `${pull('app:2')} | img-edit --rebase docker://${host}/base:one=docker://${host}/base:two | ${put('app:3')}`,
    )
    const base = raw('3', '--config').rootfs.diff_ids
    const old = raw('2', '--config').rootfs.diff_ids
    t.same([base.length, base[0] === old[0], base[1]], [2, false, old[1]])
    await good(
      `${pull('app:3')} | img-edit --rebase docker://${host}/base:two=docker://${host}/base:one | ${put('app:4')}`,
    )
    t.same(raw('4', '--config'), raw('2', '--config'), 'there and back')
    const wrong = await run(
      `${pull('app:3')} | img-edit --rebase docker://${host}/base:one=docker://${host}/base:two | ${put('app:5')}`,
    )
    t.match(wrong.stderr, /base:one is not its base: layer 1 .*\[BASE_MISMATCH\]/)
    t.throws(() => raw('5'), 'nothing was published')

    await good(
      `img-pull docker://${host}/app:3 | img-edit --user 7 --stop-signal SIGINT --volume /v | ${put('app:6')}`,
    )
    const podman = ['--root', `${top}/p`, '--runroot', `${top}/r`, '--storage-driver', 'vfs']
    execFileSync('podman', [...podman, 'pull', '-q', '--tls-verify=false', `${host}/app:6`], {
      stdio: 'pipe',
    })
    const [{ Id: id = '' } = {}] = JSON.parse(
      execFileSync('podman', [...podman, 'images', '--format', 'json'], { encoding: 'utf8' }),
    )
    const [seen] = JSON.parse(execFileSync('podman', [...podman, 'inspect', id], { encoding: 'utf8' }))
    t.match(seen.Config, {
      User: '7',
      StopSignal: 'SIGINT',
      Volumes: { '/v': {} },
      Env: ['BASE=0', 'A=b'],
      Cmd: ['/g'],
    })
  },
)
