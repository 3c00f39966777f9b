// Images written into the folder of an engine: what the engine finds there, and what is refused.
import fs from 'node:fs'
import path from 'node:path'
import { MEDIA_TYPES } from '@pipelayer/oci'
import { lgetxattr, ownedName } from '@pipelayer/sys'
import { hard, type Item, link, need } from '@pipelayer/testkit'
import t from 'tap'
import { DockerFolder } from '../src/index.js'
import { addImage, addLayer, configOf, nameImages, sha256 } from './kit.js'
import { blobOf, newFolder, once, openWriter, plain, put, treeOf, type Write, zipped } from './writing.js'

const skip = need('root')

async function tarOf(root: string, diffID: string): Promise<string> {
  const folder = DockerFolder.open(root)
  const layer = folder.layerOf(diffID)
  if (layer === undefined) throw new Error(`no layer ${diffID}`)
  const chunks: Buffer[] = []
  for await (const chunk of folder.tar(layer)) chunks.push(Buffer.from(chunk))
  return sha256(Buffer.concat(chunks))
}

const BASE: readonly Item[] = [
  { name: 'etc/', type: 'dir' },
  { name: 'etc/hosts', content: 'localhost\n' },
  { name: 'etc/gone', content: 'x' },
  { name: 'old/', type: 'dir', mode: 0o700 },
  { name: 'old/file', content: 'y' },
  link('lib', 'usr/lib'),
  { name: 'usr/', type: 'dir' },
  { name: 'usr/lib/', type: 'dir' },
]
const TOP: readonly Item[] = [
  { name: 'etc/.wh.gone' },
  { name: 'old/.wh..wh..opq' },
  { name: 'old/new', content: 'new' },
  { name: 'lib/through', content: 'lies in usr/lib' },
  hard('etc/again', 'etc/hosts'),
  { name: `${'long/'.repeat(50)}name`, content: 'z' },
]

const contentOf = (...parts: string[]): string => fs.readFileSync(path.join(...parts), 'utf8')

t.test('what the engine finds', { skip }, async t => {
  const root = newFolder(t)
  const layers = [plain(BASE), zipped(TOP)]
  const from = ['docker://docker.io/library/app', 'docker://h:5/a/b:1', 'oci:/x']
  const id = await put(openWriter(t, root), { layers, name: 'app:1', from })
  const images = path.join(root, 'image/overlay2')
  t.same(JSON.parse(contentOf(images, 'repositories.json')), { Repositories: { app: { 'app:1': id } } })
  t.equal(sha256(contentOf(images, 'imagedb/content/sha256', id.slice(7))), id)
  t.match(contentOf(images, 'imagedb/metadata/sha256', id.slice(7), 'lastUpdated'), /^20\d\d-.*Z$/)
  const folder = DockerFolder.open(root)
  const [base, top] = folder.layers(folder.image(id))
  if (base === undefined || top === undefined) throw new Error('layers are missing')
  for (const [layer, size] of [
    [base, 19],
    [top, 29],
  ] as const) {
    t.equal(await tarOf(root, layer.diffID), layer.diffID, 'bit for bit')
    t.equal(contentOf(folder.paths.layer(layer.chainID), 'size'), String(size))
    const tree = folder.paths.tree(layer.cacheID)
    t.equal(fs.statSync(tree).mode & 0o777, 0o710)
    t.match(contentOf(tree, 'link'), /^[A-Z2-7]{26}$/)
    t.equal(
      fs.readlinkSync(path.join(root, 'overlay2/l', contentOf(tree, 'link'))),
      `../${layer.cacheID}/diff`,
    )
  }
  const [lower, upper] = [folder.paths.tree(base.cacheID), folder.paths.tree(top.cacheID)]
  t.ok(fs.existsSync(path.join(lower, 'committed')), 'a layer with another upon it is committed')
  t.notOk(fs.existsSync(path.join(lower, 'lower')))
  t.notOk(fs.existsSync(path.join(upper, 'committed')))
  t.equal(contentOf(upper, 'lower'), `l/${contentOf(lower, 'link')}`)
  t.equal(fs.statSync(path.join(upper, 'work')).mode & 0o777, 0o700)
  const whiteout = fs.lstatSync(path.join(upper, 'diff/etc/gone'))
  t.ok(whiteout.isCharacterDevice() && whiteout.rdev === 0)
  t.equal(lgetxattr(path.join(upper, 'diff/old'), 'trusted.overlay.opaque')?.toString(), 'y')
  t.equal(
    contentOf(upper, 'diff/usr/lib/through'),
    'lies in usr/lib',
    'a symlink of the layer below is followed',
  )
  t.equal(contentOf(upper, 'diff/etc/again'), 'localhost\n', 'a hard link to a file of the layer below')
  const zip = layers[1]?.descriptor.digest ?? ''
  t.equal(contentOf(images, 'distribution/diffid-by-digest/sha256', zip.slice(7)), top.diffID)
  const sources = path.join(images, 'distribution/v2metadata-by-diffid/sha256', top.diffID.slice(7))
  t.same(JSON.parse(contentOf(sources)), [
    { Digest: zip, SourceRepository: 'docker.io/library/app', HMAC: '' },
    { Digest: zip, SourceRepository: 'h:5/a/b', HMAC: '' },
  ])
  t.same(fs.readdirSync(path.join(images, 'distribution/diffid-by-digest/sha256')), [zip.slice(7)])
  const left = [...fs.readdirSync(path.join(images, 'layerdb/tmp')), ...fs.readdirSync(images)]
  t.same(
    left.filter(name => name.includes('tmp') || name.startsWith('write-set')),
    [],
    'nothing is left over',
  )
})

