import type { Caller } from '@pipelayer/containers'
import { type BaseImage, type ChainStep, fillTimes, newest, type StageState } from '@pipelayer/planning'
import type { AnyRecord, SnapshotRecord } from '@pipelayer/records'
import { contentDir, layerFields, usualLayer } from '@pipelayer/step-cache'
import { packedLayer } from './step-packing.js'
import type { StepScheduler } from './step-scheduler.js'

/** The image, and the form in which its steps are written as records. */
export interface RecordsRequest {
  /** The key of the image in the stream. */
  readonly image: string
  readonly scheduler: StepScheduler
  readonly caller: Caller
  /** Write each step as a snapshot, even if it is packed already. */
  readonly snapshots: boolean
}

/**
 * The records of an image: `layer` for each layer of its base, then one for each step as soon as it is done, in order,
 * and `config` last.
 *
 * All steps are asked for at once, so they are executed even while the reader has not taken the records of earlier
 * steps.
 */
export async function* targetRecords(
  state: StageState,
  request: RecordsRequest,
): AsyncGenerator<AnyRecord, void> {
  const { image, scheduler } = request
  const { time } = scheduler
  const { chain, timed, doc } = state
  for (const step of chain.steps) void step.done().catch(() => {})
  yield* baseRecords(chain.base, image)
  const history = [...doc.history]
  for (const [index, step] of timed) {
    const done = await scheduler.done(step)
    const created = time.fixed ? time.created : done.created
    const entry = history[index]
    if (entry) history[index] = { created, ...entry }
    yield await stepRecord(step, { image, index, createdBy: step.createdBy, created }, request)
  }
  const filled = fillTimes(history, state.inherited, time.created)
  const extras = await state.extras?.()
  const config = {
    ...doc,
    ...extras?.fields,
    created: newest(filled) ?? time.created,
    history: filled,
  }
  const manifestAnnotations = extras?.annotations
  yield { type: 'config', image, config, ...(manifestAnnotations ? { manifestAnnotations } : {}) }
}

function* baseRecords(base: BaseImage | undefined, image: string): Generator<AnyRecord> {
  for (const { descriptor, diffID, path, from } of base?.layers ?? []) {
    const { mediaType, digest, size } = descriptor
    yield { type: 'layer', image, mediaType, digest, size, diffID, path, ...(from ? { from } : {}) }
  }
}

/**
 * The record of a step: the layer that it was packed into, or else a snapshot with its directories and those below it.
 * Steps of an ordinary user are packed first, because files of other ids can only be read in the user namespace where
 * they were made.
 */
async function stepRecord(
  step: ChainStep,
  meta: Pick<SnapshotRecord, 'image' | 'index' | 'createdBy' | 'created'>,
  { scheduler, caller, snapshots }: RecordsRequest,
): Promise<AnyRecord> {
  const { cacheKey } = await step.done()
  const known = snapshots
    ? undefined
    : caller.kind === 'user'
      ? await packedLayer(step, scheduler)
      : usualLayer(scheduler.cache.packed(cacheKey), scheduler.time)
  if (known) {
    const { image, createdBy, created } = meta
    const fields = layerFields(known.packed)
    const path = known.packed.blob && { path: scheduler.store.blobPath(known.packed.blob.digest) }
    return {
      type: 'layer',
      image,
      createdBy,
      created,
      cacheKey,
      ...fields,
      ...path,
      encoding: known.encoding,
    }
  }
  const folder = await scheduler.trees.folder(step)
  const lowers = await scheduler.trees.lowers(step.below)
  const [before] = lowers
  // A reader in the same namespace does not need the id map, but the records may be read elsewhere.
  const idMap = caller.kind === 'root' ? {} : { idMap: caller.idMap }
  const where =
    folder.form === 'overlay'
      ? { lowers, upper: contentDir(folder), xattrs: caller.kind === 'root' ? 'trusted' : 'user' }
      : { ...(before === undefined ? {} : { before }), after: contentDir(folder) }
  return { type: 'snapshot', ...meta, ...where, ...idMap, cacheKey }
}
