/**
 * Best practices that BuildKit has no rule for. They run after the walk, which has expanded the values.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseNormalized } from '@pipelayer/reference'
import type { Collector } from './collector.js'
import type { LintContext } from './context.js'
import type { LintInstruction } from './instruction.js'
import { checkRuns } from './runs.js'
import { checkSecretLiterals } from './secrets.js'
import type { Stage } from './stages.js'

export function checkPractices(stages: readonly Stage[], { collector }: LintContext): void {
  const shipped = new Set<Stage>()
  for (let stage = stages.at(-1); stage !== undefined; stage = stage.baseStage) shipped.add(stage)
  for (const stage of stages) {
    const { from, steps, base, baseStage } = stage
    if (baseStage === undefined) checkPinned(from.fields, base, collector)
    for (const { fields } of [from, ...steps]) checkSecretLiterals(fields, collector)
    checkRuns(stage, { shipped: shipped.has(stage) }, collector)
  }
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
