import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'
import t from 'tap'
import { type KfImagesOptions, kfImages } from '../src/index.js'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'kf-images-'))
t.teardown(() => fs.rmSync(root, { recursive: true }))

function tree(name: string, files: Readonly<Record<string, string>>): string {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(root, name, file)), { recursive: true })
    fs.writeFileSync(path.join(root, name, file), text)
  }
  return path.join(root, name)
}

async function run(
  paths: readonly string[],
  options: Partial<KfImagesOptions> = {},
): Promise<{ records: readonly AnyRecord[]; warnings: readonly string[] }> {
  const warnings: string[] = []
  const stdin = options.stdin ?? Readable.from([])
  const context = { env: {}, warn: (message: string) => warnings.push(message), ...options, stdin }
  const records = await collect(kfImages(paths, context))
  for (const record of records) checkRecord(record)
  return { records, warnings }
}

const short = (record: AnyRecord): string =>
  record.type === 'failed'
    ? `failed ${record.code} ${String(record.message).replaceAll(root, '')}`
    : `${String(record.file).slice(root.length)}:${record.line ?? '-'} ${record.foundIn} ${record.reference}${record.guess ? '?' : ''}`

t.test('a root filesystem', async t => {
  const rootfs = tree('rootfs', {
    'manifests/b.yaml': 'containers:\n- image: nginx\n',
    'manifests/a/x.YML': 'image: quay.io/a/b:1\n',
    'manifests/a/imageList': 'only-at-the-top\n',
    'manifests/imageList': 'docker.io/library/nginx:latest\nbusybox # tools\n',
    'manifests/c.json': '{"image": "c:1"}',
    'manifests/d.tmpl': 'image: {{ .x }}\nimage: d:1\n{{ if }}\n',
    'manifests/e.txt': 'image: not-read\n',
    'charts/app/Chart.yaml': 'name: app\nappVersion: 2\n',
    'charts/app/values.yaml': 'image: {repository: app/app, tag: ""}\n',
    'charts/app/templates/x.yaml': 'image: {{ .Values.image.repository }}:3\n',
    'charts/app/charts/sub/Chart.yaml': 'name: sub\n',
    'charts/app/charts/sub/values.yaml': 'image: sub/sub:1\n',
    'application/apps/one/pod.yaml': 'containers: [{image: one:1}]\n',
    'images/shim/list': 'shim:1\n',
    'imageListWithAuth.yaml':
      '- registry: r.example\n  username: u\n  password: p\n  images: [r.example/x:1]\n',
    'other/pod.yaml': 'image: not-read\n',
  })
  fs.symlinkSync('/etc/passwd', path.join(rootfs, 'manifests/z.yaml'))
  const { records, warnings } = await run([rootfs])
  t.same(records.map(short), [
    '/rootfs/imageListWithAuth.yaml:4 list r.example/x:1',
    '/rootfs/application/apps/one/pod.yaml:1 container one:1',
    '/rootfs/charts/app/values.yaml:1 values app/app:2?',
    '/rootfs/charts/app/templates/x.yaml:1 template app/app:3?',
    '/rootfs/charts/app/charts/sub/values.yaml:1 values sub/sub:1?',
    '/rootfs/images/shim/list:1 list shim:1',
    '/rootfs/manifests/a/x.YML:1 image quay.io/a/b:1',
    '/rootfs/manifests/b.yaml:2 container nginx',
    '/rootfs/manifests/c.json:1 image c:1',
    '/rootfs/manifests/d.tmpl:2 template d:1?',
    '/rootfs/manifests/imageList:2 list busybox',
  ])
  t.match(warnings, [/credentials for 1 registries/])
  const authFile = path.join(root, 'config.json')
  await run([rootfs], { authFile })
  t.same(JSON.parse(fs.readFileSync(authFile, 'utf8')), { auths: { 'r.example': { auth: 'dTpw' } } })
  t.equal(fs.statSync(authFile).mode & 0o777, 0o600, 'for the user alone')
})

