import { diffOverlay, diffTrees } from '@pipelayer/change-set'
import { verifyEngine } from '@pipelayer/compress'
import { packChanges } from '@pipelayer/packing'
import { usualEncoding } from '@pipelayer/step-cache'
import type { PackRequest } from '@pipelayer/steps'
import { Store } from '@pipelayer/store'
import type { ExecutorSetup } from './executor-setup.js'

/**
 * Packs the layer of a step as layer-pack does without options, and remembers it in the store as layer-pack does.
 *
 * The executor does this, not kf-run, because only in its user namespace the files have the ids of the image.
 *
 * @throws {ToolError} those of packing and of the store
 */
export async function packStep(setup: ExecutorSetup, request: PackRequest): Promise<void> {
  const { cacheKey, created, lowers, content, epoch } = request
  const store = Store.open(request.store)
  const { isKnown, engine } = await verifyEngine()
  if (!isKnown)
    setup.warn(
      `${engine} does not give the bytes that Node's own zlib gives: blobs differ from those made elsewhere`,
    )
  const how = { onWarning: setup.warn }
  const changes =
    request.form === 'overlay'
      ? diffOverlay({ upper: content, lowers, xattrs: setup.xattrs }, how)
      : diffTrees(lowers[0], content, how)
  const packed = await packChanges(changes, () => store.blobWriter(), {
    compress: { format: 'gzip' },
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  })
  const layer = packed === undefined ? { empty: true } : packed
  const encoding = usualEncoding(epoch === undefined ? {} : { epoch })
  store.putPacked(cacheKey, encoding, { type: 'layer', created, ...layer })
}