t.test('layers that are there are not written again', { skip }, async t => {
  const root = newFolder(t)
  const base = addLayer(root, { 'a/': '', 'a/b': 'bbb' })
  addLayer(root, { c: 'ccc' }, base)
  const old = addImage(root, [base])
  nameImages(root, { 'old:1': old, [`old@${sha256('x')}`]: old })
  const writer = openWriter(t, root)
  const known = blobOf(base.tar, MEDIA_TYPES.ociLayer)
  const id = await put(writer, { layers: [known, zipped([{ name: 'd', content: 'd' }])], name: 'new:1' })
  t.equal(fs.readdirSync(path.join(root, 'image/overlay2/layerdb/sha256')).length, 3)
  t.ok(
    writer.hasBlob(zipped([{ name: 'd', content: 'd' }]).descriptor),
    'a compressed layer is known by its digest',
  )
  t.notOk(writer.hasBlob(zipped([{ name: 'e' }]).descriptor))
  t.notOk(writer.hasBlob({ mediaType: 'text/plain', digest: base.diffID, size: 1 }), 'no layer')
  const top = addLayer(root, { c: 'ccc' })
  const id2 = await put(writer, {
    layers: [known, { ...blobOf(top.tar, MEDIA_TYPES.ociLayer), diffID: top.diffID }],
    name: 'new:2',
  })
  t.not(id2, id)
  const names = DockerFolder.open(root).names()
  t.same(
    names.entries().map(([name]) => name),
    ['new:1', 'new:2', 'old:1', `old@${sha256('x')}`].map(name => `docker.io/library/${name}`),
  )
  await put(writer, { layers: [known], name: 'new:1' })
  t.equal(
    DockerFolder.open(root).names().get('docker.io/library/new:1'),
    sha256(configOf([known])),
    'a tag moves',
  )
})

t.test('a config that was changed is written again', { skip }, async t => {
  const root = newFolder(t)
  const layers = [plain([{ name: 'a', content: 'a' }])]
  const id = await put(openWriter(t, root), { layers, name: 'app:1' })
  const { paths } = DockerFolder.open(root)
  fs.writeFileSync(paths.config(id), 'damaged')
  t.equal(await put(openWriter(t, root), { layers, name: 'app:1' }), id)
  t.same(fs.readFileSync(paths.config(id)), configOf(layers))
})

