import fs from 'node:fs'
import path from 'node:path'
import { attempt } from '@pipelayer/errors'
import { formatPlatform } from '@pipelayer/oci'
import { addStep, type Chain, type LayerStep, type StageState } from '@pipelayer/planning'
import { readRegular } from '@pipelayer/sys'
import { authorizedList } from '@pipelayer/workload-images'
import type { ClusterRequest } from './cluster-request.js'

/** `imageListWithAuth.yaml` of the context: images, and the credentials for them. */
export const IMAGE_LIST = 'imageListWithAuth.yaml'

/** Bytes, as kf-images has them. */
const MAX_LIST_BYTES = 16 * 1024 * 1024

/** Puts the last step upon a cluster image, unless its images are not wanted. It is of no instruction of the file. */
export async function addImagesStep(state: StageState, request: ClusterRequest): Promise<void> {
  if (request.cluster.bareImages) return
  const layer = await imagesStep(request, state.chain)
  const title = layer.createdBy
  addStep(state, request.steps, { layer, title, place: title, located: error => error })
}

// It lies in the context, whoever that is of.
function listText(file: string): string {
  return attempt(`read "${file}"`, () =>
    readRegular(file, MAX_LIST_BYTES, { noFollow: true }).toString('utf8'),
  )
}

/**
 * The last step of a cluster image: the container images that its own layers name come into its registry. The layer of
 * what they and other last changes bring is `BASE rootfs cache`, as sealer calls it.
 */
async function imagesStep(request: ClusterRequest, chain: Chain): Promise<LayerStep> {
  const { cluster, sources } = request
  const context = await sources.folder()
  const list = context && path.join(context.dir, IMAGE_LIST)
  const hasList = list !== undefined && fs.existsSync(list)
  const platform = formatPlatform(request.platform)
  const key = {
    kind: 'images',
    platform,
    // Without the credentials: who asks does not change what comes.
    ...(hasList ? { list: authorizedList(listText(list), list).images.map(image => image.reference) } : {}),
  }
  return {
    createdBy: 'BASE rootfs cache',
    key,
    action: async locate => ({
      kind: 'images',
      fresh: await locate({ kind: 'chain', chain: { ...chain, base: undefined } }),
      ...(hasList ? { list } : {}),
      platform,
      ...cluster.registries,
    }),
  }
}
