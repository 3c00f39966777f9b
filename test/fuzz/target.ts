/**
 * Targets of fuzzing, and their cases: a seed chooses an input of the corpus and its mutation.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { Random } from './random.js'

/** Mutates an input; `others` are the rest of the corpus, to splice with. The input itself is not changed. */
export type Mutator = (input: Buffer, random: Random, others: readonly Buffer[]) => Buffer

export interface Target {
  readonly name: string
  readonly corpus: readonly Buffer[]
  readonly mutators: readonly Mutator[]
  /**
   * Runs the code on one input, in a way that `random` decides.
   *
   * @throws any error, for a finding: the code did something forbidden, or broke a promise
   */
  run(input: Buffer, random: Random): void | Promise<void>
}

/** Inputs stay small, in bytes: problems that grow with the input show in small inputs too. */
const MAX_INPUT = 1 << 18
const MAX_MUTATIONS = 6
/** A seed of its own for the choices inside `run`, so that they stay the same when the input is minimised. */
const RUN_SEED = 0x5eed

/** The input of a case. */
export function inputOf(target: Target, seed: number): Buffer {
  const random = new Random(seed)
  let input = random.pick(target.corpus)
  for (let count = random.below(MAX_MUTATIONS + 1); count > 0; count--)
    input = random.pick(target.mutators)(input, random, target.corpus).subarray(0, MAX_INPUT)
  return Buffer.from(input)
}

/** Runs an input as the case `seed` does, and returns what it found. */
export async function findingOf(target: Target, seed: number, input: Buffer): Promise<Error | undefined> {
  try {
    await target.run(input, new Random(seed ^ RUN_SEED))
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(`threw ${String(error)}`)
  }
}

/** The result of `work`; undefined if it threw a ToolError, which means that the input was refused. */
export async function refusable<T>(work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (isRefusal(error)) return undefined
    throw error
  }
}

/** The code of the error that `work` throws, or its result as text. Two ways of reading must agree in it. */
export async function outcomeOf(work: () => string | Promise<string>): Promise<string> {
  try {
    return await work()
  } catch (error) {
    if (isRefusal(error)) return error.code
    throw error
  }
}

/**
 * Whether an error is a proper refusal. Status 75 would tell the user to try again, and a code of Node (`ERR_...`)
 * explains nothing, so neither is an answer to a broken input.
 */
function isRefusal(error: unknown): error is ToolError {
  return error instanceof ToolError && error.status !== 75 && !error.code.startsWith('ERR_')
}

/** @throws Error with both sides, shortened, if they differ */
export function same(what: string, a: string, b: string): void {
  if (a === b) return
  let at = 0
  while (a[at] === b[at]) at++
  const from = Math.max(0, at - 60)
  throw new Error(`${what}: ${a.slice(from, at + 200)} <> ${b.slice(from, at + 200)}`)
}

/** The input in chunks of random sizes. */
export async function* chunks(input: Buffer, random: Random): AsyncGenerator<Buffer, void, void> {
  const longest = 1 << random.below(18)
  // Many tiny chunks of a large input would only cost time.
  const shortest = Math.max(1, input.length >> 12)
  for (let at = 0; at < input.length; ) {
    const size = shortest + random.below(longest)
    yield Buffer.from(input.subarray(at, at + size))
    at += size
  }
}
