import type { Digest } from '@pipelayer/digest'
import type { CreationTime } from '@pipelayer/oci'
import { contentWith, type DoneStep, type ImportedStep } from '@pipelayer/step-cache'
import { keyOf } from '@pipelayer/steps'
import type { BaseImage } from './base-image.js'
import { envOf, type HistoryEntry, type ImageDocument } from './image-config.js'
import { Scope } from './scope.js'

/** A step of a chain: known by its key before it is executed, which it is when somebody needs what it makes. */
export interface ChainStep {
  readonly cacheKey: Digest
  /** See {@link Chain.shared}. */
  readonly shared: Digest
  /** What it was executed on. */
  readonly below: Chain
  readonly createdBy: string
  /** A linked step is executed on an empty root; this is the chain that it is then laid upon. */
  readonly onto?: Chain
  /** Where a cache has it that was imported. */
  readonly imported?: ImportedStep
  /** Finds it or executes it: once, whoever asks and how often. */
  done(): Promise<DoneStep>
}

/** The file system that a stage reaches: a base, and steps upon it, oldest first. */
export interface Chain {
  readonly base: BaseImage | undefined
  readonly steps: readonly ChainStep[]
  /** Names the content: chains of different content never share it here. The key of the next step begins with it. */
  readonly key: Digest
  /** Names what it is made of, on every machine the same, whoever executed it and when. */
  readonly shared: Digest
  /** The chainID of its layers, empty where it has none; undefined before all its steps are packed. */
  readonly content: Digest | undefined
}

/** What a cluster image says in its config besides what every image says, and in its manifest. */
export interface ConfigExtras {
  readonly fields: Readonly<Record<string, unknown>>
  readonly annotations?: Readonly<Record<string, string>>
}

/** A stage while it is planned. */
export interface StageState {
  readonly stage: number
  readonly doc: ImageDocument
  readonly scope: Scope
  chain: Chain
  /** Entries of the history that came with the base. */
  readonly inherited: number
  /** Steps by the place of their history entry: what is to be filled in there is known when they are done. */
  readonly timed: Map<number, ChainStep>
  /** CMD was set in this stage: a later ENTRYPOINT leaves it. */
  cmdSet: boolean
  /** What else the config and the manifest say, asked for when all steps are done. */
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

/** A chain with a step laid upon it that was planned on nothing, as the only one of `alone`. */
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

/** A stage on a base. */
export function startStage(stage: number, doc: ImageDocument, chain: Chain): StageState {
  const scope = new Scope(envOf(doc.config))
  return { stage, doc, scope, chain, inherited: doc.history.length, timed: new Map(), cmdSet: false }
}

/** A stage on another: all that it had at its end, its ONBUILDs included. */
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
