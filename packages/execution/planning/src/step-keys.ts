import { type Digest, isDigest } from '@pipelayer/digest'
import type { CreationTime } from '@pipelayer/oci'
import { contentWith, type DoneStep, type ImportedStep, type PackedStep } from '@pipelayer/step-cache'
import { keyOf } from '@pipelayer/steps'
import { baseChain, type Chain, type ChainStep, laidUpon } from './stage-state.js'
import type { PlannedStep, StepPlanner, WantedStep } from './step-planner.js'

/** The steps that were executed before, on this machine and on others. */
export interface KnownSteps {
  /** The step that the store has under a key. */
  find(key: Digest): DoneStep | undefined
  /** The layer that the step of a key was packed into, if it was packed. */
  packed(key: Digest): PackedStep | undefined
  /** A step of an imported cache; `on` is the chainID of the layers below it, or undefined if that is not known yet. */
  imported(shared: Digest, on: Digest | undefined): ImportedStep | undefined
}

/**
 * Where the result of a step comes from: the store has it, an imported cache has it, or the step has to be executed.
 */
export type StepOrigin =
  | { readonly kind: 'known'; readonly done: DoneStep }
  | { readonly kind: 'imported'; readonly cacheKey: Digest; readonly imported: ImportedStep }
  /** `plainKey` differs from `cacheKey` if every step is to be executed anew. */
  | { readonly kind: 'missing'; readonly cacheKey: Digest; readonly plainKey: Digest }

export interface StepKeyOptions {
  readonly time: CreationTime
  /** If set, it is part of every key, so that every step is executed anew. */
  readonly nonce?: string | undefined
  readonly known: KnownSteps
  /**
   * Is called once for each step that is planned. The function that it returns is called when somebody needs the step;
   * before that, nothing may be executed or fetched.
   */
  readonly obtain: (origin: StepOrigin, below: Chain, wanted: WantedStep) => () => Promise<DoneStep>
}

/**
 * Gives steps their keys. The key of a step is made of the key of the chain below it and of all that its instruction
 * depends on, so that it is known before anything is executed. A second key, `shared`, is the same on every machine:
 * steps of an imported cache are found by it.
 */
export class StepKeys implements StepPlanner {
  readonly #options: StepKeyOptions
  /** For the key that a chain has in this store, the key that it has on every machine. */
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
    // If the first step of a chain has a new key, all later steps have new keys too, because they are made from it.
    const isNew = nonce !== undefined && below.steps.length === 0
    const cacheKey = isNew ? keyOf(below.key, { ...parts, nonce }) : plainKey
    const done = known.find(cacheKey)
    if (done) return { kind: 'known', done }
    const imported = nonce === undefined ? known.imported(shared, below.content) : undefined
    if (imported === undefined) return { kind: 'missing', cacheKey, plainKey }
    // An imported step gets a key of its own, so that builds which do not use that cache do not trust its content. The
    // blob's digest is checked when it is fetched, the diffID only when it is unpacked, so both are part of the key.
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

  // Replaces the keys of trees that are part of a key by those that are the same on every machine.
  #sharedForm(key: Readonly<Record<string, unknown>>): Record<string, unknown> {
    const exchange = (_: string, value: unknown): unknown =>
      typeof value === 'string' && isDigest(value) ? (this.#shared.get(value) ?? value) : value
    return JSON.parse(JSON.stringify(key, exchange)) as Record<string, unknown>
  }
}
