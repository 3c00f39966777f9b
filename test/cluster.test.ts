// Cluster images from the Kubefile to the registry inside, and their transfer by other programs.
import fs from 'node:fs'
import path from 'node:path'
import { need, ROOT, startRegistry } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const IMAGES = [
  'kubernetesui/dashboard:v2.2.0',
  'kubernetesui/metrics-scraper:v1.0.6',
  'library/busybox:1.36',
]
const WAIT_MS = 600_000

async function example(where: Lab): Promise<void> {
  await where.good(`${ROOT}/examples/cluster/build ${where.dir}`, { timeoutMs: WAIT_MS })
}

/** The image of the example in a store: its id and its document. */
async function inspect(
  where: Lab,
  name: string,
  store = where.store,
): Promise<{ id: string; document: Document }> {
  const { stdout } = await where.good(`cluster-image inspect ${name} --store ${store}`)
  return JSON.parse(stdout.split('\n')[0] ?? '')
}

interface Document {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly layers: readonly { readonly type: string; readonly value: string; readonly id?: string }[]
  }
}

t.test('the example', { skip: need('root', 'skopeo', 'docker-registry') }, async t => {
  const where = lab(t)
  await example(where)
  const { id, document } = await inspect(where, 'dashboard:v1')
  t.same(
    document.spec.layers.map(({ type, value, id }) => `${type} ${value}${id === undefined ? '' : ' *'}`),
    [
      'COPY Metadata . *',
      'COPY dashboard.yaml manifests *',
      'COPY imageList manifests *',
      'CMD kubectl create namespace ${Namespace}',
      'CMD kubectl apply -n ${Namespace} -f manifests/dashboard.yaml',
      'BASE rootfs cache *',
    ],
    'types and values, in order; steps with a layer are marked',
  )
  t.equal((await inspect(where, 'dashboard:v1', where.path('other'))).id, id, 'saved and loaded: the same id')

  await t.test('docker-registry serves its registry, skopeo pulls every image', async t => {
    const inside = await startRegistry(t, { storage: where.path('rootfs/registry') })
    for (const image of IMAGES) {
      await where.good(
        `skopeo copy -q --src-tls-verify=false docker://${inside.host}/${image} oci:${where.path('out')}:${image.replace(/\W/g, '-')}`,
        { timeoutMs: WAIT_MS },
      )
    }
    t.equal(where.tags(where.path('out')).length, IMAGES.length)
  })

  await t.test('pushed to docker-registry and pulled back: the same', async t => {
    const { host } = await startRegistry(t)
    await where.good(`img-pull store:dashboard:v1 | blob-put docker://${host}/team/board:7`, {
      timeoutMs: WAIT_MS,
    })
    await where.good(`img-pull --store back ${host}/team/board:7`, { timeoutMs: WAIT_MS })
    const back = await inspect(where, `${host}/team/board:7`, where.path('back'))
    t.same(back.document, document)
    t.equal(back.id, id)
    await where.good(`skopeo copy -q --src-tls-verify=false docker://${host}/team/board:7 dir:copied`, {
      timeoutMs: WAIT_MS,
    })
    t.ok(fs.existsSync(where.path('copied/manifest.json')), 'skopeo carries it, too')
  })
})

t.test('an image that cannot be had', { skip: need('root') }, async t => {
  const where = lab(t)
  where.write({
    'ctx/Kubefile': 'FROM scratch\nCOPY imageList manifests\n',
    'ctx/imageList': '127.0.0.1:1/a:1\n127.0.0.1:1/b:1\n',
  })
  const build =
    'kf-parse ctx/Kubefile | kf-run --context ctx | ovl-diff | layer-pack | manifest-gen -t bad:1 | blob-put store:bad:1'
  const { stderr, statuses } = await where.run(build, { timeoutMs: WAIT_MS })
  t.ok(
    statuses.some(status => status !== 0),
    'the build fails',
  )
  for (const name of ['127.0.0.1:1/a', '127.0.0.1:1/b']) t.match(stderr, name, `and names ${name}`)
  t.same(fs.existsSync(path.join(where.store, 'index.json')) ? where.tags() : [], [], 'nothing is named')
})
