import type { BuildSetup } from './options.js'
import type { ChainStep } from './stage-state.js'
import { contentDir } from './step-cache.js'
import { type EncodedLayer, usualLayer } from './usual-layer.js'
import type { Workshop } from './workshop.js'

/**
 * The layer of a step: as it was packed before, else packed now, by the executor. Nothing where the step is not here, or
 * only as a layer that was packed another way.
 *
 * @throws {ToolError} those of packing
 */
export async function packedLayer(
  step: ChainStep,
  { setup, workshop }: { readonly setup: BuildSetup; readonly workshop: Workshop },
): Promise<EncodedLayer | undefined> {
  const { cache, trees } = workshop
  const { cacheKey } = step
  const known = usualLayer(cache.packed(cacheKey), setup.time)
  if (known) return known
  const found = cache.find(cacheKey)
  if (found?.folder === undefined) return undefined
  const lowers = await trees.lowers(step.below)
  const { executor } = await trees.start()
  const { epoch } = setup.time
  await executor.ask({
    op: 'pack',
    store: setup.store.root,
    cacheKey,
    created: found.created,
    lowers,
    content: contentDir(found.folder),
    form: found.folder.form,
    ...(epoch === undefined ? {} : { epoch }),
  })
  return usualLayer(cache.packed(cacheKey), setup.time)
}
