import { type Digest, isDigest } from '@pipelayer/digest'
import type { CreationTime } from '@pipelayer/oci'
import { contentWith, type DoneStep, type ImportedStep, type PackedStep } from '@pipelayer/step-cache'
import { keyOf } from '@pipelayer/steps'
import { baseChain, type Chain, type ChainStep, laidUpon } from './stage-state.js'
import type { PlannedStep, StepPlanner, WantedStep } from './step-planner.js'

/** The steps that were executed before, here and on other machines. */
export interface KnownSteps {
  /** The step of a key, in the store. */
  find(key: Digest): DoneStep | undefined
  /** The layer that the step of a key was packed into, if it was. */
  packed(key: Digest): PackedStep | undefined
  /** A step of an imported cache; `on` is the chainID of the layers below it, undefined where that is not known yet. */
  imported(shared: Digest, on: Digest | undefined): ImportedStep | undefined
}

/** How a step will be had: the store has it, an imported cache has it, or it has to be executed. */
export type StepOrigin =
  | { readonly kind: 'known'; readonly done: DoneStep }
  | { readonly kind: 'imported'; readonly cacheKey: Digest; readonly imported: ImportedStep }
  /** `plainKey` differs from `cacheKey` where every step is executed anew. */
  | { readonly kind: 'missing'; readonly cacheKey: Digest; readonly plainKey: Digest }

export interface StepKeyOptions {
  readonly time: CreationTime
  /** Makes every key a new one, so that every step is executed anew. */
  readonly nonce?: string | undefined
  readonly known: KnownSteps
  /**
   * Called once for each step that is planned. What it returns is called when somebody needs the step; nothing may be
   * executed or fetched before.
   */
  readonly obtain: (origin: StepOrigin, below: Chain, wanted: WantedStep) => () => Promise<DoneStep>
}

/**
 * Gives steps their keys. The key of a step is made of the key of the chain below it and of all that its instruction
 * depends on, so that it is known before anything is executed. A second key, `shared`, is the same on every machine: a
 * step of an imported cache is found by that one.
 */
export class StepKeys implements StepPlanner {
  readonly #options: StepKeyOptions
  /** By the names that chains have in this store, those that they have on every machine. */
  readonly #shared = new Map<Digest, Digest>()

  constructor(options: StepKeyOptions) {
    this.#options = options
  }

  plan(below: Chain, wanted: WantedStep): PlannedStep {
    if (wanted.layer.linked !== true) return this.#plan(below, wanted)
    const alone = this.#plan(baseChain(undefined, this.#options.time), wanted)
    const laid = laidUpon(below, alone.step, alone.chain)
    this.#shared.set(laid.chain.key, laid.chain.shared)
    return laid
  }

  #plan(below: Chain, wanted: WantedStep): PlannedStep {
    const { createdBy, key } = wanted.layer
    const shared = keyOf(below.shared, this.#sharedForm(key))
    const origin = this.#origin(below, shared, key)
    const cacheKey = origin.kind === 'known' ? origin.done.cacheKey : origin.cacheKey
    const imported = origin.kind === 'imported' ? { imported: origin.imported } : {}
    const done = this.#options.obtain(origin, below, wanted)
    return this.#extended({ shared, below, createdBy, cacheKey, ...imported, done })
  }

  #origin(below: Chain, shared: Digest, parts: WantedStep['layer']['key']): StepOrigin {
    const { nonce, known } = this.#options
    const plainKey = keyOf(below.key, parts)
    // A first step of a key never used makes all that follow new too: their keys begin with it.
    const isNew = nonce !== undefined && below.steps.length === 0
    const cacheKey = isNew ? keyOf(below.key, { ...parts, nonce }) : plainKey
    const done = known.find(cacheKey)
    if (done) return { kind: 'known', done }
    const imported = nonce === undefined ? known.imported(shared, below.content) : undefined
    if (imported === undefined) return { kind: 'missing', cacheKey, plainKey }
    // Under a key of its own: what a cache says is believed by the builds that ask that cache, by no others.
    // The digest is proven when it is fetched, the diffID only when it is unpacked: both say what it is.
    const { diffID = '', blob } = imported.packed
    const said = { imported: [diffID, blob?.digest ?? 'empty'] }
    return { kind: 'imported', cacheKey: keyOf(below.key, { ...parts, ...said }), imported }
  }

  #extended(step: ChainStep): PlannedStep {
    const { below, cacheKey, shared, imported } = step
    const packed = imported?.packed ?? this.#options.known.packed(cacheKey)
    const content =
      packed?.blob === undefined ? packed && below.content : contentWith(below.content, packed.diffID)
    this.#shared.set(cacheKey, shared)
    return {
      step,
      chain: { base: below.base, steps: [...below.steps, step], key: cacheKey, shared, content },
    }
  }

  // Names of trees in a key are exchanged for those that every machine knows them by.
  #sharedForm(key: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const exchange = (_: string, value: unknown): unknown =>
      typeof value === 'string' && isDigest(value) ? (this.#shared.get(value) ?? value) : value
    return JSON.parse(JSON.stringify(key, exchange)) as Record<string, unknown>
  }
}
