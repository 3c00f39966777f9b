import type { AnyRecord, InstructionRecord } from '@pipelayer/records'
import { Builder } from './builder.js'
import { type BuildOptions, prepareBuild } from './options.js'
import { makePlan } from './plan.js'
import { unusedBuildArgs } from './scope.js'
import { Workshop } from './workshop.js'

/**
 * Executes the instructions of a Dockerfile: `layer` records of the base, a `snapshot` (or a known `layer`) for every
 * step that makes a layer, as it is done, and the `config` last. Records that are no instructions go through first.
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
  const plan = makePlan(instructions, options.target)
  const setup = prepareBuild(options, instructions[0]?.source.file)
  const workshop = new Workshop(options, setup)
  const builder = new Builder(plan, setup, workshop)
  try {
    yield* builder.build()
    const unused = unusedBuildArgs(builder.outer)
    if (unused.length > 0) options.onWarning?.(`no ARG took --build-arg ${unused.join(', ')}`)
  } finally {
    await workshop.close()
    builder.close()
  }
}
