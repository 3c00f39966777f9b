import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { compareTrees, need, runPipe, shell, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgCommitArguments, optionsOf } from '../src/arguments.js'
import { editsOfInstructions } from '../src/change-option.js'

const NONE: ImgCommitArguments = {
  _: ['a', 'b'],
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
  upper: undefined,
  lower: [],
  xattrs: undefined,
  root: '/r',
  change: [],
  message: undefined,
  platform: undefined,
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
  const machine = { os: 'linux', architecture: 'amd64' }
  const context = {
    env,
    signal: new AbortController().signal,
    warn: () => undefined,
    now: new Date(0),
    machine,
  }
  const options = (args: Partial<ImgCommitArguments>) => optionsOf({ ...NONE, ...args }, context)
  t.match(options({ message: 'm' }), {
    image: 'a',
    target: 'b',
    changed: { root: '/r' },
    created: '1970-01-01T00:00:07Z',
    message: 'm',
    platform: machine,
    sourceDateEpoch: 7,
  })
  t.match(options({ root: undefined, upper: '/u', lower: ['/x', '/y'], platform: 'linux/arm64' }), {
    changed: { upper: '/u', lowers: ['/x', '/y'], xattrs: 'trusted' },
    platform: { architecture: 'arm64' },
  })
  t.match(
    options({ change: ['ENV A=1', 'CMD ["x"]', 'USER c'], env: ['A=2'], user: 'u' }).edits.config,
    { env: ['A=1', 'A=2'], cmd: ['x'], user: 'u' },
    'options come after instructions',
  )
  t.equal(options({ change: ['CMD ["x"]'], entrypoint: ['e'] }).edits.config.cmd, undefined)
  const rows: readonly [args: Partial<ImgCommitArguments>, code: string][] = [
    [{ upper: '/u' }, 'USAGE'],
    [{ root: undefined }, 'USAGE'],
    [{ lower: ['/l'] }, 'USAGE'],
    [{ xattrs: 'user' }, 'USAGE'],
    [{ env: ['A'] }, 'USAGE'],
    [{ change: ['RUN x'] }, 'USAGE'],
    [{ created: 'now' }, 'TIME_INVALID'],
    [{ platform: 'linux/' }, 'PLATFORM_INVALID'],
  ]
  for (const [args, code] of rows.filter(([{ created }]) => created === undefined))
    t.throws(() => options(args), { code, status: 2 }, JSON.stringify(args))
  const noEpoch = { ...context, env: { PIPELAYER_STORE: env.PIPELAYER_STORE } }
  t.throws(() => optionsOf({ ...NONE, created: 'now' }, noEpoch), { code: 'TIME_INVALID', status: 2 })
})

t.test('--change', async t => {
  const rows: readonly [instruction: string, edits: object][] = [
    ['CMD ["a", "b"]', { cmd: ['a', 'b'] }],
    ['CMD a b', { cmd: ['/bin/sh', '-c', 'a b'] }],
    ['entrypoint ["a"]', { entrypoint: ['a'] }],
    ['ENV A=1 B="2 3"', { env: ['A=1', 'B=2 3'] }],
    ['LABEL a.b=c', { labels: ['a.b=c'] }],
    ['EXPOSE 80 53/udp', { expose: ['53/udp', '80/tcp'] }],
    ['VOLUME /a /b', { volumes: ['/a', '/b'] }],
    ['USER 1:2', { user: '1:2' }],
    ['WORKDIR /w', { workingDir: '/w' }],
    ['STOPSIGNAL SIGINT', { stopSignal: 'SIGINT' }],
    ['ONBUILD RUN make $X', { onBuild: ['RUN make $X'] }],
    ['ONBUILD COPY . /\nONBUILD RUN x', { onBuild: ['COPY . /', 'RUN x'] }],
    ['USER a\nUSER b', { user: 'b' }],
  ]
  for (const [instruction, edits] of rows) t.same(editsOfInstructions([instruction]), edits, instruction)
  const wrong: readonly [instruction: string, message: RegExp][] = [
    ['RUN x', /it takes CMD, ENTRYPOINT/],
    ['ONBUILD FROM x', /cannot stand behind ONBUILD/],
    ['ENV PATH=$PATH:/x', /cannot use the variable PATH/],
    ['WORKDIR x', /needs an absolute path/],
    ['NOTHING x', /unknown instruction/],
    ['ENV A', /--change/],
  ]
  for (const [instruction, message] of wrong)
    t.throws(() => editsOfInstructions([instruction]), { code: 'USAGE', status: 2, message }, instruction)
})