t.test('other paths', async t => {
  const pods = tree('pods', { 'a.yaml': 'containers: [{image: a:1}, {image: b}]\n', list: 'c\n' })
  const file = path.join(pods, 'a.yaml')
  const rows: readonly {
    paths: readonly string[]
    options?: Partial<KfImagesOptions>
    want: readonly string[]
    why: string
  }[] = [
    {
      paths: [pods],
      want: ['/pods/a.yaml:1 container a:1', '/pods/a.yaml:1 container b'],
      why: 'a folder of manifests',
    },
    {
      paths: [file, file],
      want: ['/pods/a.yaml:1 container a:1', '/pods/a.yaml:1 container b'],
      why: 'twice is once',
    },
    { paths: [path.join(pods, 'list')], want: ['/pods/list:1 list c'], why: 'an unknown name is a list' },
    {
      paths: [pods],
      options: { isSealer: true },
      want: [],
      why: "sealer's rule sees no image there",
    },
  ]
  for (const { paths, options, want, why } of rows) {
    t.same((await run(paths, options)).records.map(short), want, why)
  }
  const stdin = Readable.from([Buffer.from('image: x:1')])
  t.same((await run(['-'], { stdin, platform: 'arm64' })).records, [
    { type: 'reference', reference: 'x:1', file: '-', line: 1, foundIn: 'image', platform: 'linux/arm64' },
  ])
  const quoted = Readable.from([Buffer.from(`image: 'x:1'\nimage: "y:1"\nimage: ''z:1''\n`)])
  const found = (await run(['-'], { stdin: quoted, isSealer: true })).records
  t.same(
    found.map(({ reference }) => reference),
    ['x:1', 'y:1'],
    'sealer strips one pair of quotes',
  )
})

t.test('charts in a chart, with its values', async t => {
  const chart = tree('umbrella', {
    'Chart.yaml': `name: app
dependencies:
- {name: db, alias: main}
- {name: db, alias: spare, condition: spare.enabled}
- {name: off, condition: "nothing.here, off.enabled"}
`,
    'values.yaml': `global: {imageRegistry: g.io}
web: {image: {tag: "2", registry: null}, extra: {image: {repository: only/above, tag: 1}}}
main: {image: {tag: "15"}}
spare: {enabled: false}
off: {enabled: false}
`,
    'charts/web/Chart.yaml': 'name: web\nappVersion: 1\n',
    'charts/web/values.yaml': 'image: {repository: x/web, tag: 1, registry: r.io}\n',
    'charts/web/charts/in/Chart.yaml': 'name: in\n',
    'charts/web/charts/in/values.yaml': 'image: {repository: x/in, tag: 1}\n',
    'charts/db/Chart.yaml': 'name: db\n',
    'charts/db/values.yaml': 'image:\n  repository: x/db\n  tag: 14\n',
    'charts/db/templates/t.yaml': 'image: a/{{ .Values.image.tag }}:1\n',
    'charts/off/Chart.yaml': 'name: off\n',
    'charts/off/values.yaml': 'image: {repository: x/off, tag: 1}\n',
    'charts/unlisted/Chart.yaml': 'name: unlisted\n',
    'charts/unlisted/values.yaml': 'image: {repository: x/un, tag: 1, registry: own.io}\n',
  })
  t.same((await run([chart])).records.map(short), [
    '/umbrella/charts/db/values.yaml:2 values g.io/x/db:15?',
    '/umbrella/charts/db/templates/t.yaml:1 template a/15:1?',
    '/umbrella/charts/unlisted/values.yaml:1 values own.io/x/un:1?',
    '/umbrella/charts/web/values.yaml:1 values g.io/x/web:2?',
    '/umbrella/values.yaml:2 values g.io/only/above:1?',
    '/umbrella/charts/web/charts/in/values.yaml:1 values g.io/x/in:1?',
  ])
  const old = tree('old', {
    'Chart.yaml': 'name: app\n',
    'requirements.yaml': 'dependencies: [{name: db, condition: db.on}]\n',
    'values.yaml': 'db: {on: false, image: x/y:1}\n',
    'charts/db/Chart.yaml': 'name: db\n',
    'charts/db/values.yaml': 'image: x/db:1\n',
  })
  t.same((await run([old])).records, [], 'a list of the first version of charts')
  const chain = (text: string): string =>
    `${Array.from({ length: 3000 }, (_, n) => `a${n}: &a${n} {x: ${n === 0 ? '1' : `*a${n - 1}`}}\n`).join('')}${text}`
  const deep = tree('deep', {
    'Chart.yaml': 'name: app\n',
    'values.yaml': chain('sub: *a2999\n'),
    'charts/sub/Chart.yaml': 'name: sub\n',
    'charts/sub/values.yaml': chain('x: *a2998\nimage: x/sub:1\n'),
  })
  t.match((await run([deep])).records.map(short), [/ x\/sub:1\?$/], 'values of 3000 levels by way of aliases')
  const many = Array.from({ length: 201 }, (_, n) => `- {name: sub, alias: s${n}}`).join('\n')
  const wide = tree('wide', {
    'Chart.yaml': `name: app\ndependencies:\n${many}\n`,
    'charts/sub/Chart.yaml': 'name: sub\n',
  })
  t.match((await run([wide])).records, [{ code: 'CHART_INVALID' }], 'one chart used 201 times')
})

