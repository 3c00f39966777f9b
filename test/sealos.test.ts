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
    'web/charts/web/values.yaml': `image:\n  repository: ${host}/team/app\n  tag: "1"\n`,
    'web/images/shim/webImages': `# what the operator starts\r\n${host}/web:1  \r\n`,
  })
  await place.good(`kf-build -q -t ${host}/apps/web:1 --push --platform linux/amd64 web`, {
    env: { PATH: withoutHelm() },
  })
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

/** A PATH without helm, so that charts are read here in the same way on every machine. */
function withoutHelm(): string {
  const folders = (process.env.PATH ?? '').split(':')
  return folders.filter(folder => !fs.existsSync(`${folder}/helm`)).join(':')
}

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
  t.equal(single.status, 1, 'an archive for another platform is told')
  t.match(single.stderr, /own\/app:2 of app\.tar.*IMAGES_FAILED/)
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
