import t from 'tap'
import { MEDIA_TYPES, validateDocument } from '../src/index.js'

const digest = `sha256:${'e'.repeat(64)}`
const layer = { mediaType: MEDIA_TYPES.ociLayer, digest, size: 3 }
const manifest = { schemaVersion: 2, config: { ...layer, mediaType: MEDIA_TYPES.ociConfig }, layers: [layer] }
const rootfs = { type: 'layers', diff_ids: [] }
const config = { os: 'linux', architecture: 'amd64', rootfs }
const index = (entry: object): object => ({ schemaVersion: 2, manifests: [{ ...layer, ...entry }] })

t.test('documents are held to the schema of their type', async t => {
  const rows: readonly [
    type: keyof typeof MEDIA_TYPES,
    document: object,
    code: string | undefined,
    why: string,
  ][] = [
    ['ociManifest', manifest, undefined, 'the least'],
    ['dockerManifest', manifest, undefined, "Docker's twin"],
    ['ociManifest', { ...manifest, layers: [] }, undefined, 'an image of settings alone'],
    [
      'ociManifest',
      { ...manifest, artifactType: 'no type' },
      'MANIFEST_INVALID',
      'artifactType is a media type',
    ],
    [
      'ociManifest',
      { ...manifest, layers: [{ ...layer, urls: ['no url'] }] },
      'MANIFEST_INVALID',
      'urls are URLs',
    ],
    ['ociManifest', { ...manifest, subject: { ...layer, size: -1 } }, 'MANIFEST_INVALID', 'a broken subject'],
    ['ociIndex', index({}), undefined, 'no platform'],
    ['ociIndex', index({ platform: { os: 'linux', architecture: 'arm64' } }), undefined, 'a platform'],
    ['ociIndex', index({ platform: { os: 'linux' } }), 'MANIFEST_INVALID', 'half a platform'],
    ['ociDescriptor', layer, undefined, 'a descriptor'],
    [
      'ociDescriptor',
      { ...layer, mediaType: '.x/y' },
      'MANIFEST_INVALID',
      'a type begins with a letter or digit',
    ],
    ['ociLayout', { imageLayoutVersion: '1.0.0' }, undefined, 'the header of a layout'],
    ['ociLayout', { imageLayoutVersion: '2.0.0' }, 'LAYOUT_INVALID', 'a version to come'],
    ['ociConfig', config, undefined, 'the least'],
    ['ociConfig', { ...config, config: { Env: null, Cmd: null } }, undefined, "null is Go's empty list"],
    ['ociConfig', { ...config, os: '' }, 'CONFIG_INVALID', 'no os'],
    ['ociConfig', { rootfs, os: 'linux' }, 'CONFIG_INVALID', 'no architecture'],
    ['ociConfig', { ...config, config: { Env: ['FOO'] } }, 'CONFIG_INVALID', 'a variable without value'],
    ['ociConfig', { ...config, config: { Env: ['FOO='] } }, undefined, 'an empty value'],
    ['ociConfig', { ...config, config: { User: 1000 } }, 'CONFIG_INVALID', 'a user is text'],
    ['ociConfig', { ...config, config: { Cmd: 'sh' } }, 'CONFIG_INVALID', 'a command is a list'],
    ['ociConfig', { ...config, config: { Labels: { a: 1 } } }, 'CONFIG_INVALID', 'labels are text'],
    [
      'ociConfig',
      { ...config, config: { Volumes: ['/a'] } },
      'CONFIG_INVALID',
      'volumes are the keys of a map',
    ],
    [
      'ociConfig',
      { ...config, created: '2024-01-31T12:00:00.5+01:00' },
      undefined,
      'a time with zone and fraction',
    ],
    ['ociConfig', { ...config, created: '2024-01-31' }, 'CONFIG_INVALID', 'a date is no time'],
    ['ociConfig', { ...config, history: [{ empty_layer: 1 }] }, 'CONFIG_INVALID', 'a flag of the history'],
    ['ociEmpty', {}, undefined, 'other documents have no schema'],
  ]
  for (const [type, document, code, why] of rows) {
    const check = (): void => validateDocument(Buffer.from(JSON.stringify(document)), MEDIA_TYPES[type])
    if (code === undefined) t.doesNotThrow(check, `${type}: ${why}`)
    else t.throws(check, { code }, `${type}: ${why}`)
  }
})
