/**
 * Checks from which stages each stage takes files, before anything is built, and also for stages that the target does
 * not need. Spec: moby/buildkit, dockerfile2llb/convert.go, validateCircularDependency.
 *
 * @module
 */

import { expandWord, parseCSVLine } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { placeOf, type StagePlan, type Step, stageNamed } from './plan.js'

interface Use {
  readonly step: Step
  readonly stage: StagePlan
}

/**
 * Throws if a stage needs itself, or if a number of a stage does not exist.
 *
 * @throws {ToolError} `STAGE_CIRCULAR`: take the files of another stage; `STAGE_UNKNOWN`
 */
export function checkStageUses(stages: readonly StagePlan[]): void {
  const uses = stages.map(stage => usesOf(stage, stages))
  const done = new Set<number>()
  const under = new Set<number>()
  const visit = (index: number): void => {
    if (done.has(index)) return
    under.add(index)
    for (const { step, stage } of uses[index] ?? []) {
      if (under.has(stage.index)) throw circular(step, stage)
      visit(stage.index)
    }
    under.delete(index)
    done.add(index)
  }
  for (const { index } of stages) visit(index)
}

function usesOf({ from, index, steps }: StagePlan, stages: readonly StagePlan[]): Use[] {
  const base = from.instruction.base.toLowerCase()
  const parent = stages.findLast(stage => stage.index < index && stage.name === base)
  const taken = steps.flatMap(step =>
    namesIn(step).flatMap(name => {
      const stage = stageNamed(stages, name)
      if (stage === undefined && /^\d+$/.test(name))
        throw new ToolError('STAGE_UNKNOWN', `${placeOf(step.record)}: there is no stage ${name}`)
      return stage === undefined ? [] : [{ step, stage }]
    }),
  )
  return parent === undefined ? taken : [{ step: from, stage: parent }, ...taken]
}

function namesIn({ instruction }: Step): string[] {
  if (instruction.kind === 'run') return instruction.mounts.flatMap(mountFrom)
  if (instruction.kind !== 'copy' || instruction.from === undefined) return []
  return [expandWord(instruction.from, { env: {} })]
}

function mountFrom(text: string): string[] {
  const fields = parseCSVLine(text) ?? []
  return fields.filter(field => /^from=./i.test(field)).map(field => field.slice('from='.length))
}

function circular({ record }: Step, { name, index }: StagePlan): ToolError {
  const which = name === undefined ? `${index}` : `"${name}"`
  return new ToolError(
    'STAGE_CIRCULAR',
    `${placeOf(record)}: ${record.name} takes from stage ${which}, which needs this one itself`,
  )
}
