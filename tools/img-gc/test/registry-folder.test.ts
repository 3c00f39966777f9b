// The folder of a registry: what goes, what stays, and that docker-registry's own collection does the same.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { DistributionFolder } from '@pipelayer/distribution-folder'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { type AnyRecord, checkRecord, collect, type GarbageRecord } from '@pipelayer/records'
import { NOW, need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { folderOf } from '../src/arguments.js'
import { type RegistryGcOptions, registryGc } from '../src/index.js'

const DAY_MS = 24 * 3_600_000
const LAYER = 'application/vnd.oci.image.layer.v1.tar'
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json'
const LONG_AGO = new Date(NOW.getTime() - 30 * DAY_MS)

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** A folder, and images in it. */
class Kit {
  readonly root: string
  readonly folder: DistributionFolder

  constructor(scope: Scope) {
    this.root = tempDir(scope, 'registry')
    this.folder = DistributionFolder.open(this.root, { create: true })
  }

  async blob(repository: string, text: string, mediaType: string = LAYER): Promise<Descriptor> {
    const bytes = Buffer.from(text)
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
    const batch = this.folder.repository(repository).batch()
    await batch.putBlob(descriptor, async function* () {
      yield bytes
    })
    await batch.commit()
    return descriptor
  }

  async put(repository: string, document: { readonly mediaType: string }, tags: readonly string[] = []) {
    const bytes = Buffer.from(JSON.stringify(document))
    const digest = digestOf(bytes)
    const batch = this.folder.repository(repository).batch()
    batch.putManifest(digest, bytes, tags)
    await batch.commit()
    return { mediaType: document.mediaType, digest, size: bytes.length }
  }

  /** An image of a layer with this text. */
  async image(
    repository: string,
    text: string,
    {
      tags = [],
      mediaType = MEDIA_TYPES.ociManifest,
      ...more
    }: { tags?: string[]; mediaType?: string; subject?: Descriptor } = {},
  ): Promise<Descriptor> {
    const layer = await this.blob(repository, text)
    const config = await this.blob(repository, `{"of":${JSON.stringify(text)}}`, MEDIA_TYPES.ociConfig)
    return this.put(
      repository,
      { schemaVersion: 2, mediaType, config, layers: [layer], ...more } as never,
      tags,
    )
  }

  index(
    repository: string,
    manifests: readonly Descriptor[],
    tags: readonly string[] = [],
  ): Promise<Descriptor> {
    const mediaType = MEDIA_TYPES.ociIndex
    return this.put(repository, { schemaVersion: 2, mediaType, manifests } as never, tags)
  }

  upload(repository: string, id: string, when: Date): string {
    const place = path.join(this.folder.paths.uploads(repository), id)
    fs.mkdirSync(place, { recursive: true })
    fs.writeFileSync(path.join(place, 'data'), 'part')
    for (const file of [path.join(place, 'data'), place]) fs.utimesSync(file, when, when)
    return place
  }

  /** Makes all that is there old. */
  age(when: Date = LONG_AGO): this {
    for (const file of this.files()) fs.utimesSync(file, when, when)
    return this
  }

  files(): string[] {
    return fs
      .readdirSync(this.root, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => path.join(entry.parentPath ?? entry.path, entry.name))
      .sort()
  }

  /** Whether the bytes that a text or a document became are there. */
  has(content: string | Descriptor): boolean {
    return (
      this.folder.blobSize(typeof content === 'string' ? digestOf(content) : content.digest) !== undefined
    )
  }

  gc(options: Partial<RegistryGcOptions> = {}): Promise<AnyRecord[]> {
    return collect(registryGc({ root: this.root, minAgeMs: DAY_MS, now: NOW, ...options }))
  }
}

const kinds = (records: readonly AnyRecord[]): string[] =>
  records.map(({ type, kind, code }) => String(type === 'garbage' ? kind : code))

t.test('blobs stay as long as a manifest needs them', async t => {
  const kit = new Kit(t)
  await kit.image('a', 'tagged', { tags: ['1'] })
  await kit.image('a', 'untagged')
  await kit.image('deep/er/b', 'schema 2', { mediaType: DOCKER, tags: ['x'] })
  const child = await kit.image('c', 'child')
  await kit.index('c', [child, { ...child, digest: digestOf('a platform that is not mirrored') }], ['i'])
  await kit.blob('a', 'lost')
  await kit.blob('c', 'lost')
  await kit.blob('a', 'lost here, needed in d')
  await kit.image('d', 'lost here, needed in d', { tags: ['1'] })
  const deleted = await kit.image('e', 'of a deleted manifest', { tags: ['1'] })
  kit.folder.repository('e').deleteManifest(deleted.digest)
  const dangling = await kit.blob('a', 'dangling')
  fs.rmSync(path.dirname(kit.folder.blobPath(dangling.digest)), { recursive: true })
  kit.age()
  await kit.blob('a', 'fresh')
  const before = kit.files()

  const planned = await kit.gc({ dryRun: true })
  t.same(kit.files(), before, 'a dry run removes nothing')
  t.ok((planned as GarbageRecord[]).every(({ removed, size }) => !removed && size > 0))
  const records = (await kit.gc()) as GarbageRecord[]
  for (const record of records) checkRecord(record)
  t.same(kinds(records), kinds(planned), 'what the dry run told')
  t.ok(records.every(({ removed, reason, size }) => removed && reason === 'unreferenced' && size > 0))
  t.same(
    records
      .filter(({ kind }) => kind === 'blob')
      .map(({ digest }) => digest)
      .sort(),
    [
      digestOf('lost'),
      deleted.digest,
      digestOf('of a deleted manifest'),
      digestOf('{"of":"of a deleted manifest"}'),
    ].sort(),
  )
  t.same(
    kinds(records).filter(kind => kind === 'link').length,
    5,
    'two links to the one, two to the other, a dangling one',
  )
  for (const text of ['tagged', 'untagged', 'schema 2', 'child', 'lost here, needed in d', 'fresh'])
    t.ok(kit.has(text), text)
  for (const record of records) t.notOk(fs.existsSync(record.path), 'is gone')
  t.notOk(fs.existsSync(path.dirname(kit.folder.blobPath(digestOf('lost')))), 'and its folder')
  t.same(kit.folder.repository('a').tags(), ['1'])
  t.same(await kit.gc(), [], 'and nothing is left to do')
  await t.rejects(collect(registryGc({ root: path.join(kit.root, 'none'), minAgeMs: 0, now: NOW })), {
    code: 'FOLDER_MISSING',
  })
})

t.test('manifests without a tag', async t => {
  const kit = new Kit(t)
  const old = await kit.image('a', 'old', { tags: ['1'] })
  const now = await kit.image('a', 'now', { tags: ['1', '2'] })
  const signature = await kit.image('a', 'signature', { subject: now })
  await kit.image('a', 'of the signature', { subject: signature })
  await kit.image('a', 'signature of the old', { subject: old })
  const child = await kit.image('a', 'child')
  const inner = await kit.index('a', [child])
  await kit.index('a', [inner], ['nested'])
  await kit.image('b', 'now', { tags: [] })
  await kit.image('b', 'other', { tags: ['1'] })
  kit.age()
  await kit.image('a', 'pushed a moment ago')
  const remembered = path.dirname(kit.folder.paths.tagIndexLink('a', '1', old.digest))
  t.ok(fs.existsSync(remembered))
  t.same(await kit.gc(), [], 'they stay unless it is said')
  const records = (await kit.gc({ deleteUntagged: true })) as GarbageRecord[]
  const manifests = records.filter(({ kind }) => kind === 'manifest')
  t.same(
    manifests.map(({ reason }) => reason),
    ['untagged', 'untagged', 'untagged'],
  )
  t.equal(manifests.filter(({ digest }) => digest === now.digest).length, 1, 'in b alone')
  for (const text of ['now', 'signature', 'of the signature', 'child', 'other', 'pushed a moment ago'])
    t.ok(kit.has(text), `${text} stays`)
  for (const text of ['old', 'signature of the old']) t.notOk(kit.has(text), `${text} goes`)
  t.ok(kit.folder.repository('a').hasManifest(now.digest))
  t.notOk(kit.folder.repository('b').hasManifest(now.digest), 'no tag of b leads to it')
  t.notOk(fs.existsSync(remembered), 'the tag forgets what it was')
  t.same(await kit.gc({ deleteUntagged: true }), [])
})

t.test('what cannot be read keeps all', async t => {
  const wrong: readonly [
    name: string,
    harm: (kit: Kit, file: string, image: Descriptor) => void,
    code: string,
    untagged: boolean,
  ][] = [
    ['a manifest that is missing', (_kit, file) => fs.rmSync(file), 'MANIFEST_MISSING', false],
    ['a manifest that is damaged', (_kit, file) => fs.writeFileSync(file, '{}'), 'MANIFEST_DAMAGED', false],
    [
      'a manifest of zeros',
      (_kit, file) => fs.writeFileSync(file, Buffer.alloc(300)),
      'MANIFEST_DAMAGED',
      false,
    ],
    ['a huge one', (_kit, file) => fs.truncateSync(file, 5 * 1024 * 1024), 'MANIFEST_DAMAGED', false],
    [
      'a tag that was cut',
      ({ folder }) => fs.writeFileSync(folder.paths.currentLink('a', '1'), 'sha256:12'),
      'LINK_INVALID',
      true,
    ],
  ]
  for (const [name, harm, code, deleteUntagged] of wrong) {
    const kit = new Kit(t)
    const image = await kit.image('a', 'kept', { tags: ['1'] })
    await kit.blob('a', 'lost')
    const upload = kit.upload('a', 'stale', LONG_AGO)
    kit.age()
    harm(kit, kit.folder.blobPath(image.digest), image)
    const records = await kit.gc({ deleteUntagged })
    t.same(kinds(records), [code, 'upload'], `${name}: all else is collected`)
    t.ok(kit.has('lost') && kit.has('kept') && !fs.existsSync(upload), name)
  }
  const kit = new Kit(t)
  await kit.image('a', 'kept', { tags: ['1'] })
  fs.renameSync(kit.folder.paths.repository('a'), path.join(kit.root, 'elsewhere'))
  fs.symlinkSync(path.join(kit.root, 'elsewhere'), kit.folder.paths.repository('a'))
  kit.age()
  await t.rejects(kit.gc(), { code: 'FOLDER_LINKED', message: /repositories\/a", which is a symbolic link/ })
  t.ok(kit.has('kept'))
})

t.test('what is young, and what others write meanwhile', async t => {
  const kit = new Kit(t)
  const old = kit.upload('a', 'old', LONG_AGO)
  const young = kit.upload('a', 'young', LONG_AGO)
  const layer = await kit.blob('a', 'reused')
  await kit.blob('a', 'mounted')
  await kit.blob('a', 'of a manifest without a link')
  await kit.blob('a', 'lost')
  kit.age()
  const now = new Date()
  fs.utimesSync(path.join(young, 'data'), now, now)
  const batch = kit.folder.repository('a').batch()
  t.ok(batch.hasBlob(layer), 'a program of ours asks for it')
  const document = Buffer.from(
    JSON.stringify({ layers: [{ digest: digestOf('of a manifest without a link') }] }),
  )
  const file = kit.folder.blobPath(digestOf(document))
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, document)
  const link = kit.folder.paths.layerLink('b', digestOf('mounted'))
  fs.mkdirSync(path.dirname(link), { recursive: true })
  fs.writeFileSync(link, digestOf('mounted'))
  const partial = path.join(kit.folder.paths.partial, 'x')
  fs.mkdirSync(path.dirname(partial))
  fs.writeFileSync(partial, '')
  fs.utimesSync(partial, LONG_AGO, LONG_AGO)
  t.same(kinds(await kit.gc({ now })), ['link', 'blob', 'upload', 'temporary'])
  t.same(
    ['reused', 'mounted', 'of a manifest without a link', 'lost'].map(text => kit.has(text)),
    [true, true, true, false],
  )
  t.same([fs.existsSync(old), fs.existsSync(young)], [false, true])
  batch.abort()

  for (const text of ['one', 'two']) await kit.blob('a', text)
  kit.age()
  const running = registryGc({ root: kit.root, minAgeMs: DAY_MS, now })
  await running.next()
  for (const text of ['one', 'two']) await kit.image('a', text, { tags: [text] })
  for await (const record of running) t.not(record.type, 'failed', String(record.message))
  const [one, two] = ['one', 'two'].map(text => kit.has(text))
  t.ok(one && two, 'what is put again while others are removed stays')
})

t.test('the command line', async t => {
  const none = { keepBytes: false, deleteUntagged: false }
  t.equal(folderOf(undefined, none), undefined)
  t.equal(folderOf('store:', none), undefined)
  t.equal(folderOf('registry-fs:/srv/x', { ...none, deleteUntagged: true }), '/srv/x')
  for (const [place, given, code] of [
    ['registry-fs:', none, 'PLACE_INVALID'],
    ['registry-fs:/srv/x:name', none, 'PLACE_INVALID'],
    ['/srv/x', none, 'PLACE_INVALID'],
    ['store:x', none, 'PLACE_INVALID'],
    [undefined, { ...none, deleteUntagged: true }, 'USAGE'],
    ['registry-fs:/srv/x', { ...none, keepBytes: true }, 'USAGE'],
  ] as const)
    t.throws(() => folderOf(place, given), { code, status: 2 }, `${place} ${JSON.stringify(given)}`)
})

t.test("docker-registry's own collection", { skip: need('docker-registry') }, async t => {
  for (const deleteUntagged of [false, true]) {
    const [ours, theirs] = [new Kit(t), new Kit(t)]
    for (const kit of [ours, theirs]) {
      for (const text of ['one', 'two']) await kit.image('a', text, { tags: ['1'] })
      await kit.image('team/b', 'one', { mediaType: DOCKER, tags: ['x'] })
      const child = await kit.image('c', 'child', { tags: ['child'] })
      await kit.index('c', [child], ['index'])
      await kit.image('c', 'untagged', { mediaType: DOCKER })
      for (const name of ['a', 'c']) await kit.blob(name, 'lost')
      const gone = await kit.image('c', 'deleted', { tags: ['gone'] })
      kit.folder.repository('c').deleteManifest(gone.digest)
      kit.age()
    }
    await ours.gc({ deleteUntagged })
    const config = path.join(tempDir(t, 'config'), 'config.json')
    const storage = { filesystem: { rootdirectory: theirs.root } }
    fs.writeFileSync(config, JSON.stringify({ version: '0.1', log: { level: 'error' }, storage }))
    const flags = deleteUntagged ? ['--delete-untagged'] : []
    const run = spawnSync('docker-registry', ['garbage-collect', ...flags, config], { encoding: 'utf8' })
    t.equal(run.status, 0, run.stderr)
    // It leaves links of _layers to what is gone.
    const names = (kit: Kit): string[] =>
      kit
        .files()
        .map(file => path.relative(kit.root, file))
        .filter(file => !file.includes('/_layers/'))
    t.same(names(ours), names(theirs), `the same files, delete untagged: ${deleteUntagged}`)
    t.equal(ours.has('two') && !ours.has('lost') && ours.has('untagged') !== deleteUntagged, true)
  }
})
