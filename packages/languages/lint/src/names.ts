/**
 * Rules on the names of stages and the case of keywords.
 *
 * @module
 */

import type { Collector } from './collector.js'
import type { LintInstruction } from './instruction.js'
import { keywordOf, type Stage } from './stages.js'

const RESERVED = new Set(['context', 'scratch'])

export function checkStageNames(stages: readonly Stage[], collector: Collector): void {
  const seen = new Set<string>()
  for (const { from } of stages) {
    const { name } = from.instruction
    if (name === undefined) continue
    if (RESERVED.has(name)) {
      const message = `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`
      collector.report('ReservedStageName', from.fields, message)
    }
    if (seen.has(name)) {
      const message = `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`
      collector.report('DuplicateStageName', from.fields, message)
    }
    seen.add(name)
  }
}

/** ARGs before the first FROM do not count, as in BuildKit. */
export function checkCasing(stages: readonly Stage[], collector: Collector): void {
  checkKeywords(
    stages.flatMap(({ from, steps }) => [from.fields, ...steps.map(step => step.fields)]),
    collector,
  )
}

export function checkKeywords(list: readonly LintInstruction[], collector: Collector): void {
  const keywords = list.map(fields => keywordOf(fields.raw))
  const lower = keywords.filter(keyword => keyword === keyword.toLowerCase()).length
  const upper = keywords.filter(
    keyword => keyword === keyword.toUpperCase() && keyword !== keyword.toLowerCase(),
  ).length
  const casing = lower > upper ? 'lowercase' : 'uppercase'
  for (const [index, fields] of list.entries()) {
    const keyword = keywords[index] ?? ''
    const right = casing === 'lowercase' ? keyword.toLowerCase() : keyword.toUpperCase()
    if (keyword === right) continue
    const message = `Command '${keyword}' should match the case of the command majority (${casing})`
    collector.report('ConsistentInstructionCasing', fields, message)
  }
}
