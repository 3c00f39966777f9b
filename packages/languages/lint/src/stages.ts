/**
 * The stages of a file, and the state of each during the walk.
 *
 * @module
 */

import type { FromInstruction, Instruction, OnbuildInstruction } from '@pipelayer/dockerfile'
import type { LintInstruction } from './instruction.js'

/** One instruction at its place. */
export interface Step {
  /** The instruction's place; for a trigger, that of the FROM that runs it. */
  readonly fields: LintInstruction
  /** As typed. */
  readonly keyword: string
  readonly instruction: Instruction
}

export interface Stage {
  readonly from: Step & { readonly instruction: FromInstruction }
  readonly steps: readonly Step[]
  readonly state: StageState
  /** Set by `resolveBases`: the base with its variables expanded, and the stage that it is. */
  base: string
  baseStage?: Stage
  /** The operating system of the stage. */
  os: string
}

/** The state of a stage at one instruction. */
export interface StageState {
  /** ARG with a value and ENV. */
  readonly env: Map<string, string>
  /** Names of ARGs, with a value or without. */
  readonly declared: Set<string>
  /** Whether the base image may set variables that the file does not show. */
  openEnv: boolean
  workdirSet: boolean
  /** SHELL, where it was set. */
  shell?: readonly string[]
  readonly triggers: (Step & { readonly instruction: OnbuildInstruction })[]
  /** Paths and sources with variables expanded, for the rules that come after the walk. */
  readonly expanded: Map<Step, readonly string[]>
  /** The SHELL that each RUN has. */
  readonly shells: Map<Step, readonly string[] | undefined>
  /** The last CMD, ENTRYPOINT and HEALTHCHECK. */
  readonly last: Map<Instruction['kind'], Step>
}

const BLANKS = /[\t\v\f\r ]+/

export function keywordOf(raw: string): string {
  return raw.trimStart().split(BLANKS, 1)[0] ?? ''
}

/** The file in stages, and the ARGs before the first. */
export function groupStages(steps: readonly Step[]): { global: readonly Step[]; stages: readonly Stage[] } {
  const starts = steps.flatMap((step, index) => (isFrom(step) ? [{ from: step, index }] : []))
  const stages = starts.map(({ from, index }, number): Stage => {
    const end = starts[number + 1]?.index ?? steps.length
    return {
      from,
      steps: steps.slice(index + 1, end),
      state: emptyState(),
      base: from.instruction.base,
      os: 'linux',
    }
  })
  return { global: steps.slice(0, starts[0]?.index ?? 0), stages }
}

function isFrom(step: Step): step is Stage['from'] {
  return step.instruction.kind === 'from'
}

function emptyState(): StageState {
  return {
    env: new Map(),
    declared: new Set(),
    openEnv: false,
    workdirSet: false,
    triggers: [],
    expanded: new Map(),
    shells: new Map(),
    last: new Map(),
  }
}
