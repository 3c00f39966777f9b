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

/** The folders of a context of sealos that name container images. */
const IMAGE_FOLDERS = ['charts', 'images', 'manifests']

export interface ImagesStepOptions {
  /** Images that the context names come too, whether or not the file that names them is copied: the rule of sealos. */
  readonly scansContext?: boolean
}

/**
 * Adds the last step to a cluster image, unless its container images are not wanted. No instruction of the file stands
 * for this step.
 */
export async function addImagesStep(
  state: StageState,
  request: ClusterRequest,
  { scansContext = false }: ImagesStepOptions = {},
): Promise<void> {
  if (request.cluster.bareImages) return
  const named = scansContext ? await namingContext(request) : undefined
  const layer = await imagesStep(request, state.chain, named)
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
async function imagesStep(
  request: ClusterRequest,
  chain: Chain,
  named: NamingContext | undefined,
): Promise<LayerStep> {
  const { cluster, sources } = request
  const context = await sources.folder()
  const list = context && path.join(context.dir, IMAGE_LIST)
  const hasList = list !== undefined && fs.existsSync(list)
  const platform = formatPlatform(request.platform)
  const key = {
    kind: 'images',
    platform,
    // A lenient build may have left images out, which a strict one has to see.
    ...(cluster.strict ? { strict: true } : {}),
    // The key has no credentials, because the images do not depend on who asks for them.
    ...(hasList ? { list: authorizedList(listText(list), list).images.map(image => image.reference) } : {}),
    ...(named && { context: named.digest }),
  }
  return {
    createdBy: 'BASE rootfs cache',
    key,
    action: async locate => ({
      kind: 'images',
      fresh: await locate({ kind: 'chain', chain: { ...chain, base: undefined } }),
      ...(hasList ? { list } : {}),
      ...(named && { context: named.dir }),
      platform,
      ...(cluster.strict ? { strict: true } : {}),
      ...cluster.registries,
    }),
  }
}

/** A context with folders that name container images, and the digest of those folders. */
interface NamingContext {
  readonly dir: string
  readonly digest: string
}

/** Ignore files do not count, as for `sealos build`, which reads the folders before it begins to build. */
async function namingContext({ sources }: ClusterRequest): Promise<NamingContext | undefined> {
  const context = await sources.folder()
  if (context === undefined) return undefined
  const { dir } = context
  const folders = IMAGE_FOLDERS.filter(
    name => fs.lstatSync(path.join(dir, name), { throwIfNoEntry: false })?.isDirectory() === true,
  )
  if (folders.length === 0) return undefined
  const source = sources.directory({ ...context, ignore: [] })
  return { dir, digest: source.key({ sources: folders, parents: false, excludes: [] }) }
}
