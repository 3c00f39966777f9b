// The kinds and types of cluster images, what sealos takes of an image, and images of one kind merged.
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import t from 'tap'
import { commandsOf, documentOf, kindOf, mergeImages, mountOf, sealosFaults, typeOf } from '../src/index.js'
import { extensionOf } from '../src/kind.js'
import type { LayeredImage } from '../src/merge-images.js'

const EXTENSION = 'sealer.image.extension'
const platform = { os: 'linux', architecture: 'amd64' }

t.test('kinds and types', async t => {
  const rows: readonly {
    config: object
    annotations?: Record<string, string>
    want: readonly [kind: string | undefined, type?: string]
    why: string
  }[] = [
    { config: { config: { Cmd: ['sh'] } }, want: [undefined], why: 'an ordinary image' },
    { config: { config: { Cmd: ['/bin/sh', '-c', 'sh'] } }, want: [undefined], why: 'with a shell' },
    { config: { config: { Cmd: ['nginx', '-g', 'daemon off;'] } }, want: [undefined], why: 'with arguments' },
    { config: { config: { Labels: { init: 'x' } } }, want: [undefined], why: 'labels of anybody' },
    { config: { config: null }, want: [undefined], why: 'nothing at all' },
    {
      config: { config: { Cmd: ['helm upgrade -i a charts/a'] } },
      want: ['sealos', 'application'],
      why: 'a line for a shell',
    },
    {
      config: { config: { Labels: { 'sealos.io.type': 'rootfs' } } },
      want: ['sealos', 'rootfs'],
      why: 'a label',
    },
    {
      config: { config: { Labels: { 'apps.sealos.io/type': 'patch' } } },
      want: ['sealos', 'patch'],
      why: 'of newer images',
    },
    {
      config: { config: { Labels: { 'merge.sealos.io.type.x': '1' } } },
      want: ['sealos', 'application'],
      why: 'of a part',
    },
    {
      config: { history: [{ created_by: 'BASE rootfs cache' }] },
      want: ['sealos', 'application'],
      why: 'the layer of images',
    },
    {
      config: {},
      annotations: { [EXTENSION]: '{}' },
      want: ['kubefile', 'kube-installer'],
      why: "sealer's default",
    },
    {
      config: {},
      annotations: { [EXTENSION]: '{"type":"app-installer"}' },
      want: ['kubefile', 'app-installer'],
      why: 'as it says',
    },
    { config: {}, annotations: { [EXTENSION]: '{' }, want: ['kubefile', 'kube-installer'], why: 'broken' },
    {
      config: { kind: 'Image', spec: {} },
      annotations: { [EXTENSION]: '{}' },
      want: ['kubefile', 'kube-installer'],
      why: 'on an older base',
    },
    {
      config: { kind: 'Image', spec: {}, history: [{ created_by: 'COPY . .' }] },
      want: ['kubefile-classic', 'rootfs'],
      why: 'begins with a root',
    },
    {
      config: { kind: 'Image', spec: {}, history: [{ created_by: 'COPY a b' }] },
      want: ['kubefile-classic', 'application'],
      why: 'begins with a file',
    },
  ]
  for (const { config, annotations, want, why } of rows) {
    const facts = { config: config as Record<string, unknown>, ...(annotations && { annotations }) }
    const kind = kindOf(facts)
    t.same([kind, ...(kind === undefined ? [] : [typeOf(kind, facts)])], want, why)
  }
  t.same(extensionOf({ [EXTENSION]: '[]' }), {})
})

