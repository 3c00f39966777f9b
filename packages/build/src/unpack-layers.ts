import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { Hasher, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { applyLayer, applyLayerOverlay } from '@pipelayer/layer'
import type { Bench } from './bench.js'
import type { LayerBlobFile, LayerToUnpack, UnpackRequest } from './executor-protocol.js'
import { copyTree, publish } from './step.js'

/**
 * Unpacks the layers of a chain that are not there yet, lowest first, each published when it is whole.
 *
 * @throws {ToolError} `DIFFID_MISMATCH` when a blob holds another tar than the config says
 */
export async function unpackLayers(bench: Bench, request: UnpackRequest): Promise<void> {
  const below: string[] = []
  for (const layer of request.layers) {
    if (!fs.existsSync(layer.dir)) await unpack(bench, layer, below)
    below.unshift(layer.dir)
  }
}

async function unpack(bench: Bench, layer: LayerToUnpack, below: readonly string[]): Promise<void> {
  const dir = bench.newDir('layer')
  // The directory becomes the root of an image: open to all users in it, behind a parent that is not.
  fs.chmodSync(dir, 0o755)
  try {
    await applyBlob(bench, layer, { dir, below })
    publish(dir, layer.dir)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

/**
 * Unpacks a blob into `dir`, onto the directories below it: in overlay form its changes only, else onto a copy.
 *
 * @throws {ToolError} `DIFFID_MISMATCH`, `DIGEST_MISMATCH`
 */
export async function applyBlob(
  bench: Bench,
  layer: LayerBlobFile,
  { dir, below }: { readonly dir: string; readonly below: readonly string[] },
): Promise<void> {
  const hasher = new Hasher()
  const tar = hashed(decompress(verified(fs.createReadStream(layer.blob), layer)), hasher)
  const options = { onWarning: bench.warn }
  if (bench.form === 'overlay')
    await applyLayerOverlay(tar, dir, { ...options, lowers: below, xattrs: bench.xattrs })
  else {
    const [lower] = below
    if (lower !== undefined) await copyTree(lower, dir)
    await applyLayer(tar, dir, options)
  }
  checkDiffID(hasher, layer)
}

async function* hashed(source: AsyncIterable<Buffer>, hasher: Hasher): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hasher.update(chunk)
    yield chunk
  }
}

function checkDiffID(hasher: Hasher, layer: LayerBlobFile): void {
  const got = hasher.digest()
  if (got !== layer.diffID)
    throw new ToolError(
      'DIFFID_MISMATCH',
      `layer ${layer.digest} unpacks to ${got}, the config of its image says ${layer.diffID}`,
    )
}
