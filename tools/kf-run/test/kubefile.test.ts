// Kubefiles executed by the built kf-run: both dialects, the records, where RUN works, and what is refused.

import fs from 'node:fs'
import path from 'node:path'
import { type Dialect, parseKubefile } from '@pipelayer/kubefile'
import { need, type Scope, serve, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab, type Run } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')

function lab(t: Scope): Lab {
  return new Lab(tempDir(t, 'kubefile'))
}

async function run(here: Lab, text: string, args = '', dialect?: Dialect): Promise<Run> {
  const list = parseKubefile(text, dialect === undefined ? {} : { dialect })
  const records = list.map((fields, index) => ({ type: 'instruction', stage: 0, index, ...fields }))
  const end = { type: 'end', tool: 'kf-parse', records: records.length, failed: 0 }
  const input = [...records, end].map(record => `${JSON.stringify(record)}\n`).join('')
  return await here.run('', `--no-images ${args}`, { input })
}

/** The names that the last step changed. */
function names(done: Run): string[] {
  const last = done.snapshots.at(-1)
  return last === undefined ? [done.stderr] : changes(last).map(line => line.split(' ').slice(0, 3).join(' '))
}

t.test('COPY of the classic dialect', { skip }, async t => {
  const here = lab(t)
  here.file('a/x', 'x')
  here.file('a/deep/y.yaml', 'y')
  here.file('b.yaml', 'b')
  here.file('c.yaml', 'c')
  here.file('.dockerignore', '*')
  here.file('imageListWithAuth.yaml', '- password: secret')
  const rows: readonly [copy: string, want: readonly string[], why: string][] = [
    ['COPY b.yaml etc', ['add etc dir', 'add etc/b.yaml file'], 'the destination is a directory'],
    ['COPY b.yaml /etc/x/', ['add etc dir', 'add etc/x dir', 'add etc/x/b.yaml file'], 'of the image'],
    [
      'COPY a apps',
      [
        'add apps dir',
        'add apps/a dir',
        'add apps/a/deep dir',
        'add apps/a/deep/y.yaml file',
        'add apps/a/x file',
      ],
      'a directory keeps its name',
    ],
    ['COPY ./a/deep/ .', ['add deep dir', 'add deep/y.yaml file'], 'the last part of it'],
    ['COPY *.yaml m', ['add m dir', 'add m/b.yaml file', 'add m/c.yaml file'], 'not the list of passwords'],
    [
      'COPY a/* m',
      ['add m dir', 'add m/deep dir', 'add m/deep/y.yaml file', 'add m/x file'],
      'each match as itself',
    ],
  ]
  for (const [copy, want, why] of rows) t.same(names(await run(here, `FROM scratch\n${copy}`)), want, why)
  const own = process.arch === 'x64' ? 'amd64' : process.arch
  here.file(`bin-${own}/tool`, 't')
  const arch = ['add bin dir', `add bin/bin-${own} dir`, `add bin/bin-${own}/tool file`]
  for (const name of ['${ARCH}', '$ARCH'])
    t.same(names(await run(here, `FROM scratch\nCOPY bin-${name} bin`)), arch, `${name} of a source`)
  const all = names(await run(here, 'FROM scratch\nCOPY . all'))
  t.ok(all.includes('add all/.dockerignore file'), '. is what is in it, .dockerignore is for Dockerfiles')
  t.notOk(
    all.some(line => line.includes('Auth')),
    'but the passwords stay outside',
  )
  const missing = await run(here, 'FROM scratch\nCOPY nothing .')
  t.match([missing.status, missing.stderr], [1, /Kubefile:2: COPY nothing \.: "\/nothing": not found/])
})

