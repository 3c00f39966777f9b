import type { HistoryEntry } from './image-config.js'
import { addHistory, type StageState } from './stage-state.js'
import type { StepPlanner, WantedStep } from './step-planner.js'

/** Puts a planned step upon a stage, with its line in the history: its time is filled in when it is done. */
export function addStep(
  state: StageState,
  steps: StepPlanner,
  wanted: WantedStep,
  entry: Pick<HistoryEntry, 'comment'> = {},
): void {
  const planned = steps.plan(state.chain, wanted)
  state.chain = planned.chain
  const index = addHistory(state, { created_by: wanted.layer.createdBy, ...entry })
  state.timed.set(index, planned.step)
}
