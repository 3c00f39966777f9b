// Cluster images of sealos, built by kf-build, pushed to a registry and taken out by skopeo: what sealos reads of them.
import fs from 'node:fs'
import { need, type RegistryServer, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const skip = need('root', 'skopeo', 'docker-registry', 'jq')

/** Pushes `team/app:1`, and `web:1` for two platforms. */
async function fill(place: Lab, { host }: RegistryServer): Promise<void> {
  place.write({ 'one/f': 'one', 'two/g': 'two' })
  await place.good(
    `layer-pack --dir one | manifest-gen --platform linux/amd64 | blob-put docker://${host}/team/app:1`,
  )
  const platforms = ['amd64', 'arm64'].map(
    name =>
      `layer-pack --dir two | manifest-gen --platform linux/${name} | head -n -1 | sed 's/"image":"1"/"image":"${name}"/g; s/"root":true,//; s/,"root":true//'`,
  )
  await place.good(
    `(${platforms.join('; ')}) | manifest-gen --index --no-end | blob-put --no-end docker://${host}/web:1`,
  )
}

/** The images that a docker-registry of its own serves from a folder. */
async function served(place: Lab, storage: string, names: readonly string[]): Promise<void> {
  const inside = await startRegistry(t, { storage: place.path(storage) })
  for (const name of names)
    await place.good(
      `skopeo copy -q --src-tls-verify=false docker://${inside.host}/${name} dir:${place.path(`out-${storage}-${name}`.replace(/\W/g, '-'))}`,
    )
}

interface Config {
  readonly architecture: string
  readonly config: Readonly<Record<string, unknown>>
}

async function configOf(place: Lab, name: string, args = ''): Promise<Config> {
  const { stdout } = await place.good(`skopeo inspect --config --tls-verify=false ${args} docker://${name}`)
  return JSON.parse(stdout) as Config
}

t.test('an application', { skip }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1' })
  const registry = await startRegistry(t)
  await fill(place, registry)
  const { host } = registry
  place.write({
    'web/Kubefile': `FROM scratch
ENV NAME=\${NAME:-"web"} \\
    HELM_OPTS=" --wait"
COPY charts charts
COPY registry registry
COPY entrypoint.sh entrypoint.sh
USER 1000
CMD ["helm upgrade -i $(NAME) charts/web $(HELM_OPTS)", "bash entrypoint.sh $NAME"]
`,
    'web/entrypoint.sh': 'true\n',
    'web/charts/web/Chart.yaml': 'name: web\nversion: 1.0.0\n',
    'web/manifests/app.yaml': `spec:\n  containers:\n  - image: ${host}/team/app:1\n`,
    'web/images/shim/webImages': `# what the operator starts\r\n${host}/web:1  \r\n`,
  })
  await place.good(`kf-build -q -t ${host}/apps/web:1 --push --platform linux/amd64 web`)
  t.notOk(fs.existsSync(place.path('web/registry')), 'the context stays as it was')
  const { config } = await configOf(place, `${host}/apps/web:1`)
  t.match(config, {
    Cmd: ['helm upgrade -i $(NAME) charts/web $(HELM_OPTS)', 'bash entrypoint.sh $NAME'],
    Env: [/^PATH=/, 'NAME=web', 'HELM_OPTS= --wait'],
    User: '1000',
  })
  t.equal(config.Labels, undefined, 'an application needs no label')
  await place.good(`img-pull ${host}/apps/web:1 | untar web-root`)
  t.same(fs.readdirSync(place.path('web-root')).sort(), ['charts', 'entrypoint.sh', 'registry'])
  await served(place, 'web-root/registry', ['team/app:1', 'web:1'])
  const { stdout } = await place.good(
    `cluster-image inspect ${host}/apps/web:1 | jq -r '.imageType // empty'`,
  )
  t.equal(stdout.trim(), 'application')
  t.equal((await place.run(`cluster-image check ${host}/apps/web:1`)).status, 0, 'sealos takes it')
})

