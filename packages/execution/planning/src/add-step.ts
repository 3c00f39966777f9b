import { addHistory, type StageState } from './stage-state.js'
import type { StepPlanner, WantedStep } from './step-planner.js'

/**
 * Adds a planned step to a stage, with its line in the history. The time in that line is filled in when the step is
 * done.
 */
export function addStep(state: StageState, steps: StepPlanner, wanted: WantedStep): void {
  const planned = steps.plan(state.chain, wanted)
  state.chain = planned.chain
  const { layer, comment } = wanted
  const entry = { created_by: layer.createdBy, ...(comment === undefined ? {} : { comment }) }
  state.timed.set(addHistory(state, entry), planned.step)
}
