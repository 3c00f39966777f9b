/**
 * Best practices that BuildKit has no rule for. They run after the walk, which has expanded the values.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseNormalized } from '@pipelayer/reference'
import type { Collector } from './collector.js'
import type { LintContext } from './context.js'
import { checkImage, checkShipped, checkStage } from './image-habits.js'
import type { LintInstruction } from './instruction.js'
import { checkRuns } from './runs.js'
import { checkSecretLiterals } from './secrets.js'
import type { Stage } from './stages.js'

export function checkPractices(stages: readonly Stage[], { collector }: LintContext): void {
  const shipped = new Set<Stage>()
  for (let stage = stages.at(-1); stage !== undefined; stage = stage.baseStage) shipped.add(stage)
  for (const stage of stages) {
    const { from, steps, base, baseStage } = stage
    if (baseStage === undefined) checkBase(from.fields, base, collector)
    for (const { fields } of [from, ...steps]) checkSecretLiterals(fields, collector)
    checkStage(stage, collector)
    checkRuns(stage, { shipped: shipped.has(stage) }, collector)
    if (shipped.has(stage)) checkShipped(stage, collector)
  }
  checkImage([...shipped], collector)
}

function checkBase(fields: LintInstruction, base: string, collector: Collector): void {
  checkPinned(fields, base, collector)
  if (base === 'scratch' || /^([^/]*[.:][^/]*|localhost)\//.test(base)) return
  const message = `base image ${JSON.stringify(base)} names no registry: programs differ in where they look for it`
  collector.report('RegistryNamed', fields, message)
}

/** @param base - with variables expanded */
export function checkPinned(fields: LintInstruction, base: string, collector: Collector): void {
  if (base === 'scratch') return
  try {
    const { tag, digest } = parseNormalized(base)
    if (digest !== undefined || (tag !== undefined && tag !== 'latest')) return
    const what = tag === undefined ? 'neither tag nor digest' : 'the tag latest'
    collector.report(
      'PinnedBaseImage',
      fields,
      `Base image ${JSON.stringify(base)} has ${what}: it changes with time`,
    )
  } catch (error) {
    // The base of a Kubefile may have a name that is no image reference.
    if (!(error instanceof ToolError)) throw error
  }
}
