// The folder of an engine, read: images found by name and id, layers put together, and what is broken or hostile told.
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { DockerFolder, parseImageName } from '../src/index.js'
import {
  addImage,
  addLayer,
  crcOf,
  emptyFolder,
  layerFile,
  type MadeLayer,
  nameImages,
  sha256,
  write,
} from './kit.js'

const isRoot = process.getuid?.() === 0
const HEX = 'a'.repeat(64)

const all = async (bytes: AsyncIterable<Buffer>): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

interface Made {
  readonly root: string
  readonly base: MadeLayer
  readonly top: MadeLayer
  readonly id: string
}

/** The folder of an engine with one image of two layers, `app:1`. */
function made(t: Test): Made {
  const root = tempDir(t, 'engine')
  emptyFolder(root)
  const base = addLayer(root, { 'etc/': '', 'etc/hosts': 'localhost\n', 'etc/empty': '' })
  const top = addLayer(root, { 'etc/.wh.hosts': '', 'a/': '', 'a/b': 'bbb' }, base)
  const id = addImage(root, [base, top])
  nameImages(root, { 'app:1': id })
  return { root, base, top, id }
}

t.test('an image, its layers, and their tars', async t => {
  const { root, base, top, id } = made(t)
  const folder = DockerFolder.open(root)
  t.equal(folder.find(undefined), id, 'the only image needs no name')
  const image = folder.image(id)
  t.equal(sha256(image.bytes), id)
  const layers = folder.layers(image)
  for (const [index, layer] of [base, top].entries()) {
    const found = layers[index]
    if (found === undefined) throw new Error('a layer is missing')
    t.equal(found.diffID, layer.diffID)
    t.ok((await all(folder.tar(found))).equals(layer.tar), 'bit for bit')
    t.equal(await folder.size(found), layer.tar.length)
    t.equal(folder.layerOf(layer.diffID)?.chainID, layer.chainID)
  }
  t.equal(folder.layerOf(sha256('none')), undefined)
})

t.test('names and ids', async t => {
  const { root, base, id } = made(t)
  const other = addImage(root, [base], { author: 'other' })
  const dangling = addImage(root, [base], { author: 'nobody' })
  const digest = sha256('the manifest')
  nameImages(root, {
    'app:1': id,
    [`app@${digest}`]: id,
    'quay.io/x/y:latest': other,
    [`${other.slice(7, 11)}:latest`]: id,
    'No Reference': id,
  })
  const folder = DockerFolder.open(root)
  const find = (text: string): string => folder.find(parseImageName(text))
  for (const [text, wanted, why] of [
    ['app:1', id, 'a tag'],
    ['docker.io/library/app:1', id, 'the whole name'],
    [`app@${digest}`, id, 'a digest'],
    [`app:2@${digest}`, id, 'a digest counts more than a tag'],
    ['quay.io/x/y', other, 'the default tag'],
    [other, other, 'an id'],
    [other.slice(7), other, 'an id without its algorithm'],
    [other.slice(7, 20), other, 'the beginning of an id'],
    [dangling.slice(0, 20), dangling, 'an image without a name'],
    [other.slice(7, 11), id, 'a name that looks like an id is a name'],
  ] as const)
    t.equal(find(text), wanted, why)
  for (const [text, code, why] of [
    ['app', 'MANIFEST_UNKNOWN', 'no such tag'],
    ['0000', 'MANIFEST_UNKNOWN', 'no such id'],
    [`app@${sha256('x')}`, 'MANIFEST_UNKNOWN', 'no such digest'],
    ['sha256:xyz', 'REFERENCE_INVALID', 'no digits'],
    ['A B', 'REFERENCE_INVALID', 'no name'],
  ] as const)
    t.throws(() => find(text), { code }, why)
  t.throws(() => folder.find(undefined), {
    code: 'REFERENCE_AMBIGUOUS',
    message: /say which: docker.io\/library\/[^,]*, docker.io\/library\/app:1, .*quay.io\/x\/y:latest/,
  })
  const ids = folder.ids().map(one => one.slice(7, 11))
  t.equal(ids.length, 3)
  fs.writeFileSync(path.join(folder.paths.configs, `${id.slice(7, 11)}${'0'.repeat(60)}`), '{}')
  t.throws(() => find(id.slice(7, 11)), { code: 'REFERENCE_AMBIGUOUS', message: /say which: sha256:/ })
  t.equal(find('app:1'), id)
})

