import { type Digest, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { CreationTime } from '@pipelayer/oci'
import { limitTo } from '@pipelayer/places'
import {
  baseChain,
  type Chain,
  type ChainStep,
  laidUpon,
  type StepPlanner,
  type WantedStep,
} from '@pipelayer/planning'
import {
  contentWith,
  type DoneStep,
  type ImportedStep,
  type StepCache,
  type StepImports,
  usualLayer,
} from '@pipelayer/step-cache'
import { keyOf } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'
import type { StepTrees } from './step-trees.js'

/** What a build's steps are found and executed with. */
export interface SchedulerOptions {
  readonly store: Store
  readonly cache: StepCache
  readonly trees: StepTrees
  readonly imports: StepImports
  readonly time: CreationTime
  /** Steps executed at the same time, where they do not need each other. */
  readonly parallel: number
  /** Makes every key a new one, so that every step is executed anew. */
  readonly nonce?: string
  readonly info: (message: string) => void
}

/**
 * The steps of a build: from the cache of the store, from one that was imported, else executed, once somebody needs
 * them. Steps that do not lie on each other are executed at the same time.
 */
export class StepScheduler implements StepPlanner {
  readonly store: Store
  readonly cache: StepCache
  readonly trees: StepTrees
  readonly time: CreationTime
  readonly #options: SchedulerOptions
  readonly #turn: ReturnType<typeof limitTo>
  /** What the chains of this build are called on other machines. */
  readonly #shared = new Map<Digest, Digest>()
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
    this.#failure = new Promise((_, reject) => {
      this.#fail = reject
    })
    this.#failure.catch(() => {})
  }

  /** A chain with one more step, which is not executed yet. */
  plan(below: Chain, wanted: WantedStep): { readonly chain: Chain; readonly step: ChainStep } {
    if (wanted.layer.linked !== true) return this.#plan(below, wanted)
    const alone = this.#plan(baseChain(undefined, this.time), wanted)
    const laid = laidUpon(below, alone.step, alone.chain)
    this.#shared.set(laid.chain.key, laid.chain.shared)
    return laid
  }

  #plan(below: Chain, wanted: WantedStep): { readonly chain: Chain; readonly step: ChainStep } {
    const { layer } = wanted
    const { nonce } = this.#options
    const shared = keyOf(below.shared, this.#sharedForm(layer.key))
    const plainKey = keyOf(below.key, layer.key)
    // A first step of a key never used makes all that follow new too: their keys begin with it.
    const isNew = nonce !== undefined && below.steps.length === 0
    const key = isNew ? keyOf(below.key, { ...layer.key, nonce }) : plainKey
    const step = { shared, below, createdBy: layer.createdBy }
    const known = this.#cached(key, wanted)
    if (known) return this.#extended({ ...step, cacheKey: known.cacheKey, done: async () => known })
    const imported = nonce === undefined ? this.#options.imports.find(shared, below.content) : undefined
    if (imported) return this.#extended({ ...step, ...this.#imported(below, wanted, imported) })
    // Stages and platforms may have steps in common: each is executed once.
    const execute = (): Promise<DoneStep> => this.#execute(below, wanted, { key, plainKey })
    const done = this.#missing.get(key) ?? this.#memo(execute, wanted)
    this.#missing.set(key, done)
    return this.#extended({ ...step, cacheKey: key, done })
  }

  /** What a step gives, or the first thing that went wrong in the build. */
  async done(step: ChainStep): Promise<DoneStep> {
    return await Promise.race([step.done(), this.#failure])
  }

  /** Ends what is under way, and waits for it. */
  async close(): Promise<void> {
    await this.trees.close()
  }

  #cached(key: Digest, { title }: WantedStep): DoneStep | undefined {
    const known = this.cache.find(key)
    if (known) this.#options.info(`${title} (cached)`)
    return known
  }

  // Under a key of its own: what a cache says is believed by the builds that ask that cache, by no others.
  #imported(
    below: Chain,
    wanted: WantedStep,
    imported: ImportedStep,
  ): Pick<ChainStep, 'cacheKey' | 'imported' | 'done'> {
    const { diffID = '', blob } = imported.packed
    // The digest is proven when it is fetched, the diffID only when it is unpacked: both say what it is.
    const key = keyOf(below.key, { ...wanted.layer.key, imported: [diffID, blob?.digest ?? 'empty'] })
    const here = this.cache.find(key)
    this.#options.info(`${wanted.title} (cached in ${imported.name})`)
    const fetch = async (): Promise<DoneStep> => {
      if (here) return here
      await imported.fetch()
      this.cache.keepPacked(key, imported.encoding, imported.packed)
      return { cacheKey: key, created: imported.packed.created }
    }
    return { cacheKey: key, imported, done: this.#memo(fetch, wanted) }
  }

  #extended(step: ChainStep): { readonly chain: Chain; readonly step: ChainStep } {
    const { below, cacheKey, shared, imported } = step
    const packed = imported?.packed ?? usualLayer(this.cache.packed(cacheKey), this.time)?.packed
    const content =
      packed?.blob === undefined ? packed && below.content : contentWith(below.content, packed.diffID)
    this.#shared.set(cacheKey, shared)
    return {
      step,
      chain: { base: below.base, steps: [...below.steps, step], key: cacheKey, shared, content },
    }
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
      // Whoever waits for it hears of it; that nobody may yet is no accident.
      done.catch(() => {})
      return done
    }
  }

  async #execute(
    below: Chain,
    { layer, title, place, check }: WantedStep,
    { key, plainKey }: { readonly key: Digest; readonly plainKey: Digest },
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

  // Names of trees in a key are exchanged for those that every machine knows them by.
  #sharedForm(key: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const exchange = (_: string, value: unknown): unknown =>
      typeof value === 'string' && isDigest(value) ? (this.#shared.get(value) ?? value) : value
    return JSON.parse(JSON.stringify(key, exchange)) as Record<string, unknown>
  }
}

function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof ToolError) || error.code !== 'RUN_FAILED') return error
  return new ToolError(error.code, `${error.message}; ${hint}`, { cause: error, status: error.status })
}