t.test('names with a digest, and none', { skip }, async t => {
  const root = newFolder(t)
  const writer = openWriter(t, root)
  const layers = [plain([{ name: 'a', content: 'a' }])]
  const pinned = `app@${sha256('the manifest')}`
  const id = await put(writer, { layers, name: pinned })
  await put(writer, { layers, name: pinned })
  await t.rejects(put(writer, { layers, name: pinned, config: configOf(layers, { author: 'x' }) }), {
    code: 'REFERENCE_AMBIGUOUS',
    message: /cannot name image sha256:.* has that name$/,
  })
  const unnamed = await put(writer, { layers, config: configOf(layers, { author: 'y' }) })
  const folder = DockerFolder.open(root)
  t.same(folder.names().entries(), [[`docker.io/library/${pinned}`, id]])
  t.same(folder.ids(), [id, unnamed].sort())
  const scratch = await put(writer, { layers: [], name: 'scratch:1' })
  t.same(folder.layers(folder.image(scratch)), [], 'an image without layers')
})

t.test('images that an engine could not use', { skip }, async t => {
  const file = { name: 'a', content: 'a' }
  const twoNames = [
    { name: 'd/', type: 'dir' },
    { name: 'd/f', content: '1' },
    link('x', 'd'),
    { name: 'x/f', content: '2' },
  ] as const
  const rows: readonly [write: Write, code: string, why: string][] = [
    [{ layers: [plain([file, file])] }, 'LAYER_UNSUPPORTED', 'a path twice'],
    [{ layers: [plain([file, { ...file, name: './a' }])] }, 'LAYER_UNSUPPORTED', 'in another spelling'],
    [{ layers: [plain([...twoNames])] }, 'LAYER_UNSUPPORTED', 'two names of one file, with two contents'],
    [{ layers: [plain([{ name: '../a', content: 'a' }])] }, 'PATH_ESCAPES', 'a name that leaves the layer'],
    [{ layers: [plain([file])], config: configOf([]) }, 'CONFIG_INVALID', 'fewer diffIDs than layers'],
    [
      { layers: [plain([file])], config: configOf([{ diffID: sha256('x') }]) },
      'DIFF_ID_MISMATCH',
      'another layer than the config names',
    ],
    [{ layers: [blobOf(Buffer.from('no tar'), MEDIA_TYPES.ociLayer)] }, 'TAR_TRUNCATED', 'no tar'],
    [{ layers: Array.from({ length: 126 }, () => plain([])) }, 'LAYER_UNSUPPORTED', 'too many layers'],
    [{ layers: [], config: Buffer.from('{}') }, 'CONFIG_INVALID', 'no config'],
  ]
  for (const [write, code, why] of rows) {
    const root = newFolder(t)
    const before = treeOf(root)
    const writer = openWriter(t, root)
    await t.rejects(put(writer, { ...write, name: 'app:1' }), { code }, why)
    writer.close()
    t.same(treeOf(root), before, `${why}: nothing is left`)
  }
  const root = newFolder(t)
  const writer = openWriter(t, root)
  const layers = [plain([file])]
  const config = blobOf(configOf(layers), MEDIA_TYPES.ociConfig).descriptor
  const common = { kind: 'manifest', schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest } as const
  const manifest = { ...common, config, layers: layers.map(({ descriptor }) => descriptor) }
  await t.rejects(
    writer.putImage({ manifest, reference: undefined }),
    { code: 'MANIFEST_UNKNOWN' },
    'no config came',
  )
  await writer.putBlob(config, once(configOf(layers)), [])
  await t.rejects(
    writer.putImage({ manifest, reference: undefined }),
    { code: 'BLOB_MISSING' },
    'no layer came',
  )
  await t.rejects(writer.putBlob(config, once(Buffer.from('x')), []), { code: 'SIZE_MISMATCH' })
  const sha512 = { ...config, digest: `sha512:${'a'.repeat(128)}` }
  await t.rejects(writer.putImage({ manifest: { ...manifest, config: sha512 }, reference: undefined }), {
    code: 'LAYER_UNSUPPORTED',
  })
})

