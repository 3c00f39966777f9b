import fs from 'node:fs'
import path from 'node:path'
import { attempt, ToolError } from '@pipelayer/errors'
import { authorizedList } from '@pipelayer/image-references'
import { formatPlatform } from '@pipelayer/oci'
import { readRegular } from '@pipelayer/sys'
import { addStep } from './add-step.js'
import { findProgram } from './find-program.js'
import type { LayerStep } from './layer-step.js'
import type { BuildSetup } from './options.js'
import type { Chain, StageState } from './stage-state.js'
import type { Workshop } from './workshop.js'

/** `imageListWithAuth.yaml` of the context: images, and the credentials for them. */
export const IMAGE_LIST = 'imageListWithAuth.yaml'

/** Bytes, as kf-images has them. */
const MAX_LIST_BYTES = 16 * 1024 * 1024

/** Puts the last step upon a cluster image, unless its images are not wanted. It is of no instruction of the file. */
export async function addImagesStep(state: StageState, setup: BuildSetup, workshop: Workshop): Promise<void> {
  if (setup.bareImages) return
  const layer = await imagesStep(setup, state.chain)
  const title = layer.createdBy
  addStep(state, workshop, { layer, title, place: title, located: error => error })
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
async function imagesStep(setup: BuildSetup, chain: Chain): Promise<LayerStep> {
  const context = setup.context && (await setup.folders.open(setup.context))
  const list = context && path.join(context.dir, IMAGE_LIST)
  const hasList = list !== undefined && fs.existsSync(list)
  const platform = formatPlatform(setup.platform)
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
      plainHttp: setup.places.plainHttp,
      programs: {
        'kf-images': programOf('kf-images', setup),
        'img-pull': programOf('img-pull', setup),
        'blob-put': programOf('blob-put', setup),
      },
    }),
  }
}

function programOf(name: string, { executor, places }: BuildSetup): string[] {
  const beside = path.resolve(path.dirname(executor), '../..', name, 'dist/cli.cjs')
  if (fs.existsSync(beside)) return [process.execPath, beside]
  const found = findProgram(name, places.env.PATH)
  if (found !== undefined) return [found]
  throw new ToolError('PROGRAM_MISSING', `a cluster image needs the program ${name}: it is not on PATH`)
}