t.test('an engine without images', async t => {
  const root = tempDir(t, 'engine')
  emptyFolder(root)
  t.throws(() => DockerFolder.open(root).find(undefined), {
    code: 'MANIFEST_UNKNOWN',
    message: /^no image with a name in .*: there is none with a name$/,
  })
  fs.rmSync(path.join(root, 'image/overlay2/repositories.json'))
  t.throws(() => DockerFolder.open(root).find(undefined), { code: 'MANIFEST_UNKNOWN' }, 'a new engine')
})

t.test('folders of other engines', async t => {
  const rows: readonly [folders: readonly string[], code: string, message: RegExp][] = [
    [['image/aufs'], 'DRIVER_UNSUPPORTED', /the graph driver aufs, .* docker-archive: reads/],
    [['image/devicemapper'], 'DRIVER_UNSUPPORTED', /graph driver devicemapper/],
    [['image/btrfs'], 'DRIVER_UNSUPPORTED', /graph driver btrfs/],
    [['image/zfs'], 'DRIVER_UNSUPPORTED', /graph driver zfs/],
    [['image/vfs'], 'DRIVER_UNSUPPORTED', /graph driver vfs/],
    [['image/fuse-overlayfs'], 'DRIVER_UNSUPPORTED', /graph driver fuse-overlayfs/],
    [['containerd/daemon', 'network'], 'DRIVER_UNSUPPORTED', /kept by containerd, not by a graph driver/],
    [['engine-id'], 'DRIVER_UNSUPPORTED', /kept by containerd/],
    [['overlay-images'], 'DOCKER_FOLDER_INVALID', /no folder of a Docker engine/],
    [[], 'DOCKER_FOLDER_INVALID', /"Docker Root Dir"/],
  ]
  for (const [folders, code, message] of rows) {
    const root = tempDir(t, 'engine')
    for (const name of folders) fs.mkdirSync(path.join(root, name), { recursive: true })
    t.throws(() => DockerFolder.open(root), { code, message }, folders.join(' '))
  }
  const root = tempDir(t, 'engine')
  t.throws(() => DockerFolder.open(`${root}/none`), { code: 'FOLDER_MISSING' })
  fs.writeFileSync(`${root}/file`, '')
  t.throws(() => DockerFolder.open(`${root}/file`), { code: 'DOCKER_FOLDER_INVALID' })
})

t.test('who is not root is told so', { skip: isRoot ? false : 'needs root' }, async t => {
  const { root } = made(t)
  fs.chmodSync(path.join(root, 'image'), 0o700)
  fs.chmodSync(root, 0o755)
  process.seteuid?.(65534)
  try {
    t.throws(() => DockerFolder.open(root), {
      code: 'EACCES',
      message: /permission denied: only root may read the folder of a Docker engine$/,
    })
  } finally {
    process.seteuid?.(0)
  }
})

