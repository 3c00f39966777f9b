import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { CreationTime } from '@pipelayer/oci'
import { limitTo } from '@pipelayer/places'
import {
  type Chain,
  type ChainStep,
  type PlannedStep,
  StepKeys,
  type StepOrigin,
  type StepPlanner,
  type WantedStep,
} from '@pipelayer/planning'
import { type DoneStep, type StepCache, type StepImports, usualLayer } from '@pipelayer/step-cache'
import type { Store } from '@pipelayer/store'
import type { StepTrees } from './step-trees.js'

/** What the steps of a build are found and executed with. */
export interface SchedulerOptions {
  readonly store: Store
  readonly cache: StepCache
  readonly trees: StepTrees
  readonly imports: StepImports
  readonly time: CreationTime
  /** How many steps are executed at the same time, if they do not need each other. */
  readonly parallel: number
  /** If set, it is part of every key, so that every step is executed anew. */
  readonly nonce?: string
  readonly info: (message: string) => void
}

/**
 * Provides the results of a build's steps: from the cache of the store, from an imported cache, or by executing them
 * when somebody needs them. Steps that do not depend on each other are executed at the same time.
 */
export class StepScheduler implements StepPlanner {
  readonly store: Store
  readonly cache: StepCache
  readonly trees: StepTrees
  readonly time: CreationTime
  readonly #options: SchedulerOptions
  readonly #turn: ReturnType<typeof limitTo>
  readonly #keys: StepKeys
  readonly #missing = new Map<Digest, () => Promise<DoneStep>>()
  readonly #failure: Promise<never>
  #fail: (error: unknown) => void = () => {}

  constructor(options: SchedulerOptions) {
    this.#options = options
    this.store = options.store
    this.time = options.time
    this.cache = options.cache
    this.trees = options.trees
    this.#turn = limitTo(options.parallel)
    const { cache, time, nonce } = options
    this.#keys = new StepKeys({
      time,
      nonce,
      known: {
        find: key => cache.find(key),
        packed: key => usualLayer(cache.packed(key), time)?.packed,
        imported: (shared, on) => options.imports.find(shared, on),
      },
      obtain: (origin, below, wanted) => this.#obtain(origin, below, wanted),
    })
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failure.catch(() => {})
  }

  /** A chain with one more step, which is not executed yet. */
  plan(below: Chain, wanted: WantedStep): PlannedStep {
    return this.#keys.plan(below, wanted)
  }

  #obtain(origin: StepOrigin, below: Chain, wanted: WantedStep): () => Promise<DoneStep> {
    const { info } = this.#options
    if (origin.kind === 'known') {
      info(`${wanted.title} (cached)`)
      return async () => origin.done
    }
    if (origin.kind === 'imported') {
      info(`${wanted.title} (cached in ${origin.imported.name})`)
      return this.#memo(() => this.#fetch(origin), wanted)
    }
    // Stages and platforms may have steps in common, so each step is executed once.
    const execute = (): Promise<DoneStep> => this.#execute(below, wanted, origin)
    const done = this.#missing.get(origin.cacheKey) ?? this.#memo(execute, wanted)
    this.#missing.set(origin.cacheKey, done)
    return done
  }

  /** The result of a step, or the first error of the build. */
  async done(step: ChainStep): Promise<DoneStep> {
    return await Promise.race([step.done(), this.#failure])
  }

  /** Ends the steps that are executed, and waits for them. */
  async close(): Promise<void> {
    await this.trees.close()
  }

  async #fetch({
    cacheKey,
    imported,
  }: Extract<StepOrigin, { readonly kind: 'imported' }>): Promise<DoneStep> {
    const here = this.cache.find(cacheKey)
    if (here) return here
    await imported.fetch()
    this.cache.keepPacked(cacheKey, imported.encoding, imported.packed)
    return { cacheKey, created: imported.packed.created }
  }

  #memo(work: () => Promise<DoneStep>, { located, hint }: WantedStep): () => Promise<DoneStep> {
    let done: Promise<DoneStep> | undefined
    return () => {
      if (done) return done
      done = work().catch(error => {
        const found = located(hint === undefined ? error : withHint(error, hint))
        this.#fail(found)
        throw found
      })
      // The caller that needs the step gets the error. It is no unhandled rejection if no caller needs it yet.
      done.catch(() => {})
      return done
    }
  }

  async #execute(
    below: Chain,
    { layer, title, place, check }: WantedStep,
    { cacheKey: key, plainKey }: Extract<StepOrigin, { readonly kind: 'missing' }>,
  ): Promise<DoneStep> {
    check?.()
    const { executor, form } = await this.trees.start()
    const [lowers, action] = await Promise.all([
      this.trees.lowers(below),
      layer.action(tree => this.trees.locate(tree)),
    ])
    const named = action.kind === 'run' ? { ...action, place } : action
    const { created } = this.time
    const dir = this.cache.dir(key, form)
    await this.#turn(async () => {
      this.#options.info(title)
      await executor.ask({ op: 'step', lowers, dir, created, createdBy: layer.createdBy, action: named })
    })
    if (plainKey !== key) this.cache.replace(plainKey, key, form)
    const done = this.cache.find(key)
    if (!done)
      throw new ToolError('STEP_LOST', `the step ${key} is not in the store, although it was executed`)
    return done
  }
}

function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof ToolError) || error.code !== 'RUN_FAILED') return error
  return new ToolError(error.code, `${error.message}; ${hint}`, { cause: error, status: error.status })
}
