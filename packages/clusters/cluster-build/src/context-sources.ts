import type { Source, SourceFinder } from '@pipelayer/planning'
import type { ClusterSources } from './cluster-request.js'
import { IMAGE_LIST } from './images-step.js'
import { withoutClassic } from './sealer-base.js'

/**
 * The sources of a dialect that is built as a Dockerfile. `imageListWithAuth.yaml` of the context, which has passwords,
 * is left out of the image, and bases lose what the classic dialect wrote into their configs.
 */
export async function dockerfileSources(sources: ClusterSources): Promise<SourceFinder> {
  const folder = await sources.folder()
  const own = folder && sources.directory({ ...folder, ignore: [...folder.ignore, IMAGE_LIST] })
  return {
    has: name => sources.has(name),
    files: (name, platform) => sources.files(name, platform),
    image: async (name, platform) => withoutClassic(await sources.image(name, platform)),
    context: async (): Promise<Source> => own ?? (await sources.context()),
  }
}