t.test('repositories.json that is broken', async t => {
  const { root, id } = made(t)
  const text = JSON.stringify({ Repositories: { app: { 'app:1': id } } })
  for (const [content, why] of [
    [text.slice(0, text.length / 2), 'cut in half'],
    ['[]', 'a list'],
    ['{"Repositories":[]}', 'no object'],
    ['{"Repositories":{"app":"app:1"}}', 'no map of names'],
    ['{"Repositories":{"app":{"app:1":1}}}', 'an id that is a number'],
    ['{"Repositories":{"app":{"app:1":"../../etc/passwd"}}}', 'an id that is a path'],
    [`{"Repositories":{"app":{"app:1":"sha512:${HEX}${HEX}"}}}`, 'an id of another algorithm'],
  ] as const) {
    write(root, 'repositories.json', content)
    t.throws(() => DockerFolder.open(root).find(undefined), { code: 'DOCKER_FOLDER_INVALID' }, why)
  }
  write(root, 'repositories.json', '{}')
  t.throws(() => DockerFolder.open(root).find(undefined), { code: 'MANIFEST_UNKNOWN' }, 'without names')
  write(root, 'repositories.json', '')
  fs.truncateSync(path.join(root, 'image/overlay2/repositories.json'), 65 * 1024 * 1024)
  t.throws(() => DockerFolder.open(root).find(undefined), { code: 'FILE_TOO_LARGE' }, 'huge')
  fs.rmSync(path.join(root, 'image/overlay2/repositories.json'))
  fs.symlinkSync('/etc/passwd', path.join(root, 'image/overlay2/repositories.json'))
  t.throws(() => DockerFolder.open(root).find(undefined), { code: 'ELOOP' }, 'a symlink')
})

t.test('configs and layers that are broken', async t => {
  const rows: readonly [change: (made: Made) => void, code: string, why: string][] = [
    [
      ({ root, id }) => write(root, `imagedb/content/sha256/${id.slice(7)}`, '{}'),
      'DIGEST_MISMATCH',
      'a config',
    ],
    [
      ({ root, top }) => fs.rmSync(layerFile(root, top, '.'), { recursive: true }),
      'BLOB_UNKNOWN',
      'a layer that is gone',
    ],
    [
      ({ root, base }) => fs.rmSync(layerFile(root, base, '.'), { recursive: true }),
      'BLOB_UNKNOWN',
      'a parent that is gone',
    ],
    [({ root, top }) => fs.rmSync(layerFile(root, top, 'parent')), 'DOCKER_FOLDER_INVALID', 'no parent'],
    [
      ({ root, top }) => fs.writeFileSync(layerFile(root, top, 'parent'), top.chainID),
      'DOCKER_FOLDER_INVALID',
      'its own parent',
    ],
    [
      ({ root, base, top }) => fs.writeFileSync(layerFile(root, base, 'parent'), top.chainID),
      'DOCKER_FOLDER_INVALID',
      'parents in a loop',
    ],
    [
      ({ root, top }) => fs.writeFileSync(layerFile(root, top, 'parent'), 'sha256:../../../x'),
      'DOCKER_FOLDER_INVALID',
      'a parent that is a path',
    ],
    [
      ({ root, top }) => fs.writeFileSync(layerFile(root, top, 'diff'), sha256('other')),
      'DOCKER_FOLDER_INVALID',
      'another diffID',
    ],
    [({ root, top }) => fs.rmSync(layerFile(root, top, 'diff')), 'DOCKER_FOLDER_INVALID', 'no diffID'],
    [
      ({ root, top }) => fs.writeFileSync(layerFile(root, top, 'cache-id'), '../../../etc'),
      'DOCKER_FOLDER_INVALID',
      'a cache-id that is a path',
    ],
    [
      ({ root, top }) => fs.writeFileSync(layerFile(root, top, 'cache-id'), 'x'.repeat(5000)),
      'FILE_TOO_LARGE',
      'a cache-id that is huge',
    ],
  ]
  for (const [change, code, why] of rows) {
    const one = made(t)
    change(one)
    const folder = DockerFolder.open(one.root)
    t.throws(() => folder.layers(folder.image(folder.find(undefined))), { code }, why)
  }
  const { root } = made(t)
  const folder = DockerFolder.open(root)
  t.throws(() => folder.image(`sha256:${HEX}`), { code: 'MANIFEST_UNKNOWN' })
})

/** Reads the upper layer of the image. */
function readTop({ root, top }: Made): Promise<Buffer> {
  const folder = DockerFolder.open(root)
  const layer = folder.layerOf(top.diffID)
  return layer === undefined ? Promise.reject(new Error('no layer')) : all(folder.tar(layer))
}

const diffOf = ({ root, top }: Made, ...parts: string[]): string =>
  path.join(root, 'overlay2', top.cacheID, 'diff', ...parts)

