import fs from 'node:fs'
import { availableParallelism } from 'node:os'
import { RANGES } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { type BlobFile, openBlob, provenTar } from '@pipelayer/layer-blob'
import type { LayerBlobFile, LayerToUnpack, UnpackRequest } from '@pipelayer/steps'
import { applyLayer, applyLayerOverlay, OverlayThreads } from '@pipelayer/unpacking'
import type { ExecutorSetup } from './executor-setup.js'
import { copyTree, publish } from './step.js'

/** How many layers are unpacked at a time; each takes 30 MB of memory. */
const AT_A_TIME = 2

/**
 * Unpacks the layers of a chain that are not in the store yet, in overlay form several at a time. Each gets its name
 * when it is complete, the lowest one first.
 *
 * @throws {ToolError} `DIFF_ID_MISMATCH` if a blob holds another tar than the config says, `DIGEST_MISMATCH`
 */
export async function unpackLayers(setup: ExecutorSetup, request: UnpackRequest): Promise<void> {
  if (setup.form === 'overlay') return await unpackOverlays(setup, request.layers)
  const below: string[] = []
  for (const layer of request.layers) {
    if (!fs.existsSync(layer.dir)) await unpack(setup, layer, below)
    below.unshift(layer.dir)
  }
}

async function unpackOverlays(setup: ExecutorSetup, layers: readonly LayerToUnpack[]): Promise<void> {
  const threads = new OverlayThreads({
    xattrs: setup.xattrs,
    program: setup.parts.layerThread,
    atATime: Math.min(availableParallelism(), AT_A_TIME),
    onWarning: setup.warn,
  })
  const unpacking: Promise<void>[] = []
  const dirs: string[] = []
  const below: string[] = []
  try {
    for (const layer of layers) {
      if (!fs.existsSync(layer.dir)) {
        const dir = newRoot(setup)
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

function blobOf({ blob, digest, size, diffID }: LayerBlobFile): BlobFile {
  return { file: blob, expected: { digest, size }, diffID, limits: {} }
}

/**
 * Makes the directory that becomes the root of an image. It is open to all users in the image, and its parent is not.
 */
function newRoot(setup: ExecutorSetup): string {
  const dir = setup.newDir('layer')
  fs.chmodSync(dir, 0o755)
  return dir
}

async function unpack(setup: ExecutorSetup, layer: LayerToUnpack, below: readonly string[]): Promise<void> {
  const dir = newRoot(setup)
  try {
    await applyBlob(setup, layer, { dir, below })
    publish(dir, layer.dir)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

/**
 * Unpacks a blob into `dir`, onto the directories below it: in overlay form only its changes, otherwise onto a copy of
 * them.
 *
 * @throws {ToolError} `DIFF_ID_MISMATCH`, `DIGEST_MISMATCH`
 */
export async function applyBlob(
  setup: ExecutorSetup,
  layer: LayerBlobFile,
  { dir, below }: { readonly dir: string; readonly below: readonly string[] },
): Promise<void> {
  const blob = blobOf(layer)
  const { tar, finish } = provenTar(openBlob(blob), `the tar of layer ${layer.digest}`, blob)
  const options = { onWarning: setup.warn }
  if (setup.form === 'overlay')
    await applyLayerOverlay(tar, dir, { ...options, lowers: below, xattrs: setup.xattrs })
  else {
    const [lower] = below
    if (lower !== undefined) await copyTree(lower, dir)
    await applyLayer(tar, dir, options)
  }
  finish()
}
