import { digestOf } from '@pipelayer/digest'
import t from 'tap'
import {
  creationTime,
  formatPlatform,
  type Index,
  layerMediaType,
  MAX_DOCUMENT,
  MEDIA_TYPES,
  normalizePlatform,
  parseConfig,
  parseDescriptor,
  parseLayerType,
  parseManifest,
  parsePlatform,
  platformOf,
  platformOfNode,
  selectPlatform,
  withCompression,
} from '../src/index.js'
import { children } from '../src/manifest.js'

const D = digestOf('x')
const LAYER = { mediaType: `${MEDIA_TYPES.ociLayer}+gzip`, digest: D, size: 3 }
const CONFIG = { mediaType: MEDIA_TYPES.ociConfig, digest: D, size: 2 }
const MANIFEST = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config: CONFIG, layers: [LAYER] }
const INDEX = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: [] }

t.test('manifests that are read', async t => {
  const rows: readonly [document: object, options: object, mediaType: string, why: string][] = [
    [MANIFEST, {}, MEDIA_TYPES.ociManifest, 'OCI'],
    [{ ...MANIFEST, mediaType: undefined }, {}, MEDIA_TYPES.ociManifest, 'without a type'],
    [{ ...MANIFEST, mediaType: '' }, {}, MEDIA_TYPES.ociManifest, 'with an empty type'],
    [
      { ...MANIFEST, mediaType: undefined, config: { ...CONFIG, mediaType: MEDIA_TYPES.dockerConfig } },
      {},
      MEDIA_TYPES.dockerManifest,
      'the config tells that it is Docker',
    ],
    [
      { ...MANIFEST, mediaType: undefined },
      { mediaType: MEDIA_TYPES.dockerManifest },
      MEDIA_TYPES.dockerManifest,
      'the server tells',
    ],
    [MANIFEST, { mediaType: 'application/json' }, MEDIA_TYPES.ociManifest, 'the server tells nothing'],
    [{ ...MANIFEST, layers: null }, {}, MEDIA_TYPES.ociManifest, "Go's form of no layers"],
    [{ ...MANIFEST, subject: null, annotations: null }, {}, MEDIA_TYPES.ociManifest, 'null is absent'],
    [INDEX, {}, MEDIA_TYPES.ociIndex, 'an index, empty'],
    [
      { ...INDEX, manifests: [{ ...LAYER, mediaType: 'a/b' }] },
      {},
      MEDIA_TYPES.ociIndex,
      'an entry of an unknown type',
    ],
    [
      { ...MANIFEST, config: { ...CONFIG, digest: 'blake3:abc' } },
      {},
      MEDIA_TYPES.ociManifest,
      'a digest of an unknown algorithm passes',
    ],
  ]
  for (const [document, options, mediaType, why] of rows) {
    t.equal(parseManifest(bytes(document), options).mediaType, mediaType, why)
  }
  t.same(children(parseManifest(bytes(MANIFEST))), [LAYER, CONFIG], 'blobs in the order to put them')
})