t.test('a name that leads through a symlink of its own layer', { skip }, async t => {
  const root = newFolder(t)
  const through: readonly Item[] = [
    { name: 'd/', type: 'dir' },
    link('e', '/d'),
    { name: 'e/g', content: '2' },
  ]
  const layers = [plain(through), plain(through)]
  const id = await put(openWriter(t, root), { layers, name: 'app:1' })
  const folder = DockerFolder.open(root)
  for (const { diffID, cacheID } of folder.layers(folder.image(id))) {
    t.equal(contentOf(folder.paths.tree(cacheID), 'diff/d/g'), '2')
    t.equal(await tarOf(root, diffID), diffID)
  }
})

t.test('what a killed process left is removed', { skip }, async t => {
  const root = newFolder(t)
  const gone = (prefix: string): string => ownedName(prefix, 'x').replace(`.${process.pid}.`, '.99999999.')
  const [staging, entry] = [
    path.join(root, 'overlay2', gone('.pipelayer')),
    path.join(root, 'image/overlay2/layerdb/tmp', gone('write-set')),
  ]
  for (const dir of [staging, entry]) fs.mkdirSync(path.join(dir, 'x'), { recursive: true })
  fs.writeFileSync(path.join(root, 'image/overlay2/repositories.json.tmp'), 'half')
  await put(openWriter(t, root), { layers: [plain([{ name: 'a', content: 'a' }])], name: 'app:1' })
  for (const dir of [staging, entry]) t.notOk(fs.existsSync(dir))
  t.notOk(fs.existsSync(path.join(root, 'image/overlay2/repositories.json.tmp')))
})

t.test('a failure while an image is published', { skip }, async t => {
  const layers = [plain([{ name: 'a', content: 'a' }])]
  const root = newFolder(t)
  fs.writeFileSync(path.join(root, 'image/overlay2/repositories.json'), '{')
  await t.rejects(put(openWriter(t, root), { layers, name: 'app:1' }), { code: 'DOCKER_FOLDER_INVALID' })
  t.same(fs.readdirSync(path.join(root, 'image/overlay2/layerdb/sha256')), [], 'the names are read first')

  const broken = newFolder(t)
  fs.rmSync(path.join(broken, 'overlay2/l'), { recursive: true })
  await t.rejects(put(openWriter(t, broken), { layers, name: 'app:1' }), { code: 'ENOENT' })
  t.same(DockerFolder.open(broken).ids(), [], 'no image')
  t.same(fs.readdirSync(path.join(broken, 'image/overlay2/layerdb/sha256')), [], 'no layer')
  t.same(fs.readdirSync(path.join(broken, 'image/overlay2/layerdb/tmp')), [], 'nothing left over')

  const parentless = newFolder(t)
  const base = addLayer(parentless, { a: 'a' })
  fs.rmSync(path.join(parentless, 'overlay2', base.cacheID, 'link'))
  const upon = [{ ...blobOf(base.tar, MEDIA_TYPES.ociLayer) }, plain([{ name: 'b', content: 'b' }])]
  await t.rejects(put(openWriter(t, parentless), { layers: upon, name: 'app:1' }), {
    code: 'DOCKER_FOLDER_INVALID',
    message: /it has no file "link"$/,
  })
  fs.writeFileSync(path.join(parentless, 'overlay2', base.cacheID, 'link'), '../../../etc')
  await t.rejects(put(openWriter(t, parentless), { layers: upon, name: 'app:1' }), {
    code: 'DOCKER_FOLDER_INVALID',
    message: /no name of a link/,
  })
})
