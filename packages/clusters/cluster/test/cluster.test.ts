import { ToolError } from '@pipelayer/errors'
import t from 'tap'
import { parseDocument } from '../src/document.js'
import {
  clusterfileFor,
  configOf,
  documentOf,
  formatDocument,
  type ImageDocument,
  imageID,
  mergeDocuments,
  withID,
} from '../src/index.js'

const failure = (work: () => unknown): string => {
  try {
    work()
    return 'accepted'
  } catch (error) {
    if (error instanceof ToolError) return error.code
    throw error
  }
}

const SEED = `kind: Image
metadata:
  annotations:
    sea.aliyun.com/ClusterFile: |
      apiVersion: sealer.cloud/v2
      kind: Cluster
  creationTimestamp: null
  name: my-dashboard:v1
spec:
  image_config:
    args:
      Version: 4.0.0
    labels: null
  layers:
  - id: sha256:61f2252f21454c39ec65dc86ddb05e8cf3519b3e4e024267c6598d01476ab994
    type: COPY
    value: . .
  - type: CMD
    value: kubectl apply -f etc/tigera-operator.yaml
  - id: sha256:1dfe57535815de8a9210b5f78942c5bae837815246677b427f38070613285e5c
    type: BASE
    value: registry cache
  - type: RUN
    value: echo \${Version}
  platform:
    architecture: amd64
    os: linux
  sealer_version: latest
status: {}
`

t.test('documents', async t => {
  const document = parseDocument(SEED, 'f')
  t.equal(formatDocument(document), SEED, 'what was read is what is written')
  // The digest of the text above, by sha256sum.
  t.equal(imageID(document), 'ea1a450199db2a37407fce3ad4feedf811bc898d1a9c94d54042f3d45abff87d', 'the id')
  const again = documentOf({ config: configOf(document, '1970-01-01T00:00:00Z'), name: 'x' })
  t.same(again, withID(document), 'and back from an OCI config')
  const withOld = parseDocument(
    'kind: Image\nspec:\n  image_config:\n    args: {parent: {a: 1, b: 2}, current: {b: 3}}\n',
    'f',
  )
  t.same(withOld.spec.image_config.args, { a: '1', b: '3' }, 'arguments of 0.8')
  const rows: readonly (readonly [text: string, code: string, why: string])[] = [
    ['', 'CLUSTER_IMAGE_INVALID', 'nothing'],
    ['kind: Image\n---\nkind: Image\n', 'CLUSTER_IMAGE_INVALID', 'two documents'],
    ['kind: Pod', 'CLUSTER_IMAGE_INVALID', 'another kind'],
    ['kind: Image\nspec: {layers: [{id: x}]}', 'CLUSTER_IMAGE_INVALID', 'an id that is none'],
  ]
  for (const [text, code, why] of rows)
    t.equal(
      failure(() => parseDocument(text, 'f')),
      code,
      why,
    )
  t.equal(
    failure(() => documentOf({ config: {}, name: 'x' })),
    'CLUSTER_IMAGE_INVALID',
    'an image of another kind',
  )
})

t.test('configs', async t => {
  const annotations = { 'sea.aliyun.com/ClusterFile': 'kind: Cluster\nspec: {env: [a=b]}\n' }
  const config = {
    ...{ architecture: 'arm64', os: 'linux', kind: 'Image', metadata: { annotations } },
    spec: { platform: { architecture: 'arm64', os: 'linux' }, image_config: { args: {}, labels: {} } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}`] },
    history: [{ created_by: 'COPY a .' }, { created_by: 'CMD x', empty_layer: true }],
  }
  const fresh = documentOf({ config, name: 'n:1' })
  t.match(fresh, {
    metadata: { name: 'n:1', annotations: { 'sea.aliyun.com/ClusterFile': /\n {2}image: n:1\n/ } },
    spec: {
      image_config: { args: null, labels: null },
      layers: [
        { type: 'COPY', value: 'a .' },
        { type: 'CMD', value: 'x' },
      ],
    },
  })
  t.same(
    documentOf({ config: { ...config, metadata: { annotations, name: 'n:1' } }, name: 'other' }),
    fresh,
    'with a name in it, the same under every name',
  )
  const edited = { ...config, rootfs: { type: 'layers', diff_ids: [] } }
  t.equal(
    failure(() => documentOf({ config: edited, name: 'x' })),
    'CLUSTER_IMAGE_INVALID',
    'more steps than layers',
  )
  const stale = { ...config, spec: { ...config.spec, layers: [{ type: 'RUN', value: 'other' }] } }
  t.same(
    documentOf({ config: stale, name: 'n:1' }).spec.layers,
    fresh.spec.layers,
    'layers of another image do not count',
  )
  const newer = documentOf({
    config: {
      architecture: 'amd64',
      os: 'linux',
      history: [{ created_by: '/bin/sh -c x', empty_layer: true }],
    },
    annotations: { 'sealer.image.extension': '{}' },
    name: 'n',
  })
  t.match(newer, {
    metadata: { annotations: { 'sealer.image.extension': '{}' } },
    spec: { layers: [{ value: '/bin/sh -c x' }] },
  })
})

t.test('the Clusterfile', async t => {
  t.equal(
    clusterfileFor('a:1', undefined),
    'apiVersion: sealer.cloud/v2\nkind: Cluster\nmetadata:\n  creationTimestamp: null\n  name: my-cluster\nspec:\n  image: a:1\n  ssh:\n    port: "22"\n    user: root\nstatus: {}\n',
    'the default',
  )
  t.match(
    clusterfileFor('a:1', 'kind: Config\n---\nkind: Cluster\nspec: {image: old, env: [a=b]}\n'),
    /env:\n {2}- a=b\n {2}image: a:1\n/,
    'that of the image',
  )
  t.equal(
    failure(() => clusterfileFor('a', 'kind: Pod')),
    'CLUSTERFILE_INVALID',
  )
})

t.test('merge', async t => {
  const image = (name: string, fields: Partial<ImageDocument['spec']>): ImageDocument => ({
    ...parseDocument('kind: Image', 'f'),
    metadata: { name, creationTimestamp: null },
    spec: {
      image_config: { args: null, labels: null },
      platform: { os: 'linux', architecture: 'amd64' },
      ...fields,
    },
  })
  const merged = mergeDocuments('c', [
    image('a', {
      image_config: { args: { x: '1', y: '1' }, labels: null },
      layers: [
        { type: 'RUN', value: 'true' },
        { type: 'CMD', value: 'a' },
      ],
    }),
    image('b', {
      image_config: { args: { x: '2' }, labels: null },
      layers: [
        { type: 'CMD', value: 'a' },
        { type: 'CMD', value: 'b' },
      ],
    }),
  ])
  t.same(
    merged.spec.layers,
    [
      { type: 'CMD', value: 'a' },
      { type: 'CMD', value: 'b' },
    ],
    'each CMD once, no steps without layers',
  )
  t.same(merged.spec.image_config.args, { x: '2', y: '1' }, 'later arguments win')
  t.equal(
    failure(() =>
      mergeDocuments('c', [image('a', {}), image('b', { platform: { os: 'linux', architecture: 'arm64' } })]),
    ),
    'PLATFORM_MISMATCH',
  )
})