t.test('manifests that are refused', async t => {
  const text = JSON.stringify(MANIFEST)
  const rows: readonly [document: object | string | Buffer, code: string, why: string][] = [
    ['', 'MANIFEST_INVALID', 'empty'],
    ['[]', 'MANIFEST_INVALID', 'not an object'],
    ['<html>', 'MANIFEST_INVALID', 'not JSON'],
    [`\ufeff${text}`, 'MANIFEST_INVALID', 'byte-order mark'],
    [`${text}{}`, 'MANIFEST_INVALID', 'bytes after the end'],
    [Buffer.from([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')]), 'MANIFEST_INVALID', 'not UTF-8'],
    [text.replace('{', '{"layers":[],'), 'MANIFEST_INVALID', 'a key twice'],
    [text.replace('{', '{"\\u006cayers":[],'), 'MANIFEST_INVALID', 'a key twice, once escaped'],
    [text.replace('"size":3', '"size":3,"size":4'), 'MANIFEST_INVALID', 'a key twice, further down'],
    [
      text.replace('"layers"', '"Layers"'),
      'MANIFEST_INVALID',
      'a key that some readers take and some do not',
    ],
    [{ ...MANIFEST, x: nested(100) }, 'MANIFEST_INVALID', 'nested deeply'],
    [{ ...MANIFEST, manifests: [] }, 'MANIFEST_INVALID', 'CVE-2021-41190: manifest and index'],
    [{ ...INDEX, config: CONFIG }, 'MANIFEST_INVALID', 'index with a config'],
    [
      { ...INDEX, mediaType: MEDIA_TYPES.ociManifest },
      'MANIFEST_INVALID',
      'index that says it is a manifest',
    ],
    [
      { ...MANIFEST, mediaType: MEDIA_TYPES.ociIndex },
      'MANIFEST_INVALID',
      'manifest that says it is an index',
    ],
    [{ ...INDEX, manifests: null }, 'MANIFEST_INVALID', 'manifests: null'],
    [{ ...MANIFEST, layers: undefined }, 'MANIFEST_INVALID', 'no layers'],
    [{ ...MANIFEST, layers: {} }, 'MANIFEST_INVALID', 'layers that are no list'],
    [{ ...MANIFEST, config: undefined }, 'MANIFEST_INVALID', 'no config'],
    [{ ...MANIFEST, schemaVersion: 3 }, 'MANIFEST_INVALID', 'another version'],
    [{ ...MANIFEST, schemaVersion: '2' }, 'MANIFEST_INVALID', 'version as text'],
    [{ schemaVersion: 1, fsLayers: [] }, 'MANIFEST_SCHEMA1', 'schema 1'],
    [{ schemaVersion: 2, fsLayers: [], layers: [], config: CONFIG }, 'MANIFEST_SCHEMA1', 'both schemas'],
    [{ ...MANIFEST, mediaType: 'application/x' }, 'MEDIA_TYPE_UNSUPPORTED', 'another type'],
    [{ ...MANIFEST, annotations: { a: 1 } }, 'MANIFEST_INVALID', 'an annotation that is no string'],
    [{ ...MANIFEST, mediaType: 2 }, 'MANIFEST_INVALID', 'a type that is no string'],
    [Buffer.alloc(MAX_DOCUMENT + 1, 32), 'DOCUMENT_TOO_LARGE', 'too large'],
  ]
  for (const [document, code, why] of rows)
    t.throws(() => parseManifest(bytes(document)), { code, status: 1 }, why)
  t.throws(
    () => parseManifest(bytes(MANIFEST), { mediaType: MEDIA_TYPES.ociIndex }),
    { code: 'MEDIA_TYPE_MISMATCH' },
    'offered as something else',
  )
  const offered = (document: object, mediaType: string): string[] => {
    const told: string[] = []
    const warn = (message: string, code: string): void => void told.push(message, code)
    return [parseManifest(bytes(document), { mediaType, warn }).mediaType, ...told]
  }
  t.throws(
    () => offered(MANIFEST, MEDIA_TYPES.ociIndex),
    { code: 'MEDIA_TYPE_MISMATCH' },
    'a manifest for an index, also where warnings are taken',
  )
  const kinds: [object, string, string, string][] = [
    [MANIFEST, 'dockerManifest', 'ociManifest', 'an OCI manifest offered as Docker'],
    [{ ...MANIFEST, mediaType: MEDIA_TYPES.dockerManifest }, 'ociManifest', 'dockerManifest', 'the reverse'],
    [{ ...INDEX, mediaType: MEDIA_TYPES.dockerIndex }, 'ociIndex', 'dockerIndex', 'a list as an index'],
  ]
  for (const [document, given, own, why] of kinds) {
    const [given_, own_] = [MEDIA_TYPES[given as 'ociIndex'], MEDIA_TYPES[own as 'ociIndex']]
    t.throws(() => parseManifest(bytes(document), { mediaType: given_ }), { code: 'MEDIA_TYPE_MISMATCH' })
    const message = `manifest says it is ${own_}, but was offered as ${given_}: read as what it says`
    t.same(offered(document, given_), [own_, message, 'MEDIA_TYPE_MISMATCH'], why)
  }
})

t.test('descriptors', async t => {
  const data = Buffer.from('x').toString('base64')
  const rows: readonly [change: object, accepted: boolean, why: string][] = [
    [{}, true, 'plain'],
    [{ size: 0 }, true, 'empty content'],
    [{ data, size: 1 }, true, 'data that matches'],
    [{ urls: null, platform: null, data: null }, true, 'null is absent'],
    [{ size: -1 }, false, 'negative size'],
    [{ size: 1.5 }, false, 'half a byte'],
    [{ size: '3' }, false, 'size as text'],
    [{ size: 2 ** 53 }, false, 'size that a double cannot hold'],
    [{ size: undefined }, false, 'no size'],
    [{ digest: 'sha256:../..' }, false, 'digest that is a path'],
    [{ digest: D.toUpperCase() }, false, 'upper-case digest'],
    [{ mediaType: 'x' }, false, 'no media type'],
    [{ mediaType: '' }, false, 'empty media type'],
    [{ data: 'eA', size: 1 }, false, 'data without padding'],
    [{ data, size: 2 }, false, 'data of another size'],
    [{ data: Buffer.from('y').toString('base64'), size: 1 }, false, 'data of another digest'],
    [{ urls: 'http://x' }, false, 'urls that are no list'],
    [{ platform: { os: 1 } }, false, 'os that is no string'],
    [{ platform: [] }, false, 'platform that is no object'],
  ]
  for (const [change, accepted, why] of rows) {
    const run = (): unknown => parseDescriptor(JSON.parse(JSON.stringify({ ...LAYER, ...change })))
    if (accepted) t.doesNotThrow(run, why)
    else t.throws(run, { code: 'MANIFEST_INVALID' }, why)
  }
  t.throws(() => parseDescriptor([]), { code: 'MANIFEST_INVALID' }, 'a list')
})

t.test('configs', async t => {
  const good = { os: 'linux', architecture: 'arm64', rootfs: { type: 'layers', diff_ids: [D] } }
  const rows: readonly [document: object, accepted: boolean, why: string][] = [
    [good, true, 'plain'],
    [{ ...good, history: null, config: null }, true, 'null is absent'],
    [{ ...good, rootfs: { type: 'layers', diff_ids: null } }, true, "Go's form of no layers"],
    [{ ...good, moby: { x: 1 } }, true, 'fields of others'],
    [{ ...good, os: 1 }, false, 'os that is no string'],
    [{ ...good, config: [] }, false, 'config that is no object'],
    [{ ...good, rootfs: undefined }, false, 'no rootfs'],
    [{ ...good, rootfs: { type: 'x', diff_ids: [] } }, false, 'another type of rootfs'],
    [{ ...good, rootfs: { type: 'layers', diff_ids: ['x'] } }, false, 'diff_ids that are no digests'],
    [{ ...good, history: {} }, false, 'history that is no list'],
    [{ ...good, history: [1] }, false, 'history of numbers'],
  ]
  for (const [document, accepted, why] of rows) {
    const run = (): unknown => parseConfig(bytes(document))
    if (accepted) t.doesNotThrow(run, why)
    else t.throws(run, { code: 'CONFIG_INVALID' }, why)
  }
  t.same(parseConfig(bytes({ ...good, moby: 1 })).moby, 1, 'unknown fields are kept')
  t.same(parseConfig(bytes({ ...good, rootfs: { type: 'layers' } })).rootfs.diff_ids, [])
  t.same(platformOf(parseConfig(bytes({ ...good, variant: 'v8' }))), {
    os: 'linux',
    architecture: 'arm64',
    variant: 'v8',
  })
  t.equal(platformOf(parseConfig(bytes({ ...good, os: '' }))), undefined)
})

t.test('media types of layers', async t => {
  t.same(parseLayerType(`${MEDIA_TYPES.ociLayer}+zstd`), {
    family: 'oci',
    base: MEDIA_TYPES.ociLayer,
    compression: 'zstd',
  })
  t.equal(parseLayerType(`${MEDIA_TYPES.ociLayer}+x`)?.compression, undefined, 'unknown compression')
  t.equal(parseLayerType(`${MEDIA_TYPES.ociLayer}x`), undefined, 'another type')
  t.equal(layerMediaType('docker', 'gzip'), `${MEDIA_TYPES.dockerLayer}.gzip`)
  t.equal(withCompression(`${MEDIA_TYPES.ociForeignLayer}+gzip`, 'none'), MEDIA_TYPES.ociForeignLayer)
  t.throws(() => layerMediaType('docker', 'zstd'), { code: 'MEDIA_TYPE_UNSUPPORTED' })
  t.throws(() => withCompression('a/b', 'gzip'), { code: 'MEDIA_TYPE_UNSUPPORTED' })
})

t.test('platforms in text', async t => {
  const rows: readonly [text: string, formatted: string, why: string][] = [
    ['linux/amd64', 'linux/amd64', 'plain'],
    ['linux/x86_64', 'linux/amd64', 'another name'],
    ['linux/arm', 'linux/arm', 'v7 is not written'],
    ['linux/armel', 'linux/arm/v6', 'a name that holds a variant'],
    ['linux/aarch64', 'linux/arm64', 'another name'],
    ['macOS/arm64', 'darwin/arm64', 'another name of a system'],
    ['windows(10.0.1+x)/amd64', 'windows(10.0.1+x)/amd64', 'version and feature'],
    ['linux', 'linux/s390x', 'a system: this architecture'],
    ['riscv64', 'freebsd/riscv64', 'an architecture: this system'],
    ['local', 'freebsd/s390x', 'all of this machine'],
  ]
  const local = { os: 'freebsd', architecture: 's390x' }
  for (const [text, formatted, why] of rows)
    t.equal(formatPlatform(parsePlatform(text, local)), formatted, why)
  for (const bad of [
    '',
    '/',
    'linux/',
    '/amd64',
    'linux/a/b/c',
    'linux/*',
    'nosuch',
    'linux(%)/a',
    'a b/c',
    'local',
  ]) {
    t.throws(() => parsePlatform(bad), { code: 'PLATFORM_INVALID' }, JSON.stringify(bad))
  }
  t.same(platformOfNode({ platform: 'linux', arch: 'x64' }), { os: 'linux', architecture: 'amd64' })
  t.same(platformOfNode({ platform: 'linux', arch: 'ppc64', endianness: 'LE' }).architecture, 'ppc64le')
  t.same(platformOfNode({ platform: 'win32', arch: 'ia32' }), { os: 'windows', architecture: '386' })
  t.same(normalizePlatform({ os: 'Linux', architecture: 'i386', variant: 'x' }), {
    os: 'linux',
    architecture: '386',
  })
})

t.test('selectPlatform', async t => {
  const rows: readonly [have: string, wanted: string, chosen: string | undefined, why: string][] = [
    ['linux/amd64 linux/arm64', 'linux/arm64', 'linux/arm64', 'its own'],
    ['linux/386 linux/amd64', 'linux/amd64', 'linux/amd64', 'the better, wherever it stands'],
    ['linux/386', 'linux/amd64', 'linux/386', 'an older relative'],
    ['linux/amd64', 'linux/386', undefined, 'not a younger one'],
    ['linux/amd64 linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64/v2', 'the nearest lower variant'],
    ['linux/arm/v6 linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6', 'lower variants of arm'],
    ['linux/arm/v5 linux/arm/v7', 'linux/arm64', 'linux/arm/v7', 'arm64 runs arm'],
    ['linux/arm64/v8', 'linux/arm64', 'linux/arm64/v8', 'v8 is what arm64 means'],
    ['linux/arm64/v9', 'linux/arm64', undefined, 'v9 is more'],
    ['unknown/unknown linux/amd64', 'linux/amd64', 'linux/amd64', 'an attestation is no image'],
    ['unknown/unknown', 'linux/amd64', undefined, 'not even when it is alone'],
    ['windows/amd64', 'linux/amd64', undefined, 'another system'],
    ['linux(+gpu)/amd64', 'linux/amd64', undefined, 'a feature that is not there'],
    ['windows(10.0.1.5)/amd64', 'windows(10.0.1.9)/amd64', 'windows(10.0.1.5)/amd64', 'same build'],
    ['windows(10.0.2.5)/amd64', 'windows(10.0.1.5)/amd64', undefined, 'another build'],
    ['-', 'linux/amd64', '-', 'an only one that tells no platform'],
    ['- -', 'linux/amd64', undefined, 'two that tell none'],
    ['', 'linux/amd64', undefined, 'an empty index'],
  ]
  for (const [have, wanted, chosen, why] of rows) {
    const names = have.split(' ').filter(name => name !== '')
    const index = parseManifest(bytes({ ...INDEX, manifests: names.map(entry) })) as Index
    const run = (): string =>
      names[index.manifests.indexOf(selectPlatform(index, parsePlatform(wanted)))] ?? ''
    if (chosen === undefined) t.throws(run, { code: 'PLATFORM_NOT_FOUND' }, why)
    else t.equal(run(), chosen, why)
  }
})

function entry(name: string): object {
  const [os, architecture] = name.split('/')
  const platform = name.startsWith('unknown')
    ? { os, architecture }
    : name === '-'
      ? undefined
      : parsePlatform(name)
  return { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(name), size: 1, platform }
}

function bytes(document: object | string | Buffer): Buffer {
  if (Buffer.isBuffer(document)) return document
  return Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
}

function nested(depth: number): unknown {
  return depth === 0 ? 0 : [nested(depth - 1)]
}

t.test('creationTime(): SOURCE_DATE_EPOCH, --created, the clock', async t => {
  const now = new Date('2024-05-06T07:08:09.010Z')
  t.match(creationTime({ now, sourceDateEpoch: '1700000000', created: '2020-01-01T00:00:00Z' }), {
    created: '2023-11-14T22:13:20Z',
    epoch: 1700000000,
    fixed: true,
  })
  t.match(creationTime({ now, created: '2020-01-01T00:00:00+01:00' }), {
    created: '2019-12-31T23:00:00Z',
    fixed: true,
  })
  t.match(creationTime({ now }), { created: '2024-05-06T07:08:09.010Z', fixed: false })
  for (const bad of [
    { sourceDateEpoch: '1e9' },
    { sourceDateEpoch: '-1' },
    { created: 'yesterday' },
    { created: '2024' },
  ])
    t.throws(() => creationTime({ now, ...bad }), { code: 'TIME_INVALID' }, JSON.stringify(bad))
})
