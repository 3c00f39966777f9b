import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'

const GZIP = `${MEDIA_TYPES.ociLayer}+gzip`

/** Makes the records of images, with their blobs in files of a folder. */
export class RecordWriter {
  readonly #dir: string

  constructor(dir: string) {
    this.#dir = dir
  }

  /** A record of a blob: its descriptor and path. */
  blob(type: string, mediaType: string, content: string | object): Descriptor & AnyRecord & { path: string } {
    const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content))
    const digest = digestOf(bytes)
    const file = path.join(this.#dir, digest.slice(7))
    fs.writeFileSync(file, bytes)
    return { type, mediaType, digest, size: bytes.length, path: file }
  }

  /**
   * The records of an image: a layer for each of these texts, a config, and the manifest, which is last and the root.
   */
  image(key: string, texts: readonly string[], reference?: string): AnyRecord[] {
    const config = {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: texts.map(x => digestOf(x)) },
    }
    const layers = texts.map(text => this.blob('layer', GZIP, text))
    const configRecord = { ...this.blob('config', MEDIA_TYPES.ociConfig, config), config }
    const manifest = this.manifest(configRecord, layers)
    const root = { ...manifest, root: true, ...(reference && { reference }) }
    return [...layers, configRecord, root].map(record => ({ ...record, image: key }))
  }

  manifest(config: Descriptor, layers: readonly Descriptor[]): Descriptor & AnyRecord {
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: bare(config),
      layers: layers.map(bare),
    }
    return this.blob('manifest', MEDIA_TYPES.ociManifest, document)
  }

  /** The records of an index of images: those of the images, without a root, then that of the index. */
  index(key: string, images: readonly AnyRecord[][]): AnyRecord[] {
    const children = images
      .flat()
      .map(({ root: _root, reference: _reference, ...record }) => ({ ...record, partOf: key }))
    const manifests = children
      .filter(({ type }) => type === 'manifest')
      .map(record => bare(record as unknown as Descriptor))
    const document = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }
    return [
      ...children,
      { ...this.blob('index', MEDIA_TYPES.ociIndex, document), image: key, root: true },
    ] as AnyRecord[]
  }
}

function bare({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}
