import type { LayerStep } from './layer-step.js'
import type { Chain, ChainStep } from './stage-state.js'

/** A step that an instruction asks for. */
export interface WantedStep {
  readonly layer: LayerStep
  /** Of its line in the history. */
  readonly comment?: string
  readonly title: string
  /** Its place, as `Dockerfile:3`. */
  readonly place: string
  /** An error of this step, with its place. */
  readonly located: (error: unknown) => unknown
  /** Asked right before it is executed. @throws {ToolError} where it cannot be */
  readonly check?: () => void
  /** What may be the matter when it fails. */
  readonly hint?: string
}

/** A step with its key, and the chain that it ends. */
export interface PlannedStep {
  readonly chain: Chain
  readonly step: ChainStep
}

/** Gives steps their keys, and says how each will be had: from a cache, or by executing it. */
export interface StepPlanner {
  /** A chain with one more step, which is not executed yet. */
  plan(below: Chain, wanted: WantedStep): PlannedStep
}
