import fs from 'node:fs'
import { availableParallelism } from 'node:os'
import { RANGES } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { BlobFile } from '@pipelayer/layer-blob'
import type { LayerBlobFile, LayerToUnpack } from '@pipelayer/steps'
import { OverlayThreads, type OverlayThreadsOptions } from '@pipelayer/unpacking'
import { publish } from './folder.js'

/** How many layers are unpacked at a time; each takes 30 MB of memory. */
const AT_A_TIME = 2

/** How layers are unpacked in overlay form. */
export interface Unpacking
  extends Pick<OverlayThreadsOptions, 'xattrs' | 'program' | 'signal' | 'onWarning'> {
  /** Makes a new directory, which becomes the root of a layer, on the file system of the layers: see {@link newRoot}. */
  newRoot(): string
}

/**
 * Unpacks the layers of a chain, base first, whose directories are not there yet, several at a time. Each gets its name
 * when it is complete, the lowest one first, so that one which is there is whole.
 *
 * @throws {ToolError} `DIFF_ID_MISMATCH` if a blob holds another tar than the config says, `DIGEST_MISMATCH`
 */
export async function unpackOverlays(layers: readonly LayerToUnpack[], how: Unpacking): Promise<void> {
  const threads = new OverlayThreads({ ...how, atATime: Math.min(availableParallelism(), AT_A_TIME) })
  const unpacking: Promise<void>[] = []
  const dirs: string[] = []
  const below: string[] = []
  try {
    for (const layer of layers) {
      if (!fs.existsSync(layer.dir)) {
        const dir = how.newRoot()
        dirs.push(dir)
        const whole = threads.unpack({ blob: blobOf(layer), dir, lowers: [...below] }, () =>
          publish(dir, layer.dir),
        )
        unpacking.push(named(layer, whole))
      }
      below.unshift(layer.dir)
    }
    await Promise.all(unpacking)
  } finally {
    await threads.close()
    for (const dir of dirs) fs.rmSync(dir, { recursive: true, force: true })
  }
}

/** Opens a new directory, which becomes the root of an image, to all users in the image. Its parent stays shut. */
export function newRoot(dir: string): string {
  fs.chmodSync(dir, 0o755)
  return dir
}

/** What is expected of the blob of a layer. */
export function blobOf({ blob, digest, size, diffID }: LayerBlobFile): BlobFile {
  return { file: blob, expected: { digest, size }, diffID, limits: {} }
}

async function named(layer: LayerBlobFile, work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    const { code, message, status } = error
    const hint = code === 'ID_UNMAPPED' ? `; ${RANGES}` : ''
    throw new ToolError(code, `cannot unpack layer ${layer.digest}: ${message}${hint}`, {
      cause: error,
      status,
    })
  }
}
