import fs from 'node:fs'
import path from 'node:path'
import { chainIDs, digestOf } from '@pipelayer/digest'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { textForm } from '../src/format.js'
import { imgInspect } from '../src/index.js'

const AMD = { os: 'linux', architecture: 'amd64' }
const ARM = { os: 'linux', architecture: 'arm64', variant: 'v8' }
const CONFIG = {
  created: '2024-01-02T03:04:05Z',
  author: 'somebody',
  config: { Env: ['PATH=/bin'], Labels: { 'a.b': 'c' }, Cmd: ['sh'] },
  history: [{ created_by: 'one' }, { created_by: 'two', comment: 'the last' }],
}

async function inspect(store: string, images: readonly string[], platform = AMD): Promise<AnyRecord[]> {
  const records = await collect(imgInspect({ store, images, platform }))
  for (const record of records) checkRecord(record)
  return records
}

t.test('the document', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const image = storeImage(store, {
    name: 'docker.io/library/app:1',
    layers: ['one', 'two'],
    config: CONFIG,
    annotations: { key: 'value' },
  })
  store.tag({ ...image }, 'registry.example/x:2')
  const { config } = JSON.parse(store.readBlob(image.digest).toString())
  const diffIDs = ['one', 'two'].map(text => digestOf(text))
  const [chain = '', top = ''] = chainIDs(diffIDs)
  const [record] = await inspect(root, ['app:1'])
  t.same(record, {
    type: 'image',
    Id: config.digest,
    RepoTags: ['app:1', 'registry.example/x:2'],
    RepoDigests: [`app@${image.digest}`, `registry.example/x@${image.digest}`],
    Comment: 'the last',
    Created: '2024-01-02T03:04:05Z',
    Author: 'somebody',
    Architecture: 'amd64',
    Os: 'linux',
    Size: image.size + config.size + 6,
    Config: CONFIG.config,
    RootFS: { Type: 'layers', Layers: diffIDs },
    Digest: image.digest,
    Manifest: { mediaType: image.mediaType, digest: image.digest, size: image.size },
    Indexes: [],
    ConfigDescriptor: config,
    Layers: ['one', 'two'].map((text, index) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: digestOf(text),
      size: 3,
      diffID: diffIDs[index],
      chainID: [chain, top][index],
    })),
    Annotations: { key: 'value' },
    History: CONFIG.history,
  })
})

t.test('of an index, the manifest for a platform', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  const manifests = [
    storeImage(store, { layers: ['a'] }),
    storeImage(store, { layers: ['b'], platform: ARM }),
  ]
  const index = storeIndex(store, manifests, 'docker.io/library/multi:1')
  const [amd] = await inspect(root, ['multi:1'])
  t.match(amd, {
    Architecture: 'amd64',
    Digest: manifests[0]?.digest,
    Indexes: [{ digest: index.digest }],
    RepoDigests: [`multi@${index.digest}`],
  })
  const [arm] = await inspect(root, ['multi:1'], ARM)
  t.match(arm, { Architecture: 'arm64', Variant: 'v8', Digest: manifests[1]?.digest })
  t.match(await inspect(root, ['multi:1'], { os: 'linux', architecture: 's390x' }), [
    { code: 'PLATFORM_NOT_FOUND' },
  ])
  const [child] = await inspect(root, [`store:${manifests[1]?.digest}`])
  t.match(
    child,
    { Digest: manifests[1]?.digest, RepoTags: [] },
    'by the digest of a manifest that only an index names',
  )
})

t.test('other places', async t => {
  const root = tempDir(t)
  const layout = path.join(root, 'layout')
  const other = Store.open(layout)
  const { digest } = storeImage(other, { name: 'v1' })
  const store = path.join(root, 'store')
  const [record] = await inspect(store, [`oci:${layout}:v1`])
  t.match(record, { Digest: digest, RepoTags: [], RepoDigests: [] })
  t.notOk(fs.existsSync(store), 'the store is not made')
  Store.open(store)
  const [raw] = await inspect(layout, ['v1'])
  t.same([raw?.RepoTags, raw?.RepoDigests], [[], []], 'the name of another program is no reference')
})

t.test('what cannot be read does not hide the others', async t => {
  const root = tempDir(t)
  const store = Store.open(root)
  storeImage(store, { name: 'docker.io/library/a:1' })
  const artifact = storeImage(store, {
    name: 'docker.io/library/few:1',
    config: { rootfs: { type: 'layers' } },
  })
  const damaged = storeImage(store, { name: 'docker.io/library/bad:1', layers: ['x'] })
  fs.writeFileSync(store.blobPath(damaged.digest), '{}')
  const records = await inspect(root, ['none:1', 'few:1', 'bad:1', 'oci:/no/where', 'X Y', 'a:1'])
  t.same(
    records.map(({ code, RepoTags }) => code ?? RepoTags),
    ['MANIFEST_UNKNOWN', 'CONFIG_INVALID', 'DIGEST_MISMATCH', 'LAYOUT_MISSING', 'REFERENCE_INVALID', ['a:1']],
  )
  t.ok(artifact)
  t.match(await inspect(path.join(root, 'none'), ['a:1']), [{ code: 'LAYOUT_MISSING' }])
})

t.test('forms of stdout', async t => {
  const root = tempDir(t)
  storeImage(Store.open(root), { name: 'docker.io/library/a:1', config: CONFIG })
  const [record] = await inspect(root, ['a:1'])
  if (record === undefined) throw new Error('no record')
  const shown = (format: string): string => {
    const form = textForm(format)
    return `${form?.record(record)}${form?.end({ type: 'end' })}`
  }
  const rows: readonly [format: string, text: string][] = [
    ['.Architecture', 'amd64\n'],
    ['{{.Architecture}}', 'amd64\n'],
    ['{{json .Architecture}}', '"amd64"\n'],
    ['{{ json .Config.Cmd }}', '["sh"]\n'],
    ['.Config.Env', '["PATH=/bin"]\n'],
    ['.Config.Env[0]', 'PATH=/bin\n'],
    ['.Config.Labels["a.b"]', 'c\n'],
    ['.Comment', 'the last\n'],
  ]
  for (const [format, text] of rows) t.equal(shown(format), text, format)
  t.match(JSON.parse(shown('json')), [{ Architecture: 'amd64' }], "docker's array")
  t.match(JSON.parse(shown('.')), { Architecture: 'amd64' }, 'the whole document')
  t.equal(textForm('records'), undefined)
  for (const wrong of ['', 'Config', '.Config.', '.a[', '.a["x]', '{{range .a}}'])
    t.throws(() => textForm(wrong), { code: 'USAGE', status: 2 }, JSON.stringify(wrong))
  for (const missing of ['.Nothing', '.Config.Env[1]', '.Os.x', '.__proto__'])
    t.throws(() => shown(missing), { code: 'FIELD_UNKNOWN', status: 1 }, missing)
})