t.test('charts', async t => {
  const chart = tree('chart', { 'Chart.yaml': 'name: app\n', 'values.yaml': 'image: a/b:1\n' })
  const entry = (name: string, text: string): Buffer[] => {
    const fields = {
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: { seconds: 0, nanoseconds: 0 },
      linkname: '',
      devmajor: 0,
      devminor: 0,
    }
    const header = encodeHeader({ ...fields, name, type: 'file', size: text.length, xattrs: new Map() })
    return [header, Buffer.from(text), padding(text.length)]
  }
  const tgz = path.join(root, 'x.tgz')
  const parts = [
    ...entry('app/Chart.yaml', 'name: app\n'),
    ...entry('app/values.yaml', 'image: c/d:1\n'),
    END_BLOCKS,
  ]
  fs.writeFileSync(tgz, gzipSync(Buffer.concat(parts)))
  t.same((await run([chart, tgz])).records.map(short), [
    '/chart/values.yaml:1 values a/b:1?',
    '/x.tgz/values.yaml:1 values c/d:1?',
  ])
  const helm = path.join(root, 'bin', 'helm')
  tree('bin', {
    helm: '#!/bin/sh\n[ "$1 $2" = "template dryrun" ] && printf -- "---\\n# Source: app/templates/a.yaml\\nimage: h:1\\n"\n',
  })
  fs.chmodSync(helm, 0o755)
  t.same((await run([chart], { env: { PATH: `:relative:${root}/bin` } })).records.map(short), [
    '/chart/templates/a.yaml:- chart h:1',
  ])
  t.same(
    (await run([chart], { env: { PATH: `${root}/bin` }, helm: 'none' })).records.length,
    1,
    'no helm is run',
  )
  tree('bin', { helm: '#!/bin/sh\necho "Error: bad\nchart" >&2; exit 1\n' })
  const { records } = await run([chart], { helm })
  t.same(records.map(short), ['failed CHART_INVALID /chart: helm template: Error: bad; chart'])
})

t.test('bad input costs its own file', async t => {
  const bad = tree('bad', {
    'manifests/a.yaml': 'a: b: c\n',
    'manifests/b.yaml': 'containers:\n- image: "no image!"\nimage: also not!\n',
    'manifests/c.yaml': 'image: good:1\n',
    'manifests/many.yaml': '---\na: 1\n'.repeat(1_000_000),
    'manifests/zbomb.yaml': `a0: &a0 [x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]\n`).join('')}`,
    'manifests/imageList': 'UPPER\n',
    'charts/x/Chart.yaml': 'a: [',
    'charts/y.tgz': 'no archive',
    'imageListWithAuth.yaml': 'a: 1\n',
  })
  const { records, warnings } = await run([bad])
  t.match(records.map(short), [
    /^failed IMAGE_LIST_INVALID \/bad\/imageListWithAuth.yaml:1: /,
    /^failed YAML_INVALID \/bad\/charts\/x\/Chart.yaml:/,
    /^failed CHART_INVALID \/bad\/charts\/y.tgz: /,
    /^failed YAML_INVALID \/bad\/manifests\/a.yaml:1:5: /,
    /^failed REFERENCE_INVALID \/bad\/manifests\/b.yaml:2: /,
    /^\/bad\/manifests\/c.yaml:1 image good:1$/,
    /^failed REFERENCE_INVALID \/bad\/manifests\/imageList:1: /,
    /^failed YAML_TOO_LARGE \/bad\/manifests\/many.yaml:20001: /,
    /^failed YAML_TOO_LARGE \/bad\/manifests\/zbomb.yaml:\d+: /,
  ])
  t.match(warnings, [/manifests\/b.yaml:3: /])
  await t.rejects(run([path.join(root, 'none')]), { code: 'ENOENT' })
  await t.rejects(run(['.'], { platform: 'a/b/c/d/e' }), { code: 'PLATFORM_INVALID' })
})