t.test('a file of the web', { skip }, async t => {
  const here = lab(t)
  const web = await serve(t, (request, response) => {
    response.writeHead(request.url?.startsWith('/m/x.yaml') ? 200 : 404).end('a: b')
  })
  const text = `FROM scratch\nCOPY ${web.url}/m/x.yaml?raw=true manifests`
  t.same(names(await run(here, text)), ['add manifests dir', 'add manifests/x.yaml file'])
  const gone = await run(here, `FROM scratch\nCOPY ${web.url}/gone .`)
  t.match([gone.status, gone.stderr], [1, /Kubefile:2: COPY http.*404/])
})

t.test('RUN beside a root filesystem without a shell', { skip }, async t => {
  const here = lab(t)
  here.file('tool', '#!/bin/sh\necho "$Who and $Other" > greeting\n')
  fs.chmodSync(path.join(here.context, 'tool'), 0o755)
  const mark = path.join(here.dir, 'mark')
  const steps = `FROM scratch
ARG Who=none,Unused=1
COPY tool bin
RUN  tool && test "$PWD" = /rootfs && ! touch /usr/mark && ! ls ${here.dir} && touch /tmp/x
ARG Who=world`
  const done = await run(here, steps, '--build-arg Other=all,More=2')
  t.equal(done.status, 0, done.stderr)
  t.same(names(done), ['add greeting file'], 'only the root filesystem is kept')
  t.equal(content(done.snapshots.at(-1), 'greeting'), 'world and all\n', 'ARGs hold everywhere in the file')
  t.same(done.config.spec.image_config.args, { Who: 'world', Unused: '1', Other: 'all', More: '2' })
  const host = await run(here, `FROM scratch\nCOPY tool bin\nRUN echo x > ${mark} && tool`, '--host-run')
  t.equal(host.status, 0, host.stderr)
  t.equal(fs.readFileSync(mark, 'utf8'), 'x\n', '--host-run: on this machine')
  t.same(names(host), ['add greeting file'])
  const failed = await run(here, 'FROM scratch\nRUN exit 3')
  t.match([failed.status, failed.stderr], [1, /Kubefile:2: RUN exit 3: ended with status 3/])
  const inside = await run(here, 'FROM scratch\nCOPY sh bin\nRUN test ! -e /rootfs && echo x > /etc2')
  t.same(names(inside), ['add etc2 file'], 'in the image, where it has a shell')
})

t.test('what the config of a classic image says', { skip }, async t => {
  const here = lab(t)
  here.file('etc/Clusterfile', 'kind: Cluster\n')
  here.file('Metadata', '{"version":"v1","arch":"arm64","variant":"v8"}')
  const { config } = await run(here, 'FROM scratch\nCMD  kubectl  apply\nCOPY etc .\nCOPY Metadata .\nCMD b')
  const history = config.history as { created_by: string; empty_layer?: boolean }[]
  t.same(
    history.map(entry => [entry.created_by, entry.empty_layer === true]),
    [
      ['CMD kubectl  apply', true],
      ['COPY etc .', false],
      ['COPY Metadata .', false],
      ['CMD b', true],
    ],
  )
  t.match(config, { kind: 'Image', apiVersion: '', architecture: 'arm64', variant: 'v8', os: 'linux' })
  t.same(config.metadata.annotations, { 'sea.aliyun.com/ClusterFile': 'kind: Cluster\n' })
  t.same(config.spec.platform, { architecture: 'arm64', os: 'linux', variant: 'v8' })
  t.same(config.config.Cmd, ['kubectl  apply', 'b'], 'where other programs look for commands')
  const typed = await run(here, 'FROM scratch\nCMD a', '--type rootfs')
  t.match([typed.status, typed.stderr], [2, /--type rootfs .* which says none/])
  const bare = await run(here, 'FROM scratch\nCMD a')
  t.match(bare.config.metadata.annotations['sea.aliyun.com/ClusterFile'], /name: my-cluster/, 'the default')
  here.file('Metadata2/Metadata', '{')
  const broken = await run(here, 'FROM scratch\nCOPY Metadata2/Metadata .')
  t.match([broken.status, broken.stderr], [1, /\/Metadata of the image is no JSON.*METADATA_INVALID/])
  here.file('c/link/etc', '->/etc')
  t.match((await run(here, 'FROM scratch\nCOPY c/link/* .')).status, 0, 'a link to elsewhere is not followed')
})

