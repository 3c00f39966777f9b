import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { ToolError } from '@pipelayer/errors'
import { newRoot, type Unpacking, unpackOverlays } from '@pipelayer/overlays'
import type { LayerToUnpack } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'

const LAYER_THREAD = fileURLToPath(new URL('layer-thread.cjs', import.meta.url))

/**
 * Unpacks the layers whose directories are not there yet; each appears when it is whole.
 *
 * @param work - an empty directory on the file system of the store
 * @throws ToolError those of `unpackOverlays`
 */
export async function unpackLayers(
  layers: readonly LayerToUnpack[],
  work: string,
  how: Omit<Unpacking, 'newRoot' | 'program'>,
): Promise<void> {
  let count = 0
  const makeRoot = (): string => {
    const dir = path.join(work, `layer-${count++}`)
    fs.mkdirSync(dir, { mode: 0o700 })
    return newRoot(dir)
  }
  await unpackOverlays(layers, { ...how, program: LAYER_THREAD, newRoot: makeRoot })
}

/**
 * The error of a layer that could not be unpacked, with what helps if its blob is damaged: that of a store is set aside
 * then, so that the next pull fetches it again.
 */
export async function explainDamage(
  error: unknown,
  layers: readonly LayerToUnpack[],
  store: Store,
): Promise<unknown> {
  if (!(error instanceof ToolError)) return error
  for (const { blob, digest, size } of layers) {
    if (!error.message.includes(digest) || blob !== store.blobPath(digest)) continue
    if (await isWhole(store, { digest, size })) continue
    const { code, message, status } = error
    const hint = 'it was damaged in the store, and is set aside: pull or build the image again'
    return new ToolError(code, `${message}; ${hint}`, { cause: error, status })
  }
  return error
}

// A store on a read-only disk keeps its damaged blob; the error of the layer is told in any case.
async function isWhole(
  store: Store,
  blob: { readonly digest: string; readonly size: number },
): Promise<boolean> {
  try {
    return await store.proveBlob(blob)
  } catch (error) {
    if (error instanceof ToolError) return true
    throw error
  }
}
