import { gzipSync } from 'node:zlib'
import { digestOf } from '@pipelayer/digest'
import { Layout } from '@pipelayer/layout'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'

export const GZIP = `${MEDIA_TYPES.ociLayer}+gzip`

/** Writes images into an OCI layout, piece by piece. */
export class ImageWriter {
  readonly layout: Layout

  constructor(root: string) {
    this.layout = Layout.open(root, { create: true })
  }

  blob(mediaType: string, content: Buffer | object): Descriptor {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const { digest, size } = this.layout.putBytes(bytes)
    return { mediaType, digest, size }
  }

  /** An image whose layers hold these texts; `change` alters its config. */
  image(texts: readonly string[], change: object = {}): Descriptor {
    const tars = texts.map(text => Buffer.from(text))
    const config = {
      os: 'linux',
      architecture: 'amd64',
      config: { Env: ['A=1'] },
      rootfs: { type: 'layers', diff_ids: tars.map(tar => digestOf(tar)) },
      history: [
        ...tars.map((_tar, index) => ({ created_by: `step ${index}`, created: '2023-01-01T00:00:00Z' })),
        { created_by: 'ENV A=1', empty_layer: true },
      ],
      unknown: { kept: true },
      ...change,
    }
    return this.manifest(
      this.blob(MEDIA_TYPES.ociConfig, config),
      tars.map(tar => this.blob(GZIP, gzipSync(tar))),
    )
  }

  manifest(config: Descriptor, layers: readonly Descriptor[], more: object = {}): Descriptor {
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, config, layers, ...more }
    return this.blob(MEDIA_TYPES.ociManifest, document)
  }

  /** An index of entries as they are. */
  index(manifests: readonly object[]): Descriptor {
    return this.blob(MEDIA_TYPES.ociIndex, { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests })
  }

  tag(descriptor: Descriptor, name?: string): void {
    const { mediaType, digest, size } = descriptor
    this.layout.tag({ mediaType, digest, size }, name)
  }
}
