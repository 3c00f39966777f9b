import fs from 'node:fs'
import path from 'node:path'
import { chainIDs, type Digest, digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Descriptor,
  isConfigType,
  MAX_DOCUMENT,
  type Manifest,
  parseConfig,
  parseLayerType,
} from '@pipelayer/oci'
import type { NormalizedReference } from '@pipelayer/reference'
import { diffOf, type LayerOrigin } from './distribution.js'
import { keepEnginesOut } from './engine.js'
import { readFile } from './files.js'
import { DockerFolder } from './folder.js'
import { type ExpectedLayer, readExpected } from './layer.js'
import { makeLayer, type Unpack } from './new-layer.js'
import { type PlannedLayer, publishImage } from './publish.js'
import { Staging } from './staging.js'

/** The engine refuses images with more layers. Spec: moby, layer/layer_store.go, maxLayerDepth. */
const MAX_LAYERS = 125
const REGISTRY = 'docker://'

/** An image, all of whose blobs were put or are in the folder. */
export interface WrittenImage {
  readonly manifest: Manifest
  /** With a tag or with a digest; undefined for an image without a name. */
  readonly reference: NormalizedReference | undefined
}

/**
 * Writes images into the folder of an engine that does not run. Blobs and unpacked layers lie in a folder that the
 * engine does not know, until an image is published as a whole.
 */
export class ImageWriter {
  readonly folder: DockerFolder
  readonly #unpack: Unpack
  /** The repositories that a blob came from, by its digest. */
  readonly #repositories = new Map<string, readonly string[]>()
  #staging: Staging | undefined

  private constructor(folder: DockerFolder, unpack: Unpack) {
    this.folder = folder
    this.#unpack = unpack
  }

  /**
   * Nothing is written yet. The caller closes it.
   *
   * @throws ToolError `ENGINE_RUNNING`; `NEEDS_ROOT` for who is not root; `DRIVER_UNSUPPORTED` for a folder whose files
   *   belong to a user namespace; as `DockerFolder.open`
   */
  static open(root: string, unpack: Unpack): ImageWriter {
    if (process.geteuid?.() !== 0)
      throw new ToolError(
        'NEEDS_ROOT',
        `cannot write into "${root}": only root makes the layers of a Docker engine`,
      )
    const folder = DockerFolder.open(root)
    const { uid, gid } = fs.statSync(folder.paths.trees)
    if (uid !== 0 || gid !== 0) {
      const why = `its layers belong to a user namespace (${uid}:${gid}): load the image by docker load`
      throw new ToolError('DRIVER_UNSUPPORTED', `cannot write into "${root}": ${why}`)
    }
    keepEnginesOut(root)()
    return new ImageWriter(folder, unpack)
  }

  /** Whether a blob was put, or its content is in the folder: the size of a compressed layer is not known there. */
  hasBlob(descriptor: Descriptor): boolean {
    if (this.#staging?.has(descriptor)) return true
    const { digest, mediaType } = descriptor
    if (isConfigType(mediaType)) return this.#hasConfig(digest)
    const diffID = parseLayerType(mediaType) === undefined ? undefined : this.#diffID(descriptor)
    return diffID !== undefined && this.folder.layerOf(diffID) !== undefined
  }

  /**
   * @param from - places that hold the blob
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`; those of the system
   */
  async putBlob(
    descriptor: Descriptor,
    source: AsyncIterable<Buffer>,
    from: readonly string[],
  ): Promise<void> {
    this.#staging ??= Staging.create(this.folder.paths)
    const repositories = from.filter(place => place.startsWith(REGISTRY))
    this.#repositories.set(
      descriptor.digest,
      repositories.map(place => place.slice(REGISTRY.length).replace(/(?:@[^/]*|:[^/]*)$/, '')),
    )
    await this.#staging.put(descriptor, source)
  }

