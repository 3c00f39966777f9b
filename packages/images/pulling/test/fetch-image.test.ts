// One image is fetched into the store: what is chosen, what is compared, and what the store has afterwards.
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import { openPlace } from '@pipelayer/places'
import { Store } from '@pipelayer/store'
import { type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type FetchedImage, fetchImage } from '../src/fetch-image.js'

const AMD64 = { os: 'linux', architecture: 'amd64' }
const ARM64 = { os: 'linux', architecture: 'arm64' }

interface Lab {
  readonly store: Store
  readonly warnings: string[]
  /** Makes an image of one layer, in the layout that images come from. */
  image(platform: object, diffIDs?: readonly string[]): Descriptor
  index(entries: readonly object[]): Descriptor
  /** Names a manifest `one` in that layout, and fetches it. */
  fetch(root: Descriptor): Promise<FetchedImage>
}

function lab(t: Scope): Lab {
  const dir = tempDir(t, 'pulling')
  const layout = Store.open(path.join(dir, 'layout'))
  const store = Store.open(path.join(dir, 'store'))
  const warnings: string[] = []
  const keep = (mediaType: string, content: Buffer | object): Descriptor => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    layout.putBytes(bytes)
    return { mediaType, digest: digestOf(bytes), size: bytes.length }
  }
  return {
    store,
    warnings,
    image: (platform, diffIDs = [digestOf(Buffer.from('layer'))]) => {
      const layer = keep(MEDIA_TYPES.ociLayer, Buffer.from('layer'))
      const rootfs = { type: 'layers', diff_ids: diffIDs }
      const config = keep(MEDIA_TYPES.ociConfig, { ...platform, rootfs })
      const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers: [layer] }
      return keep(MEDIA_TYPES.ociManifest, document)
    },
    index: entries =>
      keep(MEDIA_TYPES.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests: entries }),
    fetch: async root => {
      const manifests = [{ ...root, annotations: { [REF_NAME]: 'one' } }]
      fs.writeFileSync(path.join(layout.root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
      const warn = (message: string, code = ''): void => void warnings.push(`${code} ${message}`)
      const place = openPlace(`oci:${layout.root}:one`, { store: store.root, warn })
      try {
        const signal = new AbortController().signal
        return await fetchImage(place, { store, platform: AMD64, signal, warn })
      } finally {
        await place.close()
      }
    },
  }
}

t.test('images that are fetched', async t => {
  const rows: readonly [root: (lab: Lab) => Descriptor, why: string][] = [
    [({ image }) => image(AMD64), 'a manifest'],
    [({ image }) => image({}), 'one that names no platform is for every one'],
    [
      ({ image, index }) =>
        index([
          { ...image(ARM64), platform: ARM64 },
          { ...image(AMD64), platform: AMD64 },
        ]),
      'the one of an index that is for the platform',
    ],
    [
      ({ image, index }) => {
        const inner = index([{ ...image(AMD64), platform: AMD64 }])
        return index([{ ...inner, platform: AMD64 }])
      },
      'an index in an index',
    ],
  ]
  for (const [root, why] of rows) {
    const here = lab(t)
    const { config, manifest } = await here.fetch(root(here))
    t.not(config.architecture, 'arm64', why)
    for (const { digest, size } of [manifest.config, ...manifest.layers])
      t.ok(here.store.hasBlob(digest, size), `the store has ${digest}: ${why}`)
    t.same(here.warnings, [], why)
  }
})

t.test('images that are refused', async t => {
  const rows: readonly [root: (lab: Lab) => Descriptor, code: string, why: string][] = [
    [({ image }) => image(ARM64), 'PLATFORM_NOT_FOUND', 'a manifest for another platform'],
    [
      ({ image, index }) => index([{ ...image(ARM64), platform: ARM64 }]),
      'PLATFORM_NOT_FOUND',
      'an index without the platform',
    ],
    [
      ({ image, index }) => {
        const one = image(AMD64)
        return index([{ ...one, size: one.size + 1, platform: AMD64 }])
      },
      'SIZE_MISMATCH',
      'an index that says another size than the manifest has',
    ],
    [
      ({ image, index }) => index([{ ...image(AMD64), mediaType: MEDIA_TYPES.ociIndex, platform: AMD64 }]),
      'MEDIA_TYPE_MISMATCH',
      'an index that calls a manifest an index',
    ],
    [({ image }) => image(AMD64, []), 'CONFIG_INVALID', 'a layer without a diffID'],
    [
      ({ image, index }) => {
        let root = image(AMD64)
        for (let depth = 0; depth < 5; depth++) root = index([{ ...root, platform: AMD64 }])
        return root
      },
      'MANIFEST_INVALID',
      'indexes in indexes without an end',
    ],
  ]
  for (const [root, code, why] of rows) {
    const here = lab(t)
    await t.rejects(here.fetch(root(here)), { code }, why)
    t.same(here.store.resolve('one'), [], `and nothing is named: ${why}`)
  }
})