t.test('the newer dialect', { skip }, async t => {
  const here = lab(t)
  here.file('app/a.yaml', 'a')
  here.file('install.sh', 'i')
  here.file('.dockerignore', 'secret')
  here.file('amd64/x', 'x')
  const text = `FROM scratch
ENV G=1
COPY sh /bin/sh
APP one local://app
APP two local://install.sh
APPENV two K=v
CNI net local://app/a.yaml
KUBEVERSION >=1.19
COPY \${ARCH}/x /arch/
RUN echo $G > /g
LAUNCH ["one", "two"]`
  const done = await run(here, text, '--platform linux/amd64')
  t.equal(done.status, 0, done.stderr)
  const added = done.snapshots.flatMap(snapshot => changes(snapshot).map(line => line.split(' ')[1]))
  for (const name of ['application/apps/one/a.yaml', 'application/apps/two/install.sh', 'arch/x', 'g'])
    t.ok(added.includes(name), name)
  t.match(done.config.config, {
    Env: [/^PATH=/, 'G=1'],
    Labels: {
      'cluster.alpha.sealer.io/kube-cni-net': 'true',
      'app.alpha.sealer.io/supported-kube-version': '>=1.19',
    },
  })
  const config = done.records.find(record => record.type === 'config')
  const annotations = config?.manifestAnnotations as Record<string, string>
  t.same(JSON.parse(annotations['sealer.image.extension'] ?? ''), {
    buildClient: { sealerVersion: '', buildahVersion: '' },
    schemaVersion: 'v1alpha1',
    type: 'kube-installer',
    applications: [
      { name: 'one', type: 'kube', launchfiles: ['a.yaml'], version: 'v1' },
      { name: 'two', type: 'shell', launchfiles: ['install.sh'], env: { K: 'v' }, version: 'v1' },
      { name: 'net', type: 'kube', launchfiles: ['a.yaml'], version: 'v1' },
    ],
    env: { G: '1' },
    launch: { app_names: ['one', 'two'] },
  })
  const bare = await run(here, 'FROM scratch\nCOPY sh x\nCMDS ["a b", "c"]', '--type app-installer')
  const said = bare.records.find(record => record.type === 'config')?.manifestAnnotations as Record<
    string,
    string
  >
  t.match(JSON.parse(said['sealer.image.extension'] ?? ''), {
    type: 'app-installer',
    launch: { cmds: ['a b', 'c'] },
  })
  t.same(bare.config.config.Cmd, ['a b', 'c'], 'the commands stand in the config, too')
  t.equal(done.config.config.Cmd, undefined, 'LAUNCH names applications, no commands')
  const wrong = await run(here, 'FROM scratch\nLABEL a=b\nCMDS a', '--type rootfs')
  t.match([wrong.status, wrong.stderr], [2, /--type rootfs .* whose types are kube-installer, app-installer/])
})

