import {
  type FromInstruction,
  type Instruction,
  type InstructionFields,
  interpret,
} from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { InstructionRecord } from '@pipelayer/records'

/** One instruction, as written and as parsed. */
export interface Step {
  readonly record: InstructionRecord
  readonly instruction: Instruction
}

export interface StagePlan {
  readonly index: number
  /** Lower case. */
  readonly name?: string
  readonly from: Step & { readonly instruction: FromInstruction }
  readonly steps: readonly Step[]
}

/** The stages of a Dockerfile. While building it turns out which of them the target needs. */
export interface Plan {
  /** ARGs before the first FROM. */
  readonly globals: readonly Step[]
  readonly stages: readonly StagePlan[]
  readonly target: StagePlan
}

/**
 * Reads instruction records.
 *
 * ```ts
 * makePlan(records, 'build').target.name // 'build'
 * ```
 *
 * @param target - name or number of a stage; the last one unless said
 * @throws {ToolError} `NO_STAGE`, `TARGET_UNKNOWN`, `DOCKERFILE_INVALID`
 */
export function makePlan(records: readonly InstructionRecord[], target?: string): Plan {
  const steps = records.map(toStep)
  const first = steps.findIndex(step => step.instruction.kind === 'from')
  if (first < 0) throw new ToolError('NO_STAGE', 'no FROM came: there is nothing to build')
  const globals = steps.slice(0, first)
  for (const step of globals)
    if (step.instruction.kind !== 'arg')
      throw new ToolError(
        'NO_STAGE',
        `${placeOf(step.record)}: ${step.record.name} stands before the first FROM`,
      )
  const stages = stagesOf(steps.slice(first))
  return { globals, stages, target: targetOf(stages, target) }
}

/** `FILE:LINE`, or `FILE:LINE-LINE`, for messages. */
export function placeOf(record: InstructionRecord): string {
  const { file, line, endLine } = record.source
  return endLine > line ? `${file}:${line}-${endLine}` : `${file}:${line}`
}

/**
 * The stage that COPY or RUN names by its name or number; it must stand before the stage `before`. A name that any
 * stage has never means an image.
 *
 * @throws {ToolError} `STAGE_UNKNOWN` if that stage does not stand before it
 */
export function findStage(plan: Plan, name: string, before: number): StagePlan | undefined {
  const stage = stageNamed(plan.stages, name)
  if (stage === undefined && !/^\d+$/.test(name)) return undefined
  if (stage === undefined) throw new ToolError('STAGE_UNKNOWN', `there is no stage ${name}`)
  if (stage.index >= before)
    throw new ToolError('STAGE_UNKNOWN', `stage ${JSON.stringify(name)} does not stand before this one`)
  return stage
}

/** The stage of a name (the last one, if several have it), or of a number, as in COPY. */
export function stageNamed(stages: readonly StagePlan[], name: string): StagePlan | undefined {
  const named = stages.findLast(stage => stage.name === name.toLowerCase())
  return named ?? (/^\d+$/.test(name) ? stages[Number(name)] : undefined)
}

function toStep(record: InstructionRecord): Step {
  return { record, instruction: interpret(record as unknown as InstructionFields) }
}

function stagesOf(steps: readonly Step[]): StagePlan[] {
  const stages: { index: number; name?: string; from: StagePlan['from']; steps: Step[] }[] = []
  for (const step of steps) {
    const { instruction } = step
    if (instruction.kind !== 'from') stages.at(-1)?.steps.push(step)
    else
      stages.push({
        index: stages.length,
        ...(instruction.name === undefined ? {} : { name: instruction.name.toLowerCase() }),
        from: { ...step, instruction },
        steps: [],
      })
  }
  return stages
}

function targetOf(stages: readonly StagePlan[], target: string | undefined): StagePlan {
  const found =
    target === undefined
      ? stages.at(-1)
      : (stages.findLast(stage => stage.name === target.toLowerCase()) ??
        (/^\d+$/.test(target) ? stages[Number(target)] : undefined))
  if (found === undefined)
    throw new ToolError('TARGET_UNKNOWN', `--target ${target}: no stage has this name or number`)
  return found
}
