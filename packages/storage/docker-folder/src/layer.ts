import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { isDirectory, readLine } from './files.js'
import { broken, type FolderPaths, requireCacheID, requireID } from './paths.js'

/** A layer as the engine keeps it. */
export interface StoredLayer {
  readonly chainID: Digest
  readonly diffID: Digest
  /** The chainID of the layer below; undefined for the lowest one. */
  readonly parent: Digest | undefined
  readonly cacheID: string
}

/**
 * Reads what the engine knows of a layer; undefined where it has none of that chainID.
 *
 * @throws ToolError `DOCKER_FOLDER_INVALID`
 */
export function readLayer(paths: FolderPaths, chainID: Digest): StoredLayer | undefined {
  const folder = paths.layer(chainID)
  if (!isDirectory(folder)) return undefined
  const line = (name: string): string | undefined => readLine(path.join(folder, name))
  const needed = (name: string): string => {
    const text = line(name)
    if (text !== undefined) return text
    throw broken(folder, `it has no file "${name}"`)
  }
  const parent = line('parent')
  return {
    chainID,
    diffID: requireID(needed('diff'), path.join(folder, 'diff')),
    parent: parent === undefined ? undefined : requireID(parent, path.join(folder, 'parent')),
    cacheID: requireCacheID(needed('cache-id'), path.join(folder, 'cache-id')),
  }
}

/** What a layer must be, by the config of an image. */
export interface ExpectedLayer {
  readonly chainID: Digest
  readonly diffID: Digest
  readonly parent: Digest | undefined
}

/**
 * Reads a layer of an image. What layers say of those below is compared and never followed, so a loop leads nowhere.
 *
 * @throws ToolError `DOCKER_FOLDER_INVALID`: the folder says otherwise than the image's config; undefined as
 *   {@link readLayer}
 */
export function readExpected(paths: FolderPaths, expected: ExpectedLayer): StoredLayer | undefined {
  const layer = readLayer(paths, expected.chainID)
  if (layer === undefined) return undefined
  const folder = paths.layer(expected.chainID)
  if (layer.diffID !== expected.diffID)
    throw broken(folder, `its diff is ${layer.diffID}, which should be ${expected.diffID}`)
  if (layer.parent !== expected.parent)
    throw broken(
      folder,
      `its parent is ${layer.parent ?? 'none'}, which should be ${expected.parent ?? 'none'}`,
    )
  return layer
}

/** An image names a layer that the engine does not have, or has removed by now. */
export function missingLayer(chainID: Digest, root: string): ToolError {
  return new ToolError('BLOB_UNKNOWN', `there is no layer with the chainID ${chainID} in "${root}"`)
}
