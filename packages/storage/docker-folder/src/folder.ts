import fs from 'node:fs'
import path from 'node:path'
import { chainIDs, type Digest, digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type ImageConfig, MAX_DOCUMENT, parseConfig } from '@pipelayer/oci'
import { assembleTar, splitSize } from '@pipelayer/tar-split'
import { requireOverlay2 } from './driver.js'
import { explained, fileBytes, ifThere, namesIn, readFile, readLine } from './files.js'
import type { ImageName } from './image-name.js'
import { missingLayer, readExpected, readLayer, type StoredLayer } from './layer.js'
import { LayerTree } from './layer-tree.js'
import { broken, FolderPaths } from './paths.js'
import { Repositories } from './repositories.js'

/** An image of an engine. */
export interface FolderImage {
  readonly id: Digest
  /** Its config, whose digest is the id. */
  readonly bytes: Buffer
  readonly config: ImageConfig
}

/**
 * The images and layers in the folder of an engine. It is read anew at each call, so it may change meanwhile: what the
 * engine removes is missing then, and says so.
 */
export class DockerFolder {
  readonly paths: FolderPaths
  readonly #sizes = new Map<string, Promise<number>>()
  /** The chainIDs of layers by their diffIDs, and the time of the last change to layerdb. */
  #chains: { readonly state: string; readonly byDiff: ReadonlyMap<Digest, Digest> } | undefined

  private constructor(paths: FolderPaths) {
    this.paths = paths
  }

  /** @param root - the data root of the engine, such as /var/lib/docker @throws ToolError as `requireOverlay2` */
  static open(root: string): DockerFolder {
    requireOverlay2(root)
    return new DockerFolder(new FolderPaths(root))
  }

  names(): Repositories {
    return Repositories.read(this.paths.repositories)
  }

  /** The ids of all images, also of those without a name, in byte order. */
  ids(): readonly Digest[] {
    return namesIn(this.paths.configs)
      .filter(isHex)
      .map(name => `sha256:${name}`)
  }

  /**
   * The id of an image. As the engine does, this looks for a name first, then for an id.
   *
   * @param wanted - undefined for the only image that has names
   * @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS`
   */
  find(wanted: ImageName | undefined): Digest {
    const names = this.names()
    const named = wanted?.reference === undefined ? undefined : names.get(wanted.reference)
    if (named !== undefined) return named
    const entries = names.entries()
    const ids = new Set(wanted === undefined ? entries.map(([, id]) => id) : this.#beginning(wanted))
    const [id, ...others] = ids
    const there = entries.map(([name]) => name)
    if (id === undefined) {
      const list = there.slice(0, 20).join(', ') || 'none with a name'
      const which = wanted?.text ?? 'with a name'
      throw new ToolError('MANIFEST_UNKNOWN', `no image ${which} in "${this.paths.root}": there is ${list}`)
    }
    if (others.length === 0) return id
    const choice = (wanted === undefined ? there : [...ids]).slice(0, 20).join(', ')
    throw new ToolError('REFERENCE_AMBIGUOUS', `several images in "${this.paths.root}", say which: ${choice}`)
  }

  /** @throws ToolError `MANIFEST_UNKNOWN`, `DIGEST_MISMATCH`, `CONFIG_INVALID` */
  image(id: Digest): FolderImage {
    const file = this.paths.config(id)
    const bytes = readFile(file, MAX_DOCUMENT)
    if (bytes === undefined)
      throw new ToolError('MANIFEST_UNKNOWN', `there is no image ${id} in "${this.paths.root}"`)
    const digest = digestOf(bytes)
    if (digest !== id)
      throw new ToolError('DIGEST_MISMATCH', `the config "${file}" was changed: its digest is ${digest}`)
    return { id, bytes, config: parseConfig(bytes) }
  }

  /** The layers of an image, base first. @throws ToolError `BLOB_UNKNOWN`, `DOCKER_FOLDER_INVALID` */
  layers({ config }: FolderImage): readonly StoredLayer[] {
    const diffIDs = config.rootfs.diff_ids
    const chain = chainIDs(diffIDs)
    return chain.map((chainID, index) => {
      const expected = { chainID, diffID: diffIDs[index] ?? '', parent: chain[index - 1] }
      const layer = readExpected(this.paths, expected)
      if (layer === undefined) throw missingLayer(chainID, this.paths.root)
      return layer
    })
  }

  /** A layer by its diffID, whatever lies below it; undefined where there is none. */
  layerOf(diffID: Digest): StoredLayer | undefined {
    const chainID = this.#chainsNow().get(diffID)
    return chainID === undefined ? undefined : readLayer(this.paths, chainID)
  }

  /** The size of the tar of a layer, in bytes. @throws ToolError `TAR_SPLIT_INVALID`, `DOCKER_FOLDER_INVALID` */
  size(layer: StoredLayer): Promise<number> {
    const known = this.#sizes.get(layer.diffID)
    if (known !== undefined) return known
    const size = this.#explained(layer, () => splitSize(this.#list(layer)))
    this.#sizes.set(layer.diffID, size)
    size.catch(() => this.#sizes.delete(layer.diffID))
    return size
  }

  /**
   * The tar of a layer, bit for bit as the engine got it. The caller compares its digest with the diffID.
   *
   * @throws ToolError those of `assembleTar`; `FILE_MISSING`, `PATH_ESCAPES`
   */
  async *tar(layer: StoredLayer): AsyncGenerator<Buffer, void, undefined> {
    const tree = LayerTree.open(path.join(this.paths.tree(layer.cacheID), 'diff'))
    try {
      yield* assembleTar(this.#list(layer), tree)
    } catch (error) {
      throw ofLayer(error, layer, this.paths)
    } finally {
      tree.close()
    }
  }

  // Engines have thousands of layers, so their diffIDs are read anew only if layers came or went.
  #chainsNow(): ReadonlyMap<Digest, Digest> {
    const { layers } = this.paths
    const state = String(ifThere(layers, () => fs.statSync(layers, { bigint: true }).mtimeNs))
    if (this.#chains?.state === state) return this.#chains.byDiff
    const byDiff = new Map<Digest, Digest>()
    for (const name of namesIn(layers).filter(isHex)) {
      const diffID = readLine(path.join(layers, name, 'diff'))
      if (diffID !== undefined) byDiff.set(diffID, `sha256:${name}`)
    }
    this.#chains = { state, byDiff }
    return byDiff
  }

  #beginning({ digits }: ImageName): readonly Digest[] {
    return digits === undefined ? [] : this.ids().filter(id => id.startsWith(`sha256:${digits}`))
  }

  async #explained<T>(layer: StoredLayer, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw ofLayer(error, layer, this.paths)
    }
  }

  #list({ chainID }: StoredLayer): AsyncIterable<Buffer> {
    const folder = this.paths.layer(chainID)
    const file = path.join(folder, 'tar-split.json.gz')
    if (fs.existsSync(file)) return fileBytes(file)
    throw broken(folder, 'it has no file "tar-split.json.gz", without which its tar cannot be put together')
  }
}

/** Adds the layer to a message that tells of one of its files. */
function ofLayer(error: unknown, { diffID, cacheID }: StoredLayer, paths: FolderPaths): unknown {
  const told = explained(error, paths.tree(cacheID))
  if (!(told instanceof ToolError) || told.message.includes(diffID)) return told
  const message = `cannot put layer ${diffID} together: ${told.message}`
  return new ToolError(told.code, message, { cause: error, status: told.status })
}

function isHex(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name)
}
