import fs from 'node:fs'
import path from 'node:path'
import { attempt } from '@pipelayer/errors'
import { formatPlatform } from '@pipelayer/oci'
import { addStep, type Chain, type LayerStep, type StageState } from '@pipelayer/planning'
import { readRegular } from '@pipelayer/sys'
import { authorizedList } from '@pipelayer/workload-images'
import type { ClusterRequest } from './cluster-request.js'

/** The file `imageListWithAuth.yaml` of the context, which holds images and the credentials for them. */
export const IMAGE_LIST = 'imageListWithAuth.yaml'

/** The largest size of that file in bytes, as in kf-images. */
const MAX_LIST_BYTES = 16 * 1024 * 1024

/**
 * Adds the last step to a cluster image, unless its container images are not wanted. No instruction of the file stands
 * for this step.
 */
export async function addImagesStep(state: StageState, request: ClusterRequest): Promise<void> {
  if (request.cluster.bareImages) return
  const layer = await imagesStep(request, state.chain)
  const title = layer.createdBy
  addStep(state, request.steps, { layer, title, place: title, located: error => error })
}

// Reads the list of images. It lies in the context, which may belong to any user.
function listText(file: string): string {
  return attempt(`read "${file}"`, () =>
    readRegular(file, MAX_LIST_BYTES, { noFollow: true }).toString('utf8'),
  )
}

/**
 * The last step of a cluster image puts the container images that its own layers name into its registry. sealer's name
 * for the layer of these and other last changes is `BASE rootfs cache`.
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
    // The key has no credentials, because the images do not depend on who asks for them.
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
