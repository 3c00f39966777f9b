import type { Digest } from '@pipelayer/digest'
import type { CreationTime } from '@pipelayer/oci'
import { contentWith, type DoneStep, type ImportedStep } from '@pipelayer/step-cache'
import { keyOf } from '@pipelayer/steps'
import type { BaseImage } from './base-image.js'
import { envOf, type HistoryEntry, type ImageDocument } from './image-config.js'
import { Scope } from './scope.js'

/** A step of a chain. Its key is known before it is executed, and it is executed when somebody needs its result. */
export interface ChainStep {
  readonly cacheKey: Digest
  /** See {@link Chain.shared}. */
  readonly shared: Digest
  /** The chain that it was executed on. */
  readonly below: Chain
  readonly createdBy: string
  /** A linked step is executed on an empty root; this is the chain that it is then laid upon. */
  readonly onto?: Chain
  /** The imported cache that has it, if one does. */
  readonly imported?: ImportedStep
  /** Finds the step or executes it: once, however often this is called. */
  done(): Promise<DoneStep>
}

/** The file system that a stage has reached: a base, and the steps upon it, oldest first. */
export interface Chain {
  readonly base: BaseImage | undefined
  readonly steps: readonly ChainStep[]
  /**
   * Names the content: two chains of different content on this machine never have the same key. The key of the next
   * step is made from it.
   */
  readonly key: Digest
  /**
   * Names the inputs of the chain. It is the same on every machine, and does not depend on who executed the steps or
   * when.
   */
  readonly shared: Digest
  /** The chainID of its layers; empty if it has none; undefined until all its steps are packed. */
  readonly content: Digest | undefined
}

/** The fields that the config and the manifest of a cluster image have besides those of every image. */
export interface ConfigExtras {
  readonly fields: Readonly<Record<string, unknown>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** The state of a stage while it is planned. */
export interface StageState {
  readonly stage: number
  readonly doc: ImageDocument
  readonly scope: Scope
  chain: Chain
  /** How many entries of the history came with the base. */
  readonly inherited: number
  /** Steps by the position of their history entries. The times of those entries are known when the steps are done. */
  readonly timed: Map<number, ChainStep>
  /** Whether CMD was set in this stage: then a later ENTRYPOINT keeps it. */
  cmdSet: boolean
  /** Further fields of the config and the manifest; it is called when all steps are done. */
  extras?: () => Promise<ConfigExtras>
}

/** The chain of a base, or of `scratch`. */
export function baseChain(base: BaseImage | undefined, time: CreationTime): Chain {
  const chainID = base?.layers.at(-1)?.chainID
  const key = keyOf('', {
    base: chainID ?? 'scratch',
    ...(time.epoch === undefined ? {} : { epoch: time.epoch }),
  })
  return { base, steps: [], key, shared: key, content: chainID ?? '' }
}

/** Lays a linked step upon a chain. The step was planned on an empty root, as the only step of the chain `alone`. */
export function laidUpon(
  below: Chain,
  step: ChainStep,
  alone: Chain,
): { readonly chain: Chain; readonly step: ChainStep } {
  const linked = { ...step, onto: below }
  const layer = alone.content
  const content = layer === '' ? below.content : contentWith(below.content, layer)
  return {
    step: linked,
    chain: {
      base: below.base,
      steps: [...below.steps, linked],
      key: keyOf(below.key, { linked: step.cacheKey }),
      shared: keyOf(below.shared, { linked: step.shared }),
      content,
    },
  }
}

/** The state of a stage that begins on a base. */
export function startStage(stage: number, doc: ImageDocument, chain: Chain): StageState {
  const scope = new Scope(envOf(doc.config))
  return { stage, doc, scope, chain, inherited: doc.history.length, timed: new Map(), cmdSet: false }
}

/**
 * The state of a stage that begins on another stage, with everything that the other had at its end, its ONBUILDs
 * included.
 */
export function continueStage(stage: number, parent: StageState): StageState {
  return {
    ...parent,
    stage,
    doc: structuredClone(parent.doc),
    scope: parent.scope.clone(),
    timed: new Map(parent.timed),
    cmdSet: false,
  }
}

export function addHistory(state: StageState, entry: HistoryEntry): number {
  state.doc.history.push(entry)
  return state.doc.history.length - 1
}
