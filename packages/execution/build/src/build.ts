import { formatPlatform } from '@pipelayer/oci'
import type { AnyRecord, InstructionRecord } from '@pipelayer/records'
import { Builder } from './builder.js'
import { exportCache } from './cache-export.js'
import { ClassicBuilder } from './classic-builder.js'
import type { ImageDocument } from './image-config.js'
import { classicPlan, kubefileRecords } from './kubefile-plan.js'
import { NewerBuilder } from './newer-builder.js'
import { type BuildOptions, type BuildSetup, prepareBuild } from './options.js'
import { makePlan } from './plan.js'
import { checkRules } from './rule-check.js'
import { unusedBuildArgs } from './scope.js'
import { StepImports } from './step-imports.js'
import { targetRecords } from './target-records.js'
import { Workshop } from './workshop.js'

/**
 * Executes the instructions of a Dockerfile or a Kubefile: `layer` records of the base, a `snapshot` (or a known `layer`) for every
 * step that makes a layer, as it is done, and the `config` last; so for each platform. Records that are no instructions
 * go through first.
 *
 * Nothing is executed before the input is complete. Finished steps stay in the store as the cache; an unfinished one,
 * its mounts and its container go with the generator, however it ends.
 *
 * @throws {ToolError} see {@link makePlan}, `RUN_FAILED`, `NOT_FOUND`, and those of places and stores
 */
export async function* executeBuild(
  records: AsyncIterable<AnyRecord>,
  options: BuildOptions,
): AsyncGenerator<AnyRecord> {
  const instructions: InstructionRecord[] = []
  for await (const record of records) {
    if (record.type === 'instruction') instructions.push(record as InstructionRecord)
    else yield record
  }
  const makeBuilder = builderOf(instructions, options)
  const setups = prepareBuild(options, instructions[0]?.source.file)
  const [common] = setups
  if (common === undefined) return
  if (kubefileRecords(instructions) === undefined)
    checkRules(instructions, common.buildArgs, formatPlatform(common.platform))
  const imports = await StepImports.open(options, common)
  const workshop = new Workshop(options, common, imports)
  const builders = setups.map(setup => ({ setup, builder: makeBuilder(setup, workshop) }))
  try {
    yield* images(builders, workshop, options)
    const chains = await Promise.all(builders.map(({ builder }) => builder.chains()))
    await exportCache(chains.flat(), { options, setup: common, workshop })
    warnOfUnused(builders, options)
  } finally {
    await workshop.close()
    common.temp.close()
    await imports.close()
  }
}

/** What plans an image: of a Dockerfile, or of a Kubefile in one of its dialects. */
type ImageBuilder = Pick<Builder, 'outer' | 'target' | 'chains'>
type MakeBuilder = (setup: BuildSetup, workshop: Workshop) => ImageBuilder

function builderOf(instructions: readonly InstructionRecord[], options: BuildOptions): MakeBuilder {
  const kubefile = kubefileRecords(instructions)
  if (kubefile === undefined) {
    const plan = makePlan(instructions, options.target)
    return (setup, workshop) => new Builder(plan, setup, workshop)
  }
  if (kubefile[0]?.dialect === 'kubefile')
    return (setup, workshop) => new NewerBuilder(kubefile, setup, workshop)
  const plan = classicPlan(kubefile)
  return (setup, workshop) => new ClassicBuilder(plan, setup, workshop)
}

interface PlatformBuild {
  readonly setup: BuildSetup
  readonly builder: ImageBuilder
}

// All are under way before the first record of the first is taken; the records come image by image.
async function* images(
  builds: readonly PlatformBuild[],
  workshop: Workshop,
  { onWarning }: BuildOptions,
): AsyncGenerator<AnyRecord> {
  const planned = await Promise.all(builds.map(({ builder }) => builder.target()))
  builds[0]?.setup.files.save()
  for (const { chain } of planned) for (const step of chain.steps) void step.done().catch(() => {})
  for (const [index, state] of planned.entries()) {
    const setup = builds[index]?.setup
    if (!setup) continue
    warnOfPlatform(state.doc, setup, onWarning)
    yield* targetRecords(state, { image: String(index + 1), setup, workshop })
  }
}

// FROM --platform may say so, or an index that names a child for a platform that its config does not.
function warnOfPlatform(
  { os, architecture }: ImageDocument,
  { platform }: BuildSetup,
  onWarning: BuildOptions['onWarning'],
): void {
  if (os === platform.os && architecture === platform.architecture) return
  onWarning?.(`the image for ${formatPlatform(platform)} is ${os}/${architecture}, as its base is`)
}

function warnOfUnused(builds: readonly PlatformBuild[], options: BuildOptions): void {
  const [first, ...rest] = builds.map(({ builder }) => unusedBuildArgs(builder.outer))
  const unused = (first ?? []).filter(name => rest.every(names => names.includes(name)))
  if (unused.length > 0) options.onWarning?.(`no ARG took --build-arg ${unused.join(', ')}`)
}