t.test('against an image', { skip: need('root', 'skopeo', 'jq') }, async t => {
  const top = tempDir(t, 'commit')
  const env = { PIPELAYER_STORE: `${top}/s`, SOURCE_DATE_EPOCH: '1700000000' }
  const run = (command: string) => runPipe(command, { cwd: top, env })
  const digest = async (command: string): Promise<string> => {
    const { stdout, stderr, status } = await run(`${command} | jq -r 'select(.root).digest'`)
    t.equal(status, 0, stderr)
    t.match(stdout, /^sha256:/, stderr)
    return stdout
  }
  const packed = 'layer-pack --dir tree | manifest-gen --cmd old -e PATH=/bin --label l=1'
  shell(
    top,
    `mkdir -p tree/d; echo 1 > tree/same; echo 2 > tree/gone; echo 3 > tree/changed; ln tree/same tree/link
    echo 4 > tree/d/f; chmod 4755 tree/changed; touch -d @1600000000 tree/same tree/changed`,
  )
  t.equal((await run(`${packed} -t app:1 | blob-put store:app:1`)).status, 0)
  t.equal((await run('img-pull store:app:1 | untar root')).status, 0)
  // The size and the time of "changed" stay, so that only its content tells the change.
  shell(
    top,
    `rm root/gone; echo 9 > root/changed; touch -d @1600000000 root/changed
    mkdir root/new; chown 5:6 root/new; chmod 700 root/d; touch -d @1600000000 root/new`,
  )

  const pipe = (records: string) =>
    `img-pull store:app:1 | img-edit --created 2023-11-14T22:13:20Z --append <(${records} | layer-pack)`
  const root = await digest('img-commit --root root store:app:1 store:app:2')
  const both = '{ img-pull store:app:1; layer-pack --mtime-ns --dir root | manifest-gen; }'
  const images = `${both} | ovl-diff --images --streams 2 --created-by img-commit`
  t.equal(await digest(`${pipe(images)} | blob-put store:app:3`), root, 'the pipe that it stands for')
  t.equal((await run('img-pull store:app:2 | untar back')).status, 0)
  t.same(compareTrees(`${top}/root`, `${top}/back`), [], 'the image has the tree')
  const changes = await run(
    `img-pull store:app:2 | layer-ls | jq -r 'select(.type == "change" and .parent != true) | .op + " " + .path' | tail -n 4`,
  )
  t.same(changes.stdout.trim().split('\n').sort(), ['add changed', 'add d', 'add new', 'delete gone'])

  shell(top, 'mkdir l u w m')
  t.equal((await run('img-pull store:app:1 | untar --into l')).status, 0)
  shell(
    top,
    `mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m
    echo z > m/z; rm -r m/d; touch -d @1600000000 m/same; umount m`,
  )
  const upper = await digest('img-commit --upper u store:app:1 store:app:4')
  t.equal(await digest(`${pipe('ovl-diff --upper u --created-by img-commit')} | blob-put store:app:5`), upper)
  const lower = await digest('img-commit --upper u --lower l store:app:1 store:app:6')
  t.equal(
    await digest(`${pipe('ovl-diff --upper u --lower l --created-by img-commit')} | blob-put store:app:7`),
    lower,
  )
  t.not(lower, upper, 'with the lower, a file that is equal to it is no change')

  const flags = `-m 'a message' --author me -c 'ENV A=1' -c 'CMD ["x"]' --user 5 --unset-label l --annotation k=v`
  await digest(`img-commit --root root ${flags} store:app:1 oci:o:1`)
  const config = JSON.parse(
    execFileSync('skopeo', ['inspect', '--config', '--raw', `oci:${top}/o:1`], { encoding: 'utf8' }),
  )
  t.match(config, {
    author: 'me',
    created: '2023-11-14T22:13:20Z',
    config: { Env: ['PATH=/bin', 'A=1'], Cmd: ['x'], User: '5' },
  })
  t.notOk('Labels' in config.config)
  t.same(config.history.at(-1), {
    created: '2023-11-14T22:13:20Z',
    created_by: 'img-commit',
    author: 'me',
    comment: 'a message',
  })
  t.equal((await run('img-pull store:app:1 | untar plain')).status, 0)
  await digest('img-commit --root plain store:app:1 oci:o:2')
  const none = JSON.parse(
    execFileSync('skopeo', ['inspect', '--config', '--raw', `oci:${top}/o:2`], { encoding: 'utf8' }),
  )
  t.same([none.rootfs.diff_ids.length, none.history.at(-1).empty_layer], [1, true], 'nothing changed')

  const bad: readonly [args: string, status: number, stderr: RegExp, why: string][] = [
    ['--root none store:app:1 oci:o:3', 1, /NOT_A_DIRECTORY/, 'no such root'],
    ['--upper none store:app:1 oci:o:3', 1, /NOT_A_DIRECTORY/, 'no such upper'],
    ['--root root store:none:1 oci:o:3', 1, /MANIFEST_UNKNOWN/, 'no such image'],
    ['--root root store:app:1 docker:x', 2, /PLACE_INVALID/, 'no such place'],
    ['--root root store:app:1', 2, /USAGE/, 'no name'],
  ]
  for (const [args, status, stderr, why] of bad) {
    const { status: got, stderr: text } = await run(`img-commit ${args}`)
    t.same([got, stderr.test(text)], [status, true], `${why}: ${text}`)
  }
  t.notMatch(fs.readFileSync(`${top}/o/index.json`, 'utf8'), '"3"', 'nothing was published')
})
