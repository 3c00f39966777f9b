import { type InstructionFields, instructionFields, interpret, parseDockerfile } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { InstructionRecord } from '@pipelayer/records'
import type { StagePlan, Step } from './plan.js'
import type { StageState } from './stage-state.js'

/**
 * The instructions that a base, an image or a stage, holds back for its children, to be executed right after FROM. They are taken out
 * of the config: a grandchild does not get them.
 *
 * @throws {ToolError} `ONBUILD_INVALID`
 */
export function onbuildSteps(state: StageState, plan: StagePlan): Step[] {
  const triggers = state.doc.config.OnBuild ?? []
  delete state.doc.config.OnBuild
  return triggers.map(text => triggerStep(text, plan))
}

function triggerStep(text: string, plan: StagePlan): Step {
  const { source, stage, index } = plan.from.record
  const file = parseDockerfile(text)
  const [node, ...others] = file.instructions
  if (node === undefined || others.length > 0)
    throw new ToolError(
      'ONBUILD_INVALID',
      `the base image has the ONBUILD ${JSON.stringify(text)}, not one instruction`,
    )
  const fields: InstructionFields = {
    ...instructionFields(node, { file: source.file, escape: '\\' }),
    source,
  }
  const instruction = interpret(fields)
  if (['from', 'onbuild', 'maintainer'].includes(instruction.kind))
    throw new ToolError('ONBUILD_INVALID', `the base image has ONBUILD ${fields.name}, which is not allowed`)
  const record = { ...fields, type: 'instruction', stage, index, raw: `ONBUILD ${text}`, source }
  return { record: record as unknown as InstructionRecord, instruction }
}
