import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf, encodedOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { LONG_AGO, StoreKit, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import {
  blobFiles,
  cacheUnits,
  DocumentReader,
  diskBytes,
  type Link,
  leftovers,
  reach,
} from '../src/index.js'

const hexOf = (text: string): string => encodedOf(digestOf(text))

t.test('reach() follows indexes and manifests, each once', async t => {
  const kit = new StoreKit(t)
  const [one, two] = [kit.image('one'), kit.image('two')]
  const inner = kit.index([two, two, two])
  const outer = kit.index([one, inner, one])
  const artifact = kit.blob({ mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [one] })
  const text = kit.blob('plain text')
  const list = kit.blob('[]')
  const reader = new DocumentReader(kit.store)
  const from = (...roots: Link[]) => reach(roots, link => reader.links(link))
  const rows: readonly { roots: Link[]; found: readonly string[]; why: string }[] = [
    { roots: [], found: [], why: 'nothing' },
    { roots: [one], found: one.parts, why: 'an image' },
    { roots: [outer], found: [outer.digest, ...one.parts, inner.digest, ...two.parts], why: 'indexes' },
    {
      roots: [outer, one, inner],
      found: [outer.digest, ...one.parts, inner.digest, ...two.parts],
      why: 'what is named twice',
    },
    {
      roots: [{ ...artifact, mediaType: 'x/y' }],
      found: [artifact.digest, ...one.parts],
      why: 'an artifact, and a manifest among its blobs',
    },
    {
      roots: [{ ...text, mediaType: 'x/y' }],
      found: [text.digest],
      why: 'an unknown type that is no JSON names nothing',
    },
    { roots: [{ ...list, mediaType: 'x/y' }], found: [list.digest], why: 'nor does another JSON' },
  ]
  for (const { roots, found, why } of rows) {
    const { links, broken } = from(...roots)
    t.same([...links.keys()].sort(), [...new Set(found)].sort(), why)
    t.same(broken, [], why)
  }
  const { broken } = from({ ...text, mediaType: one.mediaType }, { ...one, digest: digestOf('none') })
  t.same(
    broken.map(({ link, error, isRoot }) => [link.digest, error?.code, isRoot]),
    [
      [text.digest, 'MANIFEST_INVALID', true],
      [digestOf('none'), undefined, true],
    ],
    'what is no manifest, and what is missing',
  )
})

t.test('reach() ends where documents name each other', async t => {
  const names = (digest: string, ...documents: string[]) => ({
    digest,
    documents: documents.map(each => ({ digest: each, size: 1, mediaType: 'i' })),
    contents: [],
  })
  const loop = new Map([names('a', 'b', 'a'), names('b', 'a')].map(each => [each.digest, each]))
  const root = { digest: 'a', size: 1, mediaType: 'i' }
  t.same([...reach([root], ({ digest }) => loop.get(digest)).links.keys()], ['a', 'b'])
  const deep = (link: Link) =>
    link.digest === '0' ? names('0') : names(link.digest, String(Number(link.digest) - 1))
  t.equal(reach([{ ...root, digest: '50000' }], deep).links.size, 50_001, 'no depth is too great')
})

t.test('DocumentReader tells why a document cannot be used', async t => {
  const kit = new StoreKit(t)
  const { digest, size, mediaType } = kit.image('a')
  const file = kit.store.blobPath(digest)
  fs.writeFileSync(file, '{"altered":1}')
  const error = new DocumentReader(kit.store).links({ digest, size, mediaType })
  t.ok(error instanceof ToolError && error.code === 'DIGEST_MISMATCH')
  t.equal(new DocumentReader(kit.store).linksIfDocument(digest), undefined)
  fs.rmSync(file)
  spawnSync('mkfifo', [file])
  const fifo = new DocumentReader(kit.store).links({ digest, size, mediaType })
  t.ok(fifo instanceof ToolError && fifo.code === 'FILE_INVALID', 'a FIFO is not waited for')
})

t.test('diskBytes() counts as du does', async t => {
  const dir = tempDir(t, 'du')
  fs.mkdirSync(path.join(dir, 'a/b'), { recursive: true })
  fs.writeFileSync(path.join(dir, 'a/file'), 'x'.repeat(100_000))
  fs.linkSync(path.join(dir, 'a/file'), path.join(dir, 'a/b/linked'))
  fs.symlinkSync('/usr', path.join(dir, 'a/link'))
  fs.truncateSync(path.join(dir, 'a/file'), 50_000_000)
  const [du] = spawnSync('du', ['-s', '--block-size=1', dir], { encoding: 'utf8' }).stdout.split('\t')
  t.equal(diskBytes(dir), Number(du), 'hard links once, holes not at all, symlinks not followed')
  t.equal(diskBytes(path.join(dir, 'none')), 0)
  const counted = new Set<string>()
  t.ok(diskBytes(path.join(dir, 'a/file'), counted) > 0)
  t.equal(diskBytes(path.join(dir, 'a/b/linked'), counted), 0, 'what was counted before')
})

t.test('the parts of a store', async t => {
  const kit = new StoreKit(t)
  const image = kit.image('a')
  fs.symlinkSync('/etc/passwd', path.join(kit.root, 'blobs/sha256', hexOf('link')))
  t.same(
    blobFiles(kit.root).map(({ digest }) => digest),
    [...image.parts].sort(),
    'blobs, in byte order, and no symlink',
  )
  kit.put(`steps/root/${hexOf('s')}`, { 'step.json': '{"below":["layers/root/x", 7]}' })
  kit.put(`steps/user-12-tree/${hexOf('s')}`, { 'step.json': 'damaged' })
  kit.put(`packed/${hexOf('s')}/gzip.json`, JSON.stringify({ digest: image.digest }))
  const [step] = cacheUnits(kit.store)
  t.match(step, { kind: 'step', digests: [image.digest], below: ['layers/root/x'] })
  t.equal(step?.paths.length, 3, 'the folders of all forms and the packed layers are one unit')
  const layer = kit.put('layers/root/a', { f: 'f' })
  kit.put('layers/root/b', { f: 'f' })
  const mount = {
    dirs: { target: '/m', lowers: [layer] },
    maker: { uid: 0, created: '', pid: 1 },
    xattrs: 'trusted',
    made: [],
  } as const
  const entry = kit.store.mounts().reserve(mount, () => {})
  const uses = (): (number | undefined)[] =>
    ['a', 'b'].map(name => cacheUnits(kit.store).find(({ paths }) => paths[0]?.endsWith(`/${name}`))?.usedMs)
  const old = LONG_AGO.getTime()
  t.same(uses(), [Number.MAX_SAFE_INTEGER, old], 'what a mount shows is in use')
  kit.store.mounts().forget(entry)
  t.same(uses(), [old, old])
  kit.put('tmp/other', { a: 'a' })
  kit.put(`partial/${image.digest.replace(':', '-')}`, 'half')
  t.same(
    leftovers(kit.store).map(({ kind, digest, usedMs, isOrphan }) => [kind, digest, usedMs, isOrphan]),
    [
      ['partial', image.digest, LONG_AGO.getTime(), false],
      ['temporary', undefined, LONG_AGO.getTime(), false],
    ],
  )
})