t.test('a Kubefile of sealos', { skip }, async t => {
  const here = lab(t)
  here.file('charts/web/Chart.yaml', 'name: web')
  here.file('install.sh', 'i')
  here.file('.dockerignore', 'charts/web/.git')
  const text = `FROM scratch AS files
COPY sh /bin/sh
RUN echo built > /built
FROM scratch
ARG NAME=web
ENV NAME=\${NAME:-"other"} OPTS=" \\
--set a=b"
LABEL sealos.io.type="application" init="init.sh \\$data"
COPY --from=files /built opt/built
COPY charts charts
COPY registry ./registry
COPY registry/ install.sh scripts/
USER 1000
WORKDIR /work
CMD ["helm upgrade -i $(NAME) charts/web $(OPTS)", "echo $NAME"]`
  const done = await run(here, text, '', undefined)
  t.equal(done.status, 0, done.stderr)
  t.match(done.config.config, {
    Env: [/^PATH=/, 'NAME=web', /^OPTS= +--set a=b$/],
    Labels: { 'sealos.io.type': 'application', init: 'init.sh $data' },
    User: '1000',
    WorkingDir: '/work',
    Cmd: ['helm upgrade -i $(NAME) charts/web $(OPTS)', 'echo $NAME'],
  })
  t.equal(done.config.kind, undefined, 'it is no image of sealer')
  t.notOk(done.records.find(record => record.type === 'config')?.manifestAnnotations)
  const added = done.snapshots.flatMap(snapshot => changes(snapshot).map(line => line.split(' ')[1]))
  for (const name of ['opt/built', 'charts/web/Chart.yaml', 'scripts/install.sh', 'work'])
    t.ok(added.includes(name), name)
  t.notOk(
    added.some(name => name?.includes('registry')),
    'a folder that only sealos build would make',
  )
  here.file('registry/docker/x', 'x')
  const copied = await run(here, 'FROM scratch\nCOPY registry registry\nCMD ["a"]')
  t.ok(names(copied).includes('add registry/docker/x file'), 'a folder that is there is copied')
  const shell = await run(here, 'FROM scratch\nCOPY install.sh install.sh\nCMD bash install.sh')
  t.same(
    shell.config.config.Cmd,
    ['/bin/sh', '-c', 'bash install.sh'],
    'sealos takes the text out of the shell form',
  )
  const stage = await run(here, text, '--target files', undefined)
  t.equal(stage.config.config.Cmd, undefined, '--target takes a stage')
  const typed = await run(here, 'FROM scratch\nUSER 0', '--type rootfs')
  t.same(typed.config.config.Labels, { 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v1beta1' })
  const own = await run(here, 'FROM scratch\nLABEL sealos.io.version=v1beta2\nUSER 0', '--type rootfs')
  t.same(own.config.config.Labels, { 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v1beta2' })
  const rows: readonly [text: string, args: string, status: number, message: RegExp][] = [
    [
      'FROM scratch\nUSER 0',
      '--type kube-installer',
      2,
      /--type kube-installer .* rootfs, application, patch/,
    ],
    ['FROM scratch\nUSER 0', '--target none', 1, /--target none/],
    ['FROM scratch\nCOPY gone x\nUSER 0', '', 1, /Kubefile:2: .*"\/gone": not found/],
  ]
  for (const [text, args, status, message] of rows) {
    const failed = await run(here, text, args)
    t.match([failed.status, failed.stderr], [status, message])
  }
})

t.test('streams that kf-parse does not write', { skip }, async t => {
  const here = lab(t)
  const line = (fields: object): string =>
    `${JSON.stringify({ type: 'instruction', stage: 0, index: 0, flags: [], form: 'words', args: ['scratch'], name: 'FROM', raw: 'FROM scratch', source: { file: 'K', line: 1, endLine: 1 }, ...fields })}\n`
  const end = '{"type":"end","tool":"x","records":1,"failed":0}\n'
  const classic = { dialect: 'kubefile-classic' }
  const rows: readonly [input: string, message: RegExp][] = [
    [
      line(classic) + line({ dialect: 'kubefile' }),
      /K:1: an instruction of a kubefile among those of a kubefile-classic/,
    ],
    [line(classic) + line(classic), /K:1: a second FROM/],
    [line({ ...classic, name: 'ARG', args: ['a=b'] }), /no FROM came/],
    [line(classic) + line({ ...classic, name: 'ENV' }), /K:1: ENV is no instruction of this dialect/],
  ]
  for (const [input, message] of rows) {
    const done = await here.run('', '--no-images', { input: input + end })
    t.match([done.status, done.stderr], [1, message])
  }
})