t.test('a root filesystem for two platforms, with archives', { skip }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1' })
  const registry = await startRegistry(t)
  await fill(place, registry)
  const { host } = registry
  place.write({
    'root/Kubefile': `ARG FROM=scratch
FROM $FROM
MAINTAINER sealos
LABEL init="init-cri.sh \\$registryDomain \\$registryPort && bash init.sh" \\
      clean="clean.sh && bash clean-cri.sh \\$criData" \\
      sealos.io.type="rootfs" \\
      sealos.io.version="v1beta1" \\
      version="v1.27.7" \\
      vip="\\$defaultVIP"
ENV criData=/var/lib/containerd \\
    registryPort=5000 \\
    defaultVIP=10.103.97.2
COPY . .
`,
    'root/bin/kubeadm': '#!/bin/sh\n',
    'root/scripts/init.sh': 'true\n',
    'root/opt/sealctl': '',
    'root/manifests/a.yaml': `spec:\n  containers:\n  - image: ${host}/web:1\n`,
    'root/images/skopeo/tar.txt': 'docker-archive:app.tar@docker.io/own/app:2\n',
  })
  await place.good(`img-pull ${host}/team/app:1 | blob-put docker-archive:root/images/skopeo/app.tar:any:1`)
  const platforms = '--platform linux/amd64,linux/arm64'
  const single = await place.run(`kf-build -q -t root:1 --platform linux/arm64 root`)
  t.equal(single.status, 0, `an archive is taken whatever its platform: ${single.stderr}`)
  await place.good('img-pull --platform linux/arm64 store:root:1 | untar root-single')
  await served(place, 'root-single/registry', ['own/app:2'])
  fs.rmSync(place.path('root/images/skopeo'), { recursive: true })
  await place.good(`kf-build -q -t ${host}/kubernetes:1 --push ${platforms} root`)
  for (const name of ['amd64', 'arm64']) {
    const { architecture, config } = await configOf(place, `${host}/kubernetes:1`, `--override-arch ${name}`)
    t.equal(architecture, name)
    t.same(config.Labels, {
      init: 'init-cri.sh $registryDomain $registryPort && bash init.sh',
      clean: 'clean.sh && bash clean-cri.sh $criData',
      'sealos.io.type': 'rootfs',
      'sealos.io.version': 'v1beta1',
      version: 'v1.27.7',
      vip: '$defaultVIP',
    })
    t.match(config.Env, [
      /^PATH=/,
      'criData=/var/lib/containerd',
      'registryPort=5000',
      'defaultVIP=10.103.97.2',
    ])
    t.equal(config.Cmd, undefined)
    await place.good(`img-pull --platform linux/${name} ${host}/kubernetes:1 | untar root-${name}`)
    await served(place, `root-${name}/registry`, ['web:1'])
  }
  t.equal((await place.run(`cluster-image check ${host}/kubernetes:1`)).status, 0, 'sealos takes it')
  const checked = await place.run('cluster-image check root-amd64 --format yaml')
  t.match(checked.stdout, /cri is missing/, 'what a whole root filesystem has besides')
})

t.test('dialects, types and bases', { skip: need('root', 'jq') }, async t => {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1' })
  place.write({
    'ctx/rootfs/etc/a': 'a',
    'ctx/etc/Clusterfile': 'kind: Cluster\nmetadata: {name: theirs}\n',
    'ctx/Kubefile': 'FROM scratch\nCOPY etc .\nCMD kubectl first\n',
    'ctx/K2': 'FROM scratch\nCOPY rootfs/* .\n',
    'ctx/newer.kubefile': 'FROM base:1\nLABEL a=b\nCMDS ["kubectl second"]\n',
    'ctx/app.kubefile': 'FROM base:1\nUSER 0\nCMD ["kubectl third"]\n',
    'ctx/mixed.kubefile': 'FROM base:1\nUSER 0\nLAUNCH a\n',
    'ctx/more.kubefile': 'FROM base:1\nCMD kubectl second\n',
  })
  const build = (name: string, args: string) => place.run(`kf-build -q --no-images -t ${name} ${args} ctx`)
  t.equal((await build('base:1', '')).status, 0)
  const flat = await build('k2:1', '-f ctx/K2')
  t.equal(flat.status, 0)
  t.match(
    flat.stderr,
    /kf-parse: .*K2 is read as a Dockerfile, for its name, but line 2 .*--dialect kubefile-classic/,
  )
  const told = await build('k2:2', '-f ctx/K2 --dialect sealer')
  t.equal(told.stderr, '', 'the flag decides, without a word')
  for (const [name, file] of [
    ['k2:1', 'a'],
    ['k2:2', 'etc/a'],
  ]) {
    await place.good(`img-pull store:${name} | untar ${name?.replace(':', '-')}`)
    t.ok(fs.existsSync(place.path(name?.replace(':', '-') ?? '', file ?? '')), `${name}: ${file}`)
  }
  for (const name of ['newer', 'app', 'more'])
    t.equal((await build(`${name}:1`, `-f ctx/${name}.kubefile`)).status, 0, name)
  const shown = await place.good('cluster-image inspect base:1 more:1 newer:1 app:1 | head -n -1')
  const [base, more, newer, app] = shown.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(base, { dialect: 'kubefile-classic', cmd: ['kubectl first'] })
  t.match(more, { dialect: 'kubefile-classic', cmd: ['kubectl first', 'kubectl second'] })
  t.match(newer, { dialect: 'kubefile', imageType: 'kube-installer', cmd: ['kubectl second'] })
  t.match(app, { dialect: 'sealos', imageType: 'application', cmd: ['kubectl third'] })
  for (const one of [newer, app]) {
    t.notMatch(one.document.metadata.name, /base/, 'not the name of the base')
    t.equal(
      one.document.metadata.annotations?.['sea.aliyun.com/ClusterFile'],
      undefined,
      'nor its Clusterfile',
    )
    t.notMatch(JSON.stringify(one.document), /kubectl first/, 'nor its commands')
  }
  const mixed = await build('mixed:1', '-f ctx/mixed.kubefile')
  t.equal(mixed.status, 1)
  t.match(mixed.stderr, /mixed\.kubefile:3:1: LAUNCH is of sealer 0\.9, and USER in line 2 is of sealos/)
  t.equal((await build('typed:1', '-f ctx/app.kubefile --type patch')).status, 0)
  const diff = await place.good('cluster-image diff app:1 typed:1 | head -n -1')
  const lines = diff.stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  t.match(lines, [
    { what: 'name' },
    { what: 'type', before: 'application', after: 'patch' },
    { what: 'label', name: 'sealos.io.type', after: 'patch' },
  ])
  t.equal(lines.length, 3)
})
