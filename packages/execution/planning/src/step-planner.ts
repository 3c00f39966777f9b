import type { LayerStep } from './layer-step.js'
import type { Chain, ChainStep } from './stage-state.js'

/** A step that an instruction asks for. */
export interface WantedStep {
  readonly layer: LayerStep
  /** The comment of its line in the history. */
  readonly comment?: string
  readonly title: string
  /** Where the instruction stands, as `Dockerfile:3`. */
  readonly place: string
  /** Adds the step's place to an error. */
  readonly located: (error: unknown) => unknown
  /** Is called right before the step is executed. @throws {ToolError} if the step cannot be executed */
  readonly check?: () => void
  /** A hint at what may be wrong if the step fails. */
  readonly hint?: string
}

/** A step with its key, and the chain that ends with it. */
export interface PlannedStep {
  readonly chain: Chain
  readonly step: ChainStep
}

/** Gives steps their keys, and decides for each whether it comes from a cache or has to be executed. */
export interface StepPlanner {
  /** A chain with one more step, which is not executed yet. */
  plan(below: Chain, wanted: WantedStep): PlannedStep
}
