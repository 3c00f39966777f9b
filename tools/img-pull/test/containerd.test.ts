import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ContainerdStore, type Scope, storeImage, storeIndex, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type ImgPullOptions, imgPull } from '../src/index.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }
const ARM64 = { os: 'linux', architecture: 'arm64' }

async function* stream(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord> {
  yield* records
}

interface Lab {
  readonly containerd: ContainerdStore
  pull(references: string[], more?: Partial<ImgPullOptions>, input?: AnyRecord[]): Promise<AnyRecord[]>
  names(): (string | undefined)[]
}

function lab(t: Scope): Lab {
  const dir = tempDir(t, 'pull')
  const store = path.join(dir, 'store')
  return {
    containerd: new ContainerdStore(path.join(dir, 'containerd')),
    pull: (references, more = {}, input = []) =>
      collect(imgPull(stream(input), { references, machine: AMD64, store, ...more })),
    names: () =>
      Store.open(store)
        .index()
        .manifests.map(({ annotations }) => annotations?.['org.opencontainers.image.ref.name']),
  }
}

function roots(records: readonly AnyRecord[]): unknown[] {
  return records
    .filter(({ root, type }) => root === true || type === 'failed')
    .map(r => r.reference ?? r.code)
}

t.test('one image, and all of a namespace', async t => {
  const { containerd, pull, names } = lab(t)
  const moby = containerd.namespace('moby')
  const app = storeImage(moby, { name: 'docker.io/library/app:1', layers: ['a', 'b'] })
  const only = `containerd:${containerd.root}`
  const records = await pull([`${only}:moby:app:1`])
  t.match(records.at(-1), { root: true, digest: app.digest, reference: 'docker.io/library/app:1' })
  t.same(
    records.map(({ from }) => from),
    Array(4).fill([`${only}:moby`]),
    'where each record is from',
  )
  t.same(roots(await pull([only])), ['docker.io/library/app:1'], 'the only one, which keeps its name')
  storeImage(moby, { name: 'quay.io/team/b:2', layers: ['c'] })
  t.same(roots(await pull([only])), ['docker.io/library/app:1', 'quay.io/team/b:2'], 'all of them')
  t.same(names(), ['docker.io/library/app:1', 'quay.io/team/b:2'])
  const input = [{ type: 'reference', reference: only, platform: 'linux/amd64' }]
  t.equal(roots(await pull(['-'], {}, input)).length, 2, 'in a list, too')
  const bare = await pull([only], { noStore: true })
  t.ok(bare.filter(({ type }) => type === 'layer').every(record => record.path === undefined))
})

t.test('what fails', async t => {
  const { containerd, pull } = lab(t)
  const holder = containerd.namespace('default')
  storeImage(holder, { name: 'docker.io/library/good:1', layers: ['good'] })
  const amd64 = storeImage(holder, { layers: ['amd64'] })
  const arm64 = storeImage(holder, { layers: ['arm64'], platform: ARM64 })
  storeIndex(holder, [amd64, arm64], 'docker.io/library/many:1')
  fs.rmSync(containerd.blobPath(arm64.digest))
  const place = `containerd:${containerd.root}:default`
  t.match((await pull([`${place}:many:1`])).at(-1), { digest: amd64.digest, root: true })
  const why = { code: 'BLOB_UNKNOWN', message: /image many:1 was pulled for linux\/amd64 only/ }
  await t.rejects(pull([`${place}:many:1`], { platforms: ['linux/arm64'] }), why)
  await t.rejects(pull([`${place}:many:1`], { allPlatforms: true }), why)
  const records = await pull([place], { allPlatforms: true })
  t.same(roots(records), ['docker.io/library/good:1', 'BLOB_UNKNOWN'], 'one of several costs itself alone')
  await t.rejects(pull([`containerd:${containerd.root}:none`]), { code: 'MANIFEST_UNKNOWN' })
  await t.rejects(pull(['containerd:/none']), { code: 'FOLDER_MISSING' })
  t.same(
    roots(await pull(['containerd:/none', place])),
    ['FOLDER_MISSING', 'docker.io/library/good:1', 'docker.io/library/many:1'],
    'a place that cannot be listed',
  )
  fs.writeFileSync(containerd.blobPath(amd64.digest), 'x'.repeat(amd64.size))
  await t.rejects(pull([`${place}:many:1`]), { code: 'DIGEST_MISMATCH' })
})
