import type { ChainStep } from '@pipelayer/planning'
import { contentDir, type EncodedLayer, usualLayer } from '@pipelayer/step-cache'
import type { StepScheduler } from './step-scheduler.js'

/**
 * The layer of a step: as it was packed before, else packed now, by the executor. Nothing where the step is not here, or
 * only as a layer that was packed another way.
 *
 * @throws {ToolError} those of packing
 */
export async function packedLayer(
  step: ChainStep,
  scheduler: StepScheduler,
): Promise<EncodedLayer | undefined> {
  const { cache, trees, store, time } = scheduler
  const { cacheKey } = step
  const known = usualLayer(cache.packed(cacheKey), time)
  if (known) return known
  const found = cache.find(cacheKey)
  if (found?.folder === undefined) return undefined
  const lowers = await trees.lowers(step.below)
  const { executor } = await trees.start()
  const { epoch } = time
  await executor.ask({
    op: 'pack',
    store: store.root,
    cacheKey,
    created: found.created,
    lowers,
    content: contentDir(found.folder),
    form: found.folder.form,
    ...(epoch === undefined ? {} : { epoch }),
  })
  return usualLayer(cache.packed(cacheKey), time)
}
