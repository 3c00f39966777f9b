/**
 * Plans the stages of a Dockerfile: their steps, the keys of the steps, and which step needs which. Nothing is executed
 * here.
 *
 * @module
 */

export { addStep } from './add-step.js'
export type { BaseImage, BaseLayer } from './base-image.js'
export { Builder } from './builder.js'
export { completeHistory, fillTimes, newest } from './history.js'
export { childDocument, scratchDocument } from './image-config.js'
export type { LayerStep, Source, TreeRef } from './layer-step.js'
export { makePlan, placeOf } from './plan.js'
export type { BuildMachine, PlanRequest, RunRules } from './plan-request.js'
export { platformArgs } from './platform-args.js'
export { checkRules } from './rule-check.js'
export { type GlobalScope, unusedBuildArgs } from './scope.js'
export type { SourceFinder } from './source-finder.js'
export {
  addHistory,
  baseChain,
  type Chain,
  type ChainStep,
  type ConfigExtras,
  type StageState,
  startStage,
} from './stage-state.js'
export { checkStageUses } from './stage-uses.js'
export { StepKeys, type StepOrigin } from './step-keys.js'
export { located, namesOf } from './step-place.js'
export type { PlannedStep, StepPlanner, WantedStep } from './step-planner.js'
export { planTransfer } from './transfer-request.js'
