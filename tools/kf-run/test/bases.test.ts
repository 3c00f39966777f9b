// Base images: the PATH if an image has none, and an image that exists for another platform.

import path from 'node:path'
import { Store } from '@pipelayer/store'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Lab } from './kit.js'

const skip = need('root', 'busybox', 'unshare', 'setpriv')
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
/** No server listens on this port, so that a request to a registry there fails at once. */
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
  addImage(here.store, 'docker.io/library/base:1', { env: ['A=1', 'B=2'] })
  const { config, stderr } = await here.run('FROM base:1\nLABEL a=b\n', '--platform linux/amd64')
  t.same(config?.config.Env, ['A=1', 'B=2', `PATH=${DEFAULT_PATH}`], `it gets the default ${stderr}`)
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

t.test('a stage that cannot be, after one that can', { skip }, async t => {
  const here = lab(t)
  here.file('f', 'f')
  const rows: readonly [file: string, args: string, want: RegExp, why: string][] = [
    [
      'FROM scratch AS a\nCOPY f /f\nCOPY --from=b /f /g\nFROM scratch AS b\nCOPY --from=a /f /f',
      '',
      /Dockerfile:5: COPY takes from stage "a", which needs this one itself \[STAGE_CIRCULAR\]/,
      'two that need each other',
    ],
    [
      'FROM scratch AS a\nCOPY f /f\nCOPY --from=b /f /g\nFROM scratch AS b',
      '--target a',
      /Dockerfile:3: .*stage "b" does not stand before this one \[STAGE_UNKNOWN\]/,
      'a later stage is no image',
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
})
