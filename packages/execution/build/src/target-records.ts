import type { AnyRecord, SnapshotRecord } from '@pipelayer/records'
import type { BaseImage } from './base-image.js'
import { fillTimes, newest } from './history.js'
import type { BuildSetup } from './options.js'
import { layerFields } from './packed-step.js'
import type { ChainStep, StageState } from './stage-state.js'
import { contentDir } from './step-cache.js'
import { packedLayer } from './step-packing.js'
import { usualLayer } from './usual-layer.js'
import type { Workshop } from './workshop.js'

/**
 * The records of an image: `layer` for each layer of its base, then one for each step as soon as it is done, in order,
 * and `config` last.
 *
 * All steps are asked for at once: they are executed whether or not somebody has taken the records of those before.
 *
 * @param image - the key of the image in the stream
 */
export async function* targetRecords(
  state: StageState,
  {
    image,
    setup,
    workshop,
  }: { readonly image: string; readonly setup: BuildSetup; readonly workshop: Workshop },
): AsyncGenerator<AnyRecord, void> {
  const { chain, timed, doc } = state
  for (const step of chain.steps) void step.done().catch(() => {})
  yield* baseRecords(chain.base, image)
  const history = [...doc.history]
  for (const [index, step] of timed) {
    const done = await workshop.done(step)
    const created = setup.time.fixed ? setup.time.created : done.created
    const entry = history[index]
    if (entry) history[index] = { created, ...entry }
    yield await stepRecord(step, {
      meta: { image, index, createdBy: step.createdBy, created },
      setup,
      workshop,
    })
  }
  const filled = fillTimes(history, state.inherited, setup.time.created)
  const extras = await state.extras?.()
  const config = {
    ...doc,
    ...extras?.fields,
    created: newest(filled) ?? setup.time.created,
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
 * What goes down the pipe for a step: the layer it was packed into, else where its changes lie and on what. Those of an
 * ordinary user are packed here: others' files in them can only be read where they were made.
 */
async function stepRecord(
  step: ChainStep,
  {
    meta,
    setup,
    workshop,
  }: {
    readonly meta: Pick<SnapshotRecord, 'image' | 'index' | 'createdBy' | 'created'>
    readonly setup: BuildSetup
    readonly workshop: Workshop
  },
): Promise<AnyRecord> {
  const { cacheKey } = await step.done()
  const { caller, snapshots } = setup
  const known = snapshots
    ? undefined
    : caller.kind === 'user'
      ? await packedLayer(step, { setup, workshop })
      : usualLayer(workshop.cache.packed(cacheKey), setup.time)
  if (known) {
    const { image, createdBy, created } = meta
    const fields = layerFields(known.packed)
    const path = known.packed.blob && { path: setup.store.blobPath(known.packed.blob.digest) }
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
  const folder = await workshop.trees.folder(step)
  const lowers = await workshop.trees.lowers(step.below)
  const [before] = lowers
  // Whoever reads it in the namespace itself does not need it, but may read it elsewhere.
  const idMap = caller.kind === 'root' ? {} : { idMap: caller.idMap }
  const where =
    folder.form === 'overlay'
      ? { lowers, upper: contentDir(folder), xattrs: caller.kind === 'root' ? 'trusted' : 'user' }
      : { ...(before === undefined ? {} : { before }), after: contentDir(folder) }
  return { type: 'snapshot', ...meta, ...where, ...idMap, cacheKey }
}