  /**
   * Publishes an image: the engine knows it when it starts.
   *
   * @returns its id
   * @throws ToolError `BLOB_MISSING`, `CONFIG_INVALID`, `LAYER_UNSUPPORTED`; those of `makeLayer` and `publishImage`
   */
  async putImage({ manifest, reference }: WrittenImage): Promise<Digest> {
    const id = manifest.config.digest
    const config = await this.#configBytes(manifest.config)
    const diffIDs = parseConfig(config).rootfs.diff_ids
    if (diffIDs.length !== manifest.layers.length)
      throw new ToolError(
        'CONFIG_INVALID',
        `config ${id} has ${diffIDs.length} diff_ids, the manifest ${manifest.layers.length} layers`,
      )
    if (diffIDs.length > MAX_LAYERS) {
      const why = `${diffIDs.length} layers, and an engine takes ${MAX_LAYERS} at most`
      throw new ToolError(
        'LAYER_UNSUPPORTED',
        `cannot write the image into "${this.folder.paths.root}": it has ${why}`,
      )
    }
    const layers = await this.#layers(manifest, diffIDs)
    const origins = manifest.layers.flatMap((layer, index) => this.#originOf(layer, diffIDs[index] ?? ''))
    publishImage(this.folder.paths, { id, config, layers, origins, reference })
    return id
  }

  /** Removes all that was not published. */
  close(): void {
    this.#staging?.close()
    this.#staging = undefined
  }

  async #layers(manifest: Manifest, diffIDs: readonly Digest[]): Promise<PlannedLayer[]> {
    const layers: PlannedLayer[] = []
    let lowers: readonly string[] = []
    const chain = chainIDs(diffIDs)
    for (const [index, chainID] of chain.entries()) {
      const expected = { chainID, diffID: diffIDs[index] ?? '', parent: chain[index - 1] }
      const { dir, ...layer } = await this.#layer(expected, manifest.layers[index], lowers)
      layers.push(layer)
      lowers = [path.join(dir, 'diff'), ...lowers]
    }
    return layers
  }

  async #layer(
    expected: ExpectedLayer,
    blob: Descriptor | undefined,
    lowers: readonly string[],
  ): Promise<PlannedLayer & { readonly dir: string }> {
    const existing = readExpected(this.folder.paths, expected)
    if (existing !== undefined)
      return { expected, made: undefined, dir: this.folder.paths.tree(existing.cacheID) }
    this.#staging ??= Staging.create(this.folder.paths)
    const open = this.#opener(expected.diffID, blob)
    const dir = this.#staging.layer()
    const made = await makeLayer(dir, { diffID: expected.diffID, open, lowers, unpack: this.#unpack })
    return { expected, made, dir }
  }

  // A layer that the engine has upon other layers is read from there.
  #opener(diffID: Digest, blob: Descriptor | undefined): () => AsyncIterable<Buffer> {
    const staging = this.#staging
    if (blob !== undefined && staging?.has(blob)) return () => staging.bytes(blob.digest)
    const other = this.folder.layerOf(diffID)
    if (other !== undefined) return () => this.folder.tar(other)
    throw new ToolError('BLOB_MISSING', `there is no blob for layer ${diffID}`)
  }

  #originOf({ digest, mediaType }: Descriptor, diffID: Digest): LayerOrigin[] {
    const repositories = this.#repositories.get(digest)
    const isPlain = digest === diffID || parseLayerType(mediaType) === undefined
    if (repositories === undefined || isPlain || !digest.startsWith('sha256:')) return []
    return [{ diffID, digest, repositories: [...new Set(repositories)] }]
  }

  #diffID({ digest, mediaType }: Descriptor): Digest | undefined {
    return parseLayerType(mediaType)?.compression === 'none' ? digest : diffOf(this.folder.paths, digest)
  }

  async #configBytes(config: Descriptor): Promise<Buffer> {
    if (!config.digest.startsWith('sha256:')) {
      const why = `the id of its image would be ${config.digest}, and an engine knows sha256 alone`
      throw new ToolError('LAYER_UNSUPPORTED', `cannot write into "${this.folder.paths.root}": ${why}`)
    }
    if (!this.#staging?.has(config)) return this.folder.image(config.digest).bytes
    if (config.size > MAX_DOCUMENT)
      throw new ToolError('DOCUMENT_TOO_LARGE', `config ${config.digest} has ${config.size} bytes`)
    const chunks: Buffer[] = []
    for await (const chunk of this.#staging.bytes(config.digest)) chunks.push(chunk)
    return Buffer.concat(chunks)
  }

  // A config that was changed counts as absent, and is written again.
  #hasConfig(id: Digest): boolean {
    if (!id.startsWith('sha256:')) return false
    const bytes = readFile(this.folder.paths.config(id), MAX_DOCUMENT)
    return bytes !== undefined && digestOf(bytes) === id
  }
}
