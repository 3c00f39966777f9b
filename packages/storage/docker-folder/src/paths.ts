/**
 * Where things lie in the folder of a Docker engine.
 *
 * ```
 * image/overlay2/
 *   repositories.json                              names, and the ids of their images
 *   imagedb/content/sha256/ID                      the config of an image; its digest is the id
 *   imagedb/metadata/sha256/ID/lastUpdated         when it was named last
 *   layerdb/sha256/CHAIN/                          a layer, by its chainID
 *     diff size parent cache-id tar-split.json.gz  diffID, bytes, chainID below, folder in overlay2, headers of its tar
 *   layerdb/tmp/                                   layers that are being written
 *   distribution/diffid-by-digest/sha256/DIGEST    the diffID of a compressed layer
 *   distribution/v2metadata-by-diffid/sha256/DIFF  where the compressed layer is
 * overlay2/
 *   CACHE/diff link lower committed work           the files of a layer, and how overlayfs mounts it
 *   l/LINK -> ../CACHE/diff                        short names, since a mount has room for some 4,000 bytes of them
 * ```
 *
 * Spec: moby v20.10 to v28, layer/filestore.go, image/fs.go, reference/store.go, daemon/graphdriver/overlay2/overlay.go.
 *
 * @module
 */
import path from 'node:path'
import { type Digest, encodedOf, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'

/** The graph driver whose folder is read. */
export const DRIVER = 'overlay2'

/** The engine makes 64 hexadecimal digits, BuildKit 25 of the base 36. */
const CACHE_ID = /^[0-9a-z]{1,64}$/
const LINK = /^[0-9A-Z]{26}$/

/** Checks a digest before it becomes a path: Docker's are all sha256. @throws ToolError `DOCKER_FOLDER_INVALID` */
export function requireID(text: string, where: string): Digest {
  if (isDigest(text) && text.startsWith('sha256:')) return text
  throw broken(where, `it has ${JSON.stringify(text.slice(0, 100))} in place of a digest`)
}

/** @throws ToolError `DOCKER_FOLDER_INVALID` */
export function requireCacheID(text: string, where: string): string {
  if (CACHE_ID.test(text)) return text
  throw broken(where, `${JSON.stringify(text.slice(0, 100))} names no folder of overlay2`)
}

/** @throws ToolError `DOCKER_FOLDER_INVALID` */
export function requireLink(text: string, where: string): string {
  if (LINK.test(text)) return text
  throw broken(where, `${JSON.stringify(text.slice(0, 100))} is no name of a link of overlay2`)
}

/** A file of the folder that the engine could not use either. */
export function broken(file: string, why: string, cause?: unknown): ToolError {
  return new ToolError('DOCKER_FOLDER_INVALID', `cannot use "${file}": ${why}`, { cause })
}

/** The paths in one folder. */
export class FolderPaths {
  /** Absolute. */
  readonly root: string

  constructor(root: string) {
    this.root = root
  }

  get repositories(): string {
    return this.#image('repositories.json')
  }

  /** The configs of all images. */
  get configs(): string {
    return this.#image('imagedb', 'content', 'sha256')
  }

  config(id: Digest): string {
    return path.join(this.configs, encodedOf(id))
  }

  metadata(id: Digest): string {
    return this.#image('imagedb', 'metadata', 'sha256', encodedOf(id))
  }

  /** All layers. */
  get layers(): string {
    return this.#image('layerdb', 'sha256')
  }

  layer(chainID: Digest): string {
    return path.join(this.layers, encodedOf(chainID))
  }

  get unfinishedLayers(): string {
    return this.#image('layerdb', 'tmp')
  }

  diffOfDigest(digest: Digest): string {
    return this.#image('distribution', 'diffid-by-digest', 'sha256', encodedOf(digest))
  }

  sourcesOfDiff(diffID: Digest): string {
    return this.#image('distribution', 'v2metadata-by-diffid', 'sha256', encodedOf(diffID))
  }

  /** The folder of images, which is there in every engine's folder. */
  get images(): string {
    return this.#image()
  }

  get trees(): string {
    return path.join(this.root, DRIVER)
  }

  /** The folder of a layer in overlay2. */
  tree(cacheID: string): string {
    return path.join(this.trees, cacheID)
  }

  link(name: string): string {
    return path.join(this.trees, 'l', name)
  }

  #image(...parts: readonly string[]): string {
    return path.join(this.root, 'image', DRIVER, ...parts)
  }
}
