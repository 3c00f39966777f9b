/**
 * kf-run: executes the instructions of a Dockerfile, step by step.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { kubefileRecords } from '@pipelayer/cluster-build'
import { formatPlatform, type Platform } from '@pipelayer/oci'
import { openPlace, type Place } from '@pipelayer/places'
import { checkRules, unusedBuildArgs } from '@pipelayer/planning'
import type { AnyRecord, InstructionRecord } from '@pipelayer/records'
import { exportCache, type Listener, StepScheduler, StepTrees, targetRecords } from '@pipelayer/scheduler'
import { StepImports } from '@pipelayer/step-cache'
import { type ImagePlanner, plannerOf } from './image-planner.js'
import type { KfRunOptions } from './options.js'
import { type PreparedBuild, prepareBuild } from './prepare.js'

export type { KfRunOptions } from './options.js'

/** The runtimes that `--runtime` names. */
export const RUNTIMES = ['auto', 'runc', 'crun', 'chroot'] as const
/** The values of `--overlays`. */
export const OVERLAYS = ['auto', 'kernel', 'fuse', 'none'] as const
export const NETWORKS = ['host', 'none', 'default'] as const

/** The least number of steps at a time. With fewer, stages that wait for the network would hold up the others. */
const LEAST_PARALLEL = 4

/**
 * Executes the instructions of a Dockerfile or a Kubefile. For each platform it yields the `layer` records of the base,
 * a `snapshot` (or the `layer` that is known) for every step that makes a layer, as soon as it is done, and at last the
 * `config`. Records that are no instructions pass through first.
 *
 * Nothing is executed before the input is complete. Finished steps stay in the store as the cache; when the generator
 * ends, for whatever reason, unfinished steps, their mounts and their containers are removed.
 *
 * @throws {ToolError} see {@link makePlan}, `RUN_FAILED`, `NOT_FOUND`, and those of places and stores
 */
export async function* kfRun(
  records: AsyncIterable<AnyRecord>,
  options: KfRunOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const instructions: InstructionRecord[] = []
  for await (const record of records) {
    if (record.type === 'instruction') instructions.push(record as InstructionRecord)
    else yield record
  }
  const { build, cluster, registries, steps, env } = options
  const wanted = { target: build?.target, ...cluster, ...registries, executor: steps.executor, env }
  const makePlanner = plannerOf(instructions, wanted)
  const prepared = prepareBuild(options, instructions[0]?.source.file)
  const [first] = prepared.platforms
  if (first !== undefined && kubefileRecords(instructions) === undefined)
    checkRules(instructions, prepared.buildArgs, formatPlatform(first))
  const { imports, scheduler } = await openSteps(prepared, options)
  try {
    const planners = prepared.platforms.map(platform => makePlanner({ prepared, platform, scheduler }))
    yield* images(planners, { prepared, scheduler, options })
    const chains = await Promise.all(planners.map(planner => planner.chains()))
    const { info } = listenerOf(options)
    await exportCache(chains.flat(), {
      names: options.cache?.to ?? [],
      open: opener(prepared),
      scheduler,
      info,
    })
    warnOfUnused(planners, options)
  } finally {
    await scheduler.close()
    prepared.temp.close()
    await imports.close()
  }
}

/** Opens the caches of other machines, and the scheduler that finds and executes steps. */
async function openSteps(
  prepared: PreparedBuild,
  options: KfRunOptions,
): Promise<{ readonly imports: StepImports; readonly scheduler: StepScheduler }> {
  const { store, cache, time, caller } = prepared
  const { signal, env } = options
  const say = listenerOf(options)
  const names = options.cache?.from ?? []
  const imports = await StepImports.open({
    names,
    open: opener(prepared),
    store,
    time,
    signal,
    warn: say.warn,
  })
  const { executor: script, runtime = 'auto', overlays = 'auto' } = options.steps
  const trees = new StepTrees({
    store,
    cache,
    executor: { script, runtime, overlays, env, caller, signal },
    say,
  })
  const parallel = options.steps.parallel ?? Math.max(LEAST_PARALLEL, availableParallelism())
  const nonce = options.cache?.isOff ? { nonce: randomBytes(16).toString('hex') } : {}
  const scheduler = new StepScheduler({
    store,
    cache,
    trees,
    imports,
    time,
    parallel,
    ...nonce,
    info: say.info,
  })
  return { imports, scheduler }
}

function opener({ store, sources }: PreparedBuild): (name: string) => Place {
  return name => openPlace(name, { ...sources.places, store: store.root })
}

function listenerOf({ say }: KfRunOptions): Listener {
  return {
    info: message => say?.info?.(message),
    warn: message => say?.warn?.(message),
    output: (from, lines) => say?.output?.(from, lines),
  }
}

// All images are built from the start; their records come image by image.
async function* images(
  planners: readonly ImagePlanner[],
  {
    prepared: { sources, caller, platforms },
    scheduler,
    options,
  }: { readonly prepared: PreparedBuild; readonly scheduler: StepScheduler; readonly options: KfRunOptions },
): AsyncGenerator<AnyRecord> {
  const snapshots = options.cache?.snapshots ?? false
  const { warn } = listenerOf(options)
  const planned = await Promise.all(planners.map(planner => planner.target()))
  sources.files.save()
  for (const { chain } of planned) for (const step of chain.steps) void step.done().catch(() => {})
  for (const [index, state] of planned.entries()) {
    warnOfPlatform(state.doc, platforms[index], warn)
    yield* targetRecords(state, { image: String(index + 1), scheduler, caller, snapshots })
  }
}

// This happens with FROM --platform, or if an index names a manifest for another platform than that of its config.
function warnOfPlatform(
  { os, architecture }: Pick<Platform, 'os' | 'architecture'>,
  wanted: Platform | undefined,
  warn: Listener['warn'],
): void {
  if (wanted === undefined || (os === wanted.os && architecture === wanted.architecture)) return
  warn(`the image for ${formatPlatform(wanted)} is ${os}/${architecture}, as its base is`)
}

function warnOfUnused(planners: readonly ImagePlanner[], options: KfRunOptions): void {
  const [first, ...rest] = planners.map(({ outer }) => unusedBuildArgs(outer))
  const unused = (first ?? []).filter(name => rest.every(names => names.includes(name)))
  if (unused.length > 0) options.say?.warn?.(`no ARG took --build-arg ${unused.join(', ')}`)
}
