import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { MEDIA_TYPES, type Platform } from '@pipelayer/oci'

export interface PodmanImage {
  /** Full references. */
  readonly names?: readonly string[]
  /** The tars of its layers, base first. */
  readonly layers: readonly Buffer[]
  /** Its manifest names the tars, as of an image that was built; else it names compressed ones, as of one that was pulled. */
  readonly isBuilt?: boolean
  /** Its manifest is Docker's. */
  readonly isDocker?: boolean
  readonly annotations?: Readonly<Record<string, string>>
  readonly platform?: Platform
}

/** What a test may want to know of an image that it made. */
export interface PodmanImageMade {
  readonly id: string
  readonly config: Buffer
  readonly manifest: Buffer
  readonly diffIDs: readonly string[]
  /** The ids of its layers, base first. */
  readonly layerIDs: readonly string[]
}

type JsonRecord = Record<string, unknown>

/** `splitTar` of tar-split, whose own tests need this package. */
export type SplitTar = (
  tar: AsyncIterable<Buffer>,
  tree: { readonly holds: () => boolean },
) => AsyncIterable<Buffer>

/** A folder as podman keeps its images. Its lists can be changed, and are written by `write`. */
export class PodmanStore {
  readonly root: string
  readonly driver: 'overlay' | 'vfs'
  images: JsonRecord[] = []
  layers: JsonRecord[] = []

  readonly #splitTar: SplitTar

  constructor(root: string, splitTar: SplitTar, driver: 'overlay' | 'vfs' = 'overlay') {
    this.root = root
    this.#splitTar = splitTar
    this.driver = driver
  }

  path(...parts: readonly string[]): string {
    return path.join(this.root, ...parts)
  }

  /** The folder with the files of a layer. */
  folder(id: string): string {
    return this.driver === 'overlay' ? this.path('overlay', id, 'diff') : this.path('vfs', 'dir', id)
  }

  /** The headers of the tar of a layer. */
  headers(id: string): string {
    return this.path(`${this.driver}-layers`, `${id}.tar-split.gz`)
  }

  async add(image: PodmanImage): Promise<PodmanImageMade> {
    const { names = [], isBuilt = false, isDocker = false, annotations } = image
    const platform = image.platform ?? { os: 'linux', architecture: 'amd64' }
    const diffIDs = image.layers.map(digestOf)
    const layerIDs: string[] = []
    for (const tar of image.layers) layerIDs.push(await this.#layer(tar, layerIDs.at(-1)))
    const config = json({ ...platform, rootfs: { type: 'layers', diff_ids: diffIDs } })
    const described = image.layers.map(tar => layerOf(isBuilt ? tar : gzipSync(tar), { isBuilt, isDocker }))
    const manifest = json({
      schemaVersion: 2,
      mediaType: isDocker ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.ociManifest,
      config: {
        mediaType: isDocker ? MEDIA_TYPES.dockerConfig : MEDIA_TYPES.ociConfig,
        digest: digestOf(config),
        size: config.length,
      },
      layers: described,
      annotations,
    })
    const id = digestOf(config).slice(7)
    const documents = { manifest, [`manifest-${digestOf(manifest)}`]: manifest, [digestOf(config)]: config }
    const folder = this.path(`${this.driver}-images`, id)
    fs.mkdirSync(folder, { recursive: true })
    for (const [key, bytes] of Object.entries(documents)) {
      const name = key === 'manifest' ? key : `=${Buffer.from(key).toString('base64')}`
      fs.writeFileSync(path.join(folder, name), bytes)
    }
    this.images.push({
      id,
      digest: digestOf(manifest),
      names,
      layer: layerIDs.at(-1),
      'big-data-names': Object.keys(documents),
      'big-data-digests': Object.fromEntries(
        Object.entries(documents).map(([key, bytes]) => [key, digestOf(bytes)]),
      ),
    })
    this.write()
    return { id, config, manifest, diffIDs, layerIDs }
  }

  write(): void {
    for (const what of ['images', 'layers'] as const) {
      const folder = this.path(`${this.driver}-${what}`)
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(path.join(folder, `${what}.json`), JSON.stringify(this[what]))
    }
  }

  async #layer(tar: Buffer, parent: string | undefined): Promise<string> {
    const id = digestOf(Buffer.concat([Buffer.from(parent ?? ''), tar])).slice(7)
    if (this.layers.some(layer => layer.id === id)) return id
    const folder = this.folder(id)
    fs.mkdirSync(folder, { recursive: true })
    execFileSync('tar', ['-x', '-C', folder], { input: tar })
    const lines: Buffer[] = []
    const source = async function* (): AsyncGenerator<Buffer> {
      yield tar
    }
    for await (const line of this.#splitTar(source(), { holds: () => true })) lines.push(line)
    fs.mkdirSync(path.dirname(this.headers(id)), { recursive: true })
    fs.writeFileSync(this.headers(id), gzipSync(Buffer.concat(lines)))
    this.layers.push({ id, parent, 'diff-digest': digestOf(tar), 'diff-size': tar.length, compression: 2 })
    return id
  }
}

function layerOf(
  bytes: Buffer,
  { isBuilt, isDocker }: { readonly isBuilt: boolean; readonly isDocker: boolean },
): object {
  const base = isDocker ? 'application/vnd.docker.image.rootfs.diff.tar' : MEDIA_TYPES.ociLayer
  const mediaType = isBuilt ? base : `${base}${isDocker ? '.' : '+'}gzip`
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}
