import fs from 'node:fs'
import { openBlob, provenTar } from '@pipelayer/layer-blob'
import { blobOf, publish, unpackOverlays } from '@pipelayer/overlays'
import type { LayerBlobFile, LayerToUnpack, UnpackRequest } from '@pipelayer/steps'
import { applyLayer, applyLayerOverlay } from '@pipelayer/unpacking'
import type { ExecutorSetup } from './executor-setup.js'
import { copyTree } from './step.js'

/**
 * Unpacks the layers of a chain that are not in the store yet, in overlay form several at a time. Each gets its name
 * when it is complete, the lowest one first.
 *
 * @throws {ToolError} `DIFF_ID_MISMATCH` if a blob holds another tar than the config says, `DIGEST_MISMATCH`
 */
export async function unpackLayers(setup: ExecutorSetup, request: UnpackRequest): Promise<void> {
  if (setup.form === 'overlay') return await unpackOverlays(request.layers, setup.unpacking)
  const below: string[] = []
  for (const layer of request.layers) {
    if (!fs.existsSync(layer.dir)) await unpack(setup, layer, below)
    below.unshift(layer.dir)
  }
}

async function unpack(setup: ExecutorSetup, layer: LayerToUnpack, below: readonly string[]): Promise<void> {
  const dir = setup.unpacking.newRoot()
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
