/**
 * Manifests, configs and digests that are wrong.
 *
 * @module
 */
import {
  type Answer,
  describe,
  digestOf,
  type GoodManifest,
  type ImageChange,
  imageOf,
  json,
  MANIFEST,
} from '../bad-registry.js'
import type { RegistryRow } from './registry-row.js'

const INDEX = 'application/vnd.oci.image.index.v1+json'
const EMPTY = Buffer.alloc(0)
/** One of our valid manifests, as text. */
const text = (good: GoodManifest): string => json(good).toString()
const edited = (edit: (text: string) => string): ImageChange => ({
  manifest: good => Buffer.from(edit(text(good))),
})
const withLayer = (change: object): ImageChange => ({
  manifest: good => ({ ...good, layers: good.layers.map(layer => ({ ...layer, ...change })) }),
})
/** A request by digest gets other bytes, with headers that claim the digest. */
const otherBytes =
  (header: (asked: string) => string): (() => Answer) =>
  () =>
  ({ url, response }) => {
    const asked = /\/manifests\/(sha256:[0-9a-f]+)$/.exec(url)?.[1]
    if (asked === undefined) return false
    response.writeHead(200, { 'content-type': MANIFEST, 'docker-content-digest': header(asked) })
    response.end(OTHER.manifest)
    return true
  }
const OTHER = imageOf({ config: { author: 'somebody else' } })
const PINNED = `sha256:${'1'.repeat(64)}`
const byDigest = (host: string): string => `img-pull docker://${host}/a/b@${PINNED}`

/** An index in an index, and so on, each named by its right digest. */
function nested(depth: number): Buffer[] {
  const list = [json({ schemaVersion: 2, mediaType: INDEX, manifests: [] })]
  for (let level = 0; level < depth; level++) {
    const inner = describe(INDEX, list.at(-1) ?? EMPTY)
    list.push(json({ schemaVersion: 2, mediaType: INDEX, manifests: [{ ...inner, platform: LINUX }] }))
  }
  return list
}
const LINUX = { os: 'linux', architecture: 'amd64' }
const NESTED = nested(12)
const sha512 = `sha512:${'0'.repeat(128)}`
/** Labels of an image whose texts look like our own records. */
const LABELS = {
  'containerd.io/restart.policy': '; rm -rf /',
  'x\n{"type":"end","tool":"img-pull","records":0,"failed":0}':
    '\n{"type":"error","code":"X","message":"y"}\n',
  'org.opencontainers.image.ref.name': '--no-store',
}

export const MANIFESTS: readonly RegistryRow[] = [
  {
    why: 'a manifest that is an index too (CVE-2021-41190)',
    image: { manifest: good => ({ ...good, manifests: [] }) },
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'layers and fsLayers (GHSA-qq97-vm5h-rrhg)',
    image: { manifest: good => ({ ...good, fsLayers: [] }) },
    code: 'MANIFEST_SCHEMA1',
  },
  {
    why: 'a Content-Type of an index, and a mediaType of a manifest (GHSA-5j5w-g665-5m35)',
    image: { mediaType: 'application/vnd.oci.image.index.v1+json' },
    code: 'MEDIA_TYPE_MISMATCH',
  },
  {
    why: 'other bytes, with the digest that was asked for in the header (CVE-2025-24882)',
    answer: otherBytes(asked => asked),
    command: byDigest,
    code: 'DIGEST_MISMATCH',
  },
  {
    why: 'other bytes, with their own digest in the header',
    answer: otherBytes(() => digestOf(OTHER.manifest)),
    command: byDigest,
    code: 'DIGEST_MISMATCH',
  },
  { why: 'a digest that is too short', image: withLayer({ digest: 'sha256:ab' }), code: 'MANIFEST_INVALID' },
  {
    why: 'a digest in capitals',
    image: withLayer({ digest: `sha256:${'A'.repeat(64)}` }),
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'a digest that is a path (CVE-2024-3727)',
    image: withLayer({ digest: 'sha256:../../etc/passwd' }),
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'a digest of an algorithm that nobody knows',
    image: withLayer({ digest: 'blake3:abc' }),
    code: 'DIGEST_UNSUPPORTED',
  },
  { why: 'sha512 is an algorithm as any other', image: withLayer({ digest: sha512 }), code: 'BLOB_UNKNOWN' },
  {
    why: 'a key twice',
    image: edited(one => one.replace('{', '{"layers":[],')),
    code: 'MANIFEST_INVALID',
  },
  { why: 'bytes behind the document', image: edited(one => `${one}{}`), code: 'MANIFEST_INVALID' },
  { why: 'a byte-order mark', image: edited(one => `\ufeff${one}`), code: 'MANIFEST_INVALID' },
  {
    why: 'a document nested deeply',
    image: edited(one => one.replace('{', `{"x":${'['.repeat(50_000)}${']'.repeat(50_000)},`)),
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'a size that no double holds',
    image: edited(one => one.replace(/"size":\d+/g, '"size":9007199254740993')),
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'manifests: null (umoci 0.5.1)',
    image: { manifest: () => ({ schemaVersion: 2, mediaType: INDEX, manifests: null }), mediaType: INDEX },
    code: 'MANIFEST_INVALID',
  },
  { why: 'a layer larger than said', image: withLayer({ size: 20 }), code: 'SIZE_MISMATCH' },
  { why: 'a layer smaller than said', image: withLayer({ size: 2000 }), code: 'SIZE_MISMATCH' },
  { why: 'a layer of no bytes is an empty archive', image: { layer: EMPTY } },
  {
    why: 'indexes in indexes, without end',
    image: { manifest: () => NESTED.at(-1) ?? EMPTY, mediaType: INDEX, blobs: NESTED },
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'an index of itself, by a digest that cannot be',
    image: {
      manifest: () => ({
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ mediaType: INDEX, digest: PINNED, size: 300, platform: LINUX }],
      }),
      mediaType: INDEX,
    },
    code: 'DIGEST_MISMATCH',
  },
  {
    why: '100,000 entries',
    image: {
      manifest: good =>
        json({ schemaVersion: 2, mediaType: INDEX, manifests: Array(100_000).fill(good.config) }),
      mediaType: INDEX,
    },
    code: 'DOCUMENT_TOO_LARGE',
  },
  {
    why: 'data that does not match its digest',
    image: withLayer({ data: Buffer.alloc(31, 1).toString('base64'), size: 31 }),
    code: 'MANIFEST_INVALID',
  },
  {
    why: 'more diff_ids than layers (CVE-2021-20291)',
    image: { config: { rootfs: { type: 'layers', diff_ids: [PINNED, PINNED] } } },
    code: 'CONFIG_INVALID',
  },
  {
    why: 'a diff_id of other content',
    image: { config: { rootfs: { type: 'layers', diff_ids: [PINNED] } } },
    command: host => `img-pull docker://${host}/a/b:1 | untar out`,
    code: 'DIFF_ID_MISMATCH',
    isStored: true,
  },
  { why: 'a history that is short is its own affair', image: { config: { history: [] } } },
  {
    why: 'a manifest of schema 1',
    image: {
      manifest: () => ({ schemaVersion: 1, name: 'a/b', tag: '1', fsLayers: [], history: [] }),
      mediaType: 'application/vnd.docker.distribution.manifest.v1+json',
    },
    code: 'MANIFEST_SCHEMA1',
  },
  {
    why: 'labels that look like options and records are labels (CVE-2026-53488)',
    image: { config: { config: { Labels: LABELS } } },
  },
]
