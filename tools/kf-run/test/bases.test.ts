// Base images: the PATH of one that has none, and one that is there for another platform.

import path from 'node:path'
import { Store } from '@pipelayer/store'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Lab } from './kit.js'

const skip = need('root', 'busybox', 'unshare', 'setpriv')
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** Nobody listens on this port: asking a registry there fails at once, and sends nothing anywhere. */
const NOBODY = '127.0.0.1:1'

interface Wanted {
  readonly env?: readonly string[]
  readonly os?: string
  readonly architecture?: string
}

/** An image without layers, in a layout. */
function addImage(layout: string, name: string, { env, os = 'linux', architecture = 'amd64' }: Wanted): void {
  const store = Store.open(layout)
  const blob = (document: object): { digest: string; size: number } =>
    store.putBytes(Buffer.from(JSON.stringify(document)))
  const platform = { ...(os === '' ? {} : { os }), ...(architecture === '' ? {} : { architecture }) }
  const config = { ...platform, config: env ? { Env: env } : {}, rootfs: { type: 'layers', diff_ids: [] } }
  const { digest, size } = blob(config)
  const types = 'application/vnd.oci.image'
  const manifest = blob({
    schemaVersion: 2,
    mediaType: `${types}.manifest.v1+json`,
    config: { mediaType: `${types}.config.v1+json`, digest, size },
    layers: [],
  })
  store.tag({ mediaType: `${types}.manifest.v1+json`, ...manifest } as Parameters<Store['tag']>[0], name)
}

function lab(t: Scope): Lab {
  return new Lab(tempDir(t, 'kf-run'))
}

t.test('a base without PATH', { skip }, async t => {
  const here = lab(t)
  const rows: readonly [base: Wanted, steps: string, want: readonly string[], why: string][] = [
    [{}, 'LABEL a=b', [`PATH=${DEFAULT_PATH}`], 'it gets the default, as BuildKit gives it'],
    [
      { env: ['A=1', 'B=2'] },
      'LABEL a=b',
      ['A=1', 'B=2', `PATH=${DEFAULT_PATH}`],
      'behind its own variables',
    ],
    [{}, 'ENV PATH=/opt/bin:$PATH', [`PATH=/opt/bin:${DEFAULT_PATH}`], 'an expansion sees it'],
    [{ env: ['A=1'] }, 'ENV A=$PATH', [`A=${DEFAULT_PATH}`, `PATH=${DEFAULT_PATH}`], 'of any variable'],
    [
      {},
      'ARG PATH=/x\nENV Q=$PATH',
      [`PATH=${DEFAULT_PATH}`, 'Q=/x'],
      'an ARG hides it and does not change it',
    ],
    [{ env: ['PATH=', 'A=1'] }, 'LABEL a=b', ['PATH=', 'A=1'], 'an empty PATH is one'],
    [{}, 'LABEL a=b\nFROM s0\nENV A=1', [`PATH=${DEFAULT_PATH}`, 'A=1'], 'a stage upon a stage has it once'],
    [{ os: 'windows' }, 'LABEL a=b', [], 'Windows has other directories'],
  ]
  for (const [index, [base, steps, want, why]] of rows.entries()) {
    addImage(here.store, `docker.io/library/base:${index}`, base)
    const platform = `${base.os ?? 'linux'}/amd64`
    const run = await here.run(`FROM base:${index} AS s0\n${steps}\n`, `--platform ${platform}`)
    t.same([run.status, run.config?.config.Env ?? []], [0, want], `${why} ${run.stderr}`)
  }
})

