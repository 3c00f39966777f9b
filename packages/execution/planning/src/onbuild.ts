import { type InstructionFields, instructionFields, interpret, parseDockerfile } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { InstructionRecord } from '@pipelayer/records'
import type { StagePlan, Step } from './plan.js'
import type { StageState } from './stage-state.js'

/**
 * The ONBUILD instructions of a base (an image or a stage), which are executed right after FROM in its children. They
 * are removed from the config, so that children of a child do not execute them again.
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
