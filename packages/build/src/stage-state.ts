import type { Digest } from '@pipelayer/digest'
import type { CreationTime } from '@pipelayer/oci'
import type { BaseImage } from './base-image.js'
import { keyOf } from './cache-key.js'
import { envOf, type HistoryEntry, type ImageDocument } from './image-config.js'
import { Scope } from './scope.js'

/** An executed step in the store. */
export interface DoneStep {
  /** Names the content: no two steps of different content share it. */
  readonly cacheKey: Digest
  /** Absolute: the folder that holds `upper` or `tree`. */
  readonly dir: string
  readonly form: 'overlay' | 'tree'
  readonly created: string
}

/** The file system that a stage has reached: a base, and steps upon it, oldest first. */
export interface Chain {
  readonly base: BaseImage | undefined
  readonly steps: readonly DoneStep[]
  /** Names the content: chains of different content never share it. The key of the next step begins with it. */
  readonly key: Digest
}

/** A stage while it is built. */
export interface StageState {
  readonly stage: number
  readonly doc: ImageDocument
  readonly scope: Scope
  chain: Chain
  /** Entries of the history that came with the base. */
  readonly inherited: number
  /** CMD was set in this stage: a later ENTRYPOINT leaves it. */
  cmdSet: boolean
}

/** The chain of a base, or of `scratch`. */
export function baseChain(base: BaseImage | undefined, time: CreationTime): Chain {
  const key = keyOf('', {
    base: base?.layers.at(-1)?.chainID ?? 'scratch',
    ...(time.epoch === undefined ? {} : { epoch: time.epoch }),
  })
  return { base, steps: [], key }
}

/** A stage on a base. */
export function startStage(stage: number, doc: ImageDocument, chain: Chain): StageState {
  const scope = new Scope(envOf(doc.config))
  return { stage, doc, scope, chain, inherited: doc.history.length, cmdSet: false }
}

/** A stage on another: all that it had at its end, but for its ONBUILDs, which have fired. */
export function continueStage(stage: number, parent: StageState): StageState {
  const doc = structuredClone(parent.doc)
  delete doc.config.OnBuild
  return { ...parent, stage, doc, scope: parent.scope.clone(), cmdSet: false }
}

export function addHistory(state: StageState, entry: HistoryEntry): number {
  state.doc.history.push(entry)
  return state.doc.history.length - 1
}