t.test('a base that is there for another platform', { skip }, async t => {
  const here = lab(t)
  const other = path.join(here.dir, 'layout')
  addImage(here.store, `${NOBODY}/base:1`, {})
  addImage(here.store, 'docker.io/library/nameless:1', { os: '', architecture: '' })
  addImage(here.store, 'docker.io/library/arm:1', { architecture: 'arm64' })
  addImage(other, 'one', {})
  const missed = /has this image for linux\/amd64, not for linux\/arm64/
  const rows: readonly [from: string, args: string, want: RegExp, why: string][] = [
    [`store:${NOBODY}/base:1`, '', missed, 'the store, named as the place'],
    [`oci:${other}:one`, '', missed, 'a layout: what is there is not taken for what was asked for'],
    ['base', `--build-context base=oci:${other}:one`, missed, 'a build context that is an image'],
    [`${NOBODY}/base:1`, '', missed, 'a name that the store has: the registry is asked, and both are said'],
    [`${NOBODY}/base:1`, '', /cannot GET http:\/\/127\.0\.0\.1:1\//, 'what became of asking it'],
  ]
  for (const platform of ['linux/arm64', 'linux/amd64,linux/arm64'])
    for (const [from, args, want, why] of rows) {
      const steps = `FROM ${from}\nLABEL a=b\n`
      const { status, stderr, records } = await here.run(steps, `--platform ${platform} ${args}`)
      t.not(status, 0, `${why}, ${platform}: ${stderr}`)
      const told = String(records.find(({ type }) => type === 'error')?.message)
      t.match(told, want, `${why}, ${platform}`)
      t.notOk(
        records.some(({ type }) => type === 'config'),
        'no config of another platform comes',
      )
    }
  const copied = await here.run(`FROM scratch\nCOPY --from=oci:${other}:one / /\n`, '--platform linux/arm64')
  t.match(copied.stderr, missed, 'COPY --from is held to it, too')
  const fine: readonly [from: string, architecture: string, why: string][] = [
    ['nameless:1', 'arm64', 'an image that names no platform is for every one'],
    ['arm:1', 'arm64', 'the one that was asked for'],
    [`--platform=linux/amd64 oci:${other}:one`, 'amd64', 'FROM --platform has the last word'],
  ]
  for (const [from, architecture, why] of fine) {
    const run = await here.run(`FROM ${from}\nLABEL a=b\n`, '--platform linux/arm64')
    t.match([run.status, run.config], [0, { architecture }], `${why} ${run.stderr}`)
    const told = /warning: .*the image for linux\/arm64 is linux\/amd64/.test(run.stderr)
    t.equal(told, architecture === 'amd64', 'an image that is not for the platform asked for is told')
  }
})

t.test('what --from means by the name of a stage', { skip }, async t => {
  const here = lab(t)
  here.file('f', 'f')
  const a = 'FROM scratch AS a\nCOPY f /f\n'
  const later = /Dockerfile:2: .*stage "(b|1|B)" does not stand before this one \[STAGE_UNKNOWN\]/
  const circular =
    /Dockerfile:\d: (COPY|RUN|FROM) takes from stage .*, which needs this one itself \[STAGE_CIRCULAR\]/
  const rows: readonly [file: string, args: string, want: RegExp, why: string][] = [
    ['FROM scratch AS a\nCOPY --from=a /f /g', '', circular, 'its own stage'],
    ['FROM scratch AS a\nCOPY --from=A /f /g', '', circular, 'in another case'],
    ['FROM scratch\nCOPY --from=0 /f /g', '', circular, 'by number'],
    ['FROM scratch AS a\nRUN --mount=from=a,target=/m true', '', circular, 'for a mount'],
    ['FROM scratch AS a\nRUN --mount=type=cache,from=a,target=/m true', '', circular, 'for a cache'],
    ['FROM scratch AS a\nCOPY --from=a /f /g\nFROM scratch', '', circular, 'of a stage that nobody needs'],
    [
      `FROM scratch AS a\nCOPY --from=b /f /g\nFROM scratch AS b\nCOPY --from=a /f /f`,
      '',
      circular,
      'two that need each other',
    ],
    ['FROM scratch AS a\nCOPY --from=b /f /g\nFROM a AS b', '', circular, 'one that is built upon it'],
    [
      `${a}FROM scratch AS b\nCOPY --from=a /f /f\nFROM scratch AS a\nCOPY --from=b /f /f`,
      '',
      circular,
      'the last of a name',
    ],
    [
      'FROM scratch AS a\nCOPY --from=b /f /g\nFROM scratch AS b',
      '--target a',
      later,
      'a later stage is no image',
    ],
    ['FROM scratch AS a\nCOPY --from=1 /f /g\nFROM scratch AS b', '--target a', later, 'nor is its number'],
    [
      'FROM scratch AS a\nRUN --mount=from=b,target=/m true\nFROM scratch AS b',
      '--target a',
      later,
      'nor for a mount',
    ],
    [
      'FROM scratch AS a\nCOPY --from=7 /f /g\nFROM scratch',
      '--target a',
      /there is no stage 7/,
      'nor a number',
    ],
    [
      'FROM scratch AS a\nONBUILD COPY --from=b /f /g\nFROM a AS b',
      '',
      /does not stand before/,
      'nor in ONBUILD',
    ],
    ['FROM scratch\nCOPY --from=$S /f /g', '', /--from=\$S: variables do not count there/, 'a variable'],
    [
      "FROM scratch\nCOPY --from='$S' /f /g",
      '',
      /variables do not count there/,
      'in quotes, too, as for BuildKit',
    ],
  ]
  for (const [file, args, want, why] of rows) {
    const { status, stderr, records } = await here.run(`${file}\n`, args)
    t.equal(status, 1, `${why} ${stderr}`)
    t.match(stderr, want, why)
    t.notOk(
      records.some(({ type }) => type === 'snapshot'),
      `nothing is built first, ${why}`,
    )
  }
  const fine: readonly [file: string, args: string, why: string][] = [
    [`${a}FROM scratch AS b\nCOPY --from="a" /f /g`, '', 'quotes mean nothing'],
    [
      `FROM scratch AS a\nCOPY --from=b /f /g\n${a.replace(' a', ' b')}`,
      '',
      'a wrong stage that nobody needs',
    ],
    [
      `FROM scratch AS b\nCOPY --from=a /f /g\nFROM scratch AS a\nFROM b`,
      `--build-context a=${here.context}`,
      'a build context takes the place of a later stage',
    ],
  ]
  for (const [file, args, why] of fine) {
    const { status, stderr } = await here.run(`${file}\n`, args)
    t.equal(status, 0, `${why} ${stderr}`)
  }
})