t.test('files of a layer that are broken or hostile', async t => {
  const line = (fields: object): string =>
    `${JSON.stringify({ payload: crcOf('bbb'), size: 3, type: 1, ...fields })}\n`
  const list = (made: Made, text: string): void =>
    fs.writeFileSync(layerFile(made.root, made.top, 'tar-split.json.gz'), zlib.gzipSync(text))
  const outside = path.join(tempDir(t, 'outside'), 'secret')
  fs.writeFileSync(outside, 'bbb')
  const replace = (made: Made, name: string, make: (file: string) => void): void => {
    fs.rmSync(diffOf(made, name), { recursive: true })
    make(diffOf(made, name))
  }
  const rows: readonly [change: (made: Made) => void, code: string, why: string][] = [
    [made => fs.writeFileSync(diffOf(made, 'a/b'), 'bbc'), 'CHECKSUM_MISMATCH', 'other content'],
    [made => fs.writeFileSync(diffOf(made, 'a/b'), 'bbbb'), 'SIZE_MISMATCH', 'more content'],
    [made => fs.rmSync(diffOf(made, 'a/b')), 'FILE_MISSING', 'a file that is gone'],
    [made => replace(made, 'a/b', file => fs.mkdirSync(file)), 'FILE_MISSING', 'a directory'],
    [
      made => replace(made, 'a/b', file => fs.symlinkSync(outside, file)),
      'FILE_MISSING',
      'a symlink outwards',
    ],
    [made => replace(made, 'a/b', file => fs.symlinkSync('b', file)), 'FILE_MISSING', 'a symlink to itself'],
    [
      made => replace(made, 'a', file => fs.symlinkSync(path.dirname(outside), file)),
      'FILE_MISSING',
      'a parent that is a symlink outwards',
    ],
    [
      made => list(made, line({ name: '../../../../etc/passwd' })),
      'PATH_ESCAPES',
      'a name that leaves the layer',
    ],
    [made => list(made, line({ name: outside })), 'FILE_MISSING', 'an absolute name is one of the layer'],
    [made => list(made, line({ name: 'a/b', payload: crcOf('x') })), 'CHECKSUM_MISMATCH', 'a wrong checksum'],
    [made => list(made, line({ name: 'a/b', size: 2 ** 50 })), 'SIZE_MISMATCH', 'a huge size'],
    [
      made => list(made, line({ name: 'a/b', size: 2 ** 63 })),
      'TAR_SPLIT_INVALID',
      'a size that no file has',
    ],
    [made => list(made, 'x'), 'TAR_SPLIT_INVALID', 'no list'],
    [
      made => fs.truncateSync(layerFile(made.root, made.top, 'tar-split.json.gz'), 40),
      'COMPRESSION_INVALID',
      'a list that was cut',
    ],
    [
      made => fs.rmSync(layerFile(made.root, made.top, 'tar-split.json.gz')),
      'DOCKER_FOLDER_INVALID',
      'no list at all',
    ],
    [
      ({ root, top }) => fs.rmSync(path.join(root, 'overlay2', top.cacheID), { recursive: true }),
      'ENOENT',
      'a layer without files',
    ],
  ]
  for (const [change, code, why] of rows) {
    const one = made(t)
    change(one)
    await t.rejects(readTop(one), { code }, why)
  }
  const one = made(t)
  fs.rmSync(diffOf(one, 'a/b'))
  await t.rejects(readTop(one), {
    message: /^cannot put layer sha256:[0-9a-f]{64} together: there is no file "a\/b" in ".*diff"$/,
  })
})

t.test('a layer may have put a file through its own symlink', async t => {
  const rows: readonly [text: string, why: string][] = [
    ['real', 'relative'],
    ['/real', 'absolute: its root is that of the layer'],
    ['../../../../real', 'upwards'],
  ]
  for (const [text, why] of rows) {
    const one = made(t)
    fs.renameSync(diffOf(one, 'a'), diffOf(one, 'real'))
    fs.symlinkSync(text, diffOf(one, 'a'))
    t.ok((await readTop(one)).equals(one.top.tar), why)
  }
})
