import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { formatPlatform } from '@pipelayer/oci'
import type { LayerStep } from './layer-step.js'
import type { BuildSetup } from './options.js'
import type { Chain } from './stage-state.js'

/** `imageListWithAuth.yaml` of the context: images, and the credentials for them. */
export const IMAGE_LIST = 'imageListWithAuth.yaml'

/**
 * The last step of a cluster image: the container images that its own layers name come into its registry. The layer of
 * what they and other last changes bring is `BASE rootfs cache`, as sealer calls it.
 */
export async function imagesStep(setup: BuildSetup, chain: Chain): Promise<LayerStep> {
  const context = setup.context && (await setup.folders.open(setup.context))
  const list = context && path.join(context.dir, IMAGE_LIST)
  const hasList = list !== undefined && fs.existsSync(list)
  const platform = formatPlatform(setup.platform)
  const key = {
    kind: 'images',
    platform,
    // Without the credentials: who asks does not change what comes.
    ...(hasList ? { list: namesIn(list) } : {}),
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

/** The lines that are no credentials. */
function namesIn(list: string): string[] {
  return fs
    .readFileSync(list, 'utf8')
    .split('\n')
    .filter(line => !/^[\s-]*(username|password)\s*:/.test(line))
}

function programOf(name: string, { executor, places }: BuildSetup): string[] {
  const beside = path.resolve(path.dirname(executor), '../..', name, 'dist/cli.cjs')
  if (fs.existsSync(beside)) return [process.execPath, beside]
  const dirs = (places.env.PATH ?? '').split(':').filter(dir => path.isAbsolute(dir))
  const found = dirs.map(dir => path.join(dir, name)).find(file => fs.existsSync(file))
  if (found !== undefined) return [found]
  throw new ToolError('PROGRAM_MISSING', `a cluster image needs the program ${name}: it is not on PATH`)
}
