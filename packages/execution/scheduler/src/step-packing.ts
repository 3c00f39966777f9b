import type { ChainStep } from '@pipelayer/planning'
import { contentDir, type EncodedLayer, usualLayer } from '@pipelayer/step-cache'
import type { StepScheduler } from './step-scheduler.js'

/**
 * The layer of a step. If the step was not packed before, the executor packs it now. The result is undefined if the
 * store does not have the step, or has it only as a layer that was packed in another way.
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