t.test('what sealos takes of an image', async t => {
  const config = {
    config: {
      Env: ['PATH=/bin', 'A=1'],
      Entrypoint: ['/bin/sh', '-c', 'first'],
      Cmd: ['/bin/sh', '-c', 'second $(A)'],
      Labels: { 'sealos.io.type': 'application', n: 1 },
    },
  }
  t.same(mountOf(config), {
    type: 'application',
    env: ['A=1'],
    entrypoint: ['first'],
    cmd: ['second $(A)'],
    labels: { 'sealos.io.type': 'application', n: '1' },
  })
  t.same(commandsOf({ config }), ['first', 'second $(A)'])
  const labels = (list: Record<string, string>, more: object = {}): object => ({
    config: { Labels: list, ...more },
  })
  const rows: readonly [config: object, fault: RegExp | undefined, why: string][] = [
    [labels({ 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v1beta1' }), undefined, 'a root filesystem'],
    [labels({ 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v1beta2' }), undefined, 'of a newer version'],
    [
      labels({ 'sealos.io.type': 'rootfs' }),
      /sealos\.io\.version .* v1beta1 or v1beta2/,
      'without a version',
    ],
    [
      labels({ 'sealos.io.type': 'rootfs', 'sealos.io.version': 'v2' }),
      /sealos\.io\.version/,
      'of another version',
    ],
    [labels({ 'sealos.io.type': 'app' }), /is "app"/, 'an unknown type'],
    [labels({}, { Cmd: ['a b'] }), undefined, 'an application'],
    [labels({}), /neither CMD nor ENTRYPOINT/, 'that runs nothing'],
    [labels({ 'sealos.io.type': 'patch' }), undefined, 'a patch runs nothing'],
  ]
  for (const [config, fault, why] of rows) {
    const faults = sealosFaults(config as Record<string, unknown>)
    if (fault === undefined) t.same(faults, [], why)
    else t.match(faults, [fault], why)
  }
})

t.test('documents of the other kinds claim no version of sealer', async t => {
  const sealos = documentOf({
    config: { ...platform, config: { Cmd: ['a b'], Labels: { x: 'y' } } },
    name: 'n',
  })
  t.equal(sealos.spec.sealer_version, undefined)
  t.same(sealos.metadata, { name: 'n', creationTimestamp: null })
  t.same(sealos.spec.image_config.labels, { x: 'y' })
  const newer = documentOf({ config: platform, annotations: { [EXTENSION]: '{}' }, name: 'n' })
  t.equal(newer.spec.sealer_version, undefined)
  const onClassic = { ...platform, kind: 'Image', metadata: { name: 'base:1' }, spec: { layers: [] } }
  const upon = documentOf({ config: onClassic, annotations: { [EXTENSION]: '{}' }, name: 'own:1' })
  t.equal(upon.metadata.name, 'own:1', 'the name of a classic base is not that of the image')
  const classic = documentOf({ config: { ...platform, kind: 'Image', metadata: {}, spec: {} }, name: 'n' })
  t.equal(classic.spec.sealer_version, 'v0.7.1')
})

function descriptor(letter: string): Descriptor {
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: `sha256:${letter.repeat(64)}`,
    size: 1,
  } as Descriptor
}

function image(name: string, letters: string, fields: object = {}): LayeredImage {
  const { annotations, ...config } = fields as { annotations?: Record<string, string> }
  const diffs = [...letters].map(letter => `sha256:${letter.repeat(64)}`)
  const history = [...letters].map(letter => ({ created_by: `COPY ${letter}` }))
  return {
    name,
    config: { ...platform, rootfs: { type: 'layers', diff_ids: diffs }, history, ...config },
    layers: [...letters].map(descriptor),
    ...(annotations && { annotations }),
  }
}

t.test('merge', async t => {
  const created = '1970-01-01T00:00:00Z'
  const one = image('one', 'ab', {
    config: {
      Env: ['PATH=/bin', 'A=1', 'B=2'],
      Cmd: ['first'],
      Labels: { 'sealos.io.type': 'rootfs', v: '1' },
    },
  })
  const two = image('two', 'acb', {
    config: {
      Env: ['A=3'],
      Entrypoint: ['zero'],
      Cmd: ['/bin/sh', '-c', 'second'],
      Labels: { 'sealos.io.type': 'application', v: '2' },
    },
    history: [{ created_by: 'COPY a' }, { created_by: 'CMD x', empty_layer: true }, { created_by: 'COPY c' }],
  })
  const merged = mergeImages([one, two], { kind: 'sealos', created })
  t.same(merged.config.config, {
    Env: ['A=3', 'B=2'],
    Entrypoint: ['zero'],
    Cmd: ['first', 'second'],
    Labels: { 'sealos.io.type': 'rootfs', v: '2' },
  })
  t.same(merged.layers.map(({ digest }) => digest[7]).join(''), 'abcb', 'what both begin with comes once')
  t.same((merged.config.rootfs as { diff_ids: string[] }).diff_ids.map(id => id[7]).join(''), 'abcb')
  const lines = merged.config.history as { created_by?: string; comment?: string }[]
  t.same(
    lines.map(entry => entry.created_by ?? entry.comment),
    ['COPY a', 'COPY b', 'CMD x', 'COPY c', 'layer of a merged image'],
    'a history with an entry for each layer',
  )
  t.same(merged.annotations, {})
  const apps = (extension: object): object => ({ annotations: { [EXTENSION]: JSON.stringify(extension) } })
  const sealer = mergeImages(
    [
      image(
        'a',
        'a',
        apps({
          schemaVersion: 'v1alpha1',
          type: 'app-installer',
          applications: [{ name: 'x' }, { name: 'y' }],
          launch: { app_names: ['x'] },
          env: { A: '1' },
        }),
      ),
      image(
        'b',
        'b',
        apps({
          applications: [{ name: 'y', type: 'kube' }],
          launch: { cmds: ['go'], app_names: ['x', 'y'] },
          env: { B: '2' },
        }),
      ),
    ],
    { kind: 'kubefile', created },
  )
  t.same(JSON.parse(sealer.annotations[EXTENSION] ?? ''), {
    schemaVersion: 'v1alpha1',
    type: 'kube-installer',
    applications: [{ name: 'x' }, { name: 'y', type: 'kube' }],
    env: { A: '1', B: '2' },
    launch: { cmds: ['go'], app_names: ['x', 'y'] },
  })
  const rows: readonly [images: readonly LayeredImage[], code: string, why: string][] = [
    [[], 'USAGE', 'nothing'],
    [[one, image('arm', 'a', { architecture: 'arm64' })], 'PLATFORM_MISMATCH', 'several platforms'],
    [[{ ...one, layers: [] }], 'LAYERS_MISSING', 'a config of another manifest'],
  ]
  for (const [images, code, why] of rows) {
    const merge = (): unknown => mergeImages(images, { kind: 'sealos', created })
    t.throws(merge, { code }, why)
    t.throws(merge, ToolError)
  }
})
