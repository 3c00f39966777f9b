/**
 * FROM: the ARGs above it, the base that each stage has, the platform.
 *
 * @module
 */

import { type Expansion, expand, invalidAt } from '@pipelayer/dockerfile'
import { messageOf, ToolError } from '@pipelayer/errors'
import { formatPlatform, parsePlatform } from '@pipelayer/oci'
import { parseNormalized } from '@pipelayer/reference'
import type { Collector } from './collector.js'
import type { LintContext } from './context.js'
import { hint, nearest } from './nearest.js'
import type { Stage, Step } from './stages.js'

/** ARGs that FROM lines see, and bare `ARG name` in a stage. */
export interface Globals {
  readonly env: ReadonlyMap<string, string>
  /** Declared, with a value or without. */
  readonly names: ReadonlySet<string>
}

const SCRATCH = 'scratch'

/**
 * Resolves the base of every stage: sets `base`, `baseStage`, `os` and what the stage's state begins with.
 *
 * @throws {@link ToolError} DOCKERFILE_INVALID where a base or a platform cannot be used
 */
export function resolveBases(
  stages: readonly Stage[],
  global: readonly Step[],
  context: LintContext,
): Globals {
  const defaults = platformArgs(stages, context)
  checkDefaults(stages, global, { defaults, context })
  const globals = globalArgs(global, defaults, context.buildArgs)
  const known = new Set([...globals.names, ...globals.env.keys()])
  const byName = new Map<string, Stage>()
  for (const stage of stages) {
    const name = expandFrom(stage, stage.from.instruction.base, globals.env)
    reportUndeclared(stage, name, { known, collector: context.collector })
    stage.base = name.word
    if (name.word === '') fail(stage.from, `base name (${stage.from.instruction.base}) should not be blank`)
    stage.os = parsePlatform(context.platform).os
    resolvePlatform(stage, globals, { known, collector: context.collector })
    const base = byName.get(stage.base)
    if (base !== undefined) stage.baseStage = base
    if (stage.from.instruction.name !== undefined) byName.set(stage.from.instruction.name, stage)
  }
  for (const stage of stages) checkReference(stage)
  return globals
}

/** Spec: Dockerfile reference, "Automatic platform ARGs in the global scope". */
function platformArgs(stages: readonly Stage[], { platform, buildArgs }: LintContext): Map<string, string> {
  const { os, architecture, variant = '' } = parsePlatform(platform)
  const args = ['BUILD', 'TARGET'].flatMap((prefix): [string, string][] => [
    [`${prefix}PLATFORM`, formatPlatform(parsePlatform(platform))],
    [`${prefix}OS`, os],
    [`${prefix}OSVERSION`, ''],
    [`${prefix}ARCH`, architecture],
    [`${prefix}VARIANT`, variant],
  ])
  args.push(['TARGETSTAGE', stages.at(-1)?.from.instruction.name ?? 'default'])
  return new Map(args.map(([name, value]) => [name, buildArgs.get(name) ?? value]))
}

function globalArgs(
  global: readonly Step[],
  defaults: ReadonlyMap<string, string>,
  buildArgs: ReadonlyMap<string, string>,
): Globals {
  const env = new Map(defaults)
  const names = new Set<string>()
  for (const step of global) {
    if (step.instruction.kind !== 'arg') continue
    for (const { name, value } of step.instruction.args) {
      names.add(name)
      const given = buildArgs.get(name)
      if (given !== undefined) env.set(name, given)
      else if (value !== undefined) env.set(name, expandAt(step, value, env).word)
    }
  }
  return { env, names }
}

/** Reports base images that are valid only with build arguments. */
function checkDefaults(
  stages: readonly Stage[],
  global: readonly Step[],
  { defaults, context }: { defaults: ReadonlyMap<string, string>; context: LintContext },
): void {
  try {
    const { env } = globalArgs(global, defaults, new Map())
    for (const stage of stages) {
      const { base } = stage.from.instruction
      if (isReference(expandFrom(stage, base, env).word)) continue
      const message = `Default value for ARG ${base} results in empty or invalid base image name`
      context.collector.report('InvalidDefaultArgInFrom', stage.from.fields, message)
    }
  } catch (error) {
    // The base may be valid with the build arguments that are given; if not, the walk over the stages reports it.
    if (!(error instanceof ToolError)) throw error
  }
}

interface Declared {
  readonly known: ReadonlySet<string>
  readonly collector: Collector
}

function reportUndeclared(stage: Stage, { unmatched }: Expansion, { known, collector }: Declared): void {
  for (const name of unmatched) {
    if (known.has(name)) continue
    const message = `FROM argument '${name}' is not declared${hint(nearest(name, known))}`
    collector.report('UndefinedArgInFrom', stage.from.fields, message)
  }
}

function resolvePlatform(stage: Stage, globals: Globals, declared: Declared): void {
  const { platform } = stage.from.instruction
  if (platform === undefined) return
  const expansion = expandFrom(stage, platform, globals.env)
  reportUndeclared(stage, expansion, declared)
  reportRedundant(stage, expansion, { target: globals.env.get('TARGETPLATFORM'), ...declared })
  if (expansion.word === '') {
    const [name] = expansion.unmatched
    const meant = name === undefined ? '' : hint(nearest(name, globals.env.keys()))
    fail(stage.from, `empty platform value from expression ${platform}${meant}`)
  }
  reportConstant(stage, expansion, declared.collector)
  stage.os = attemptAt(stage.from, () => parsePlatform(expansion.word)).os
}

function reportRedundant(
  stage: Stage,
  { matched, unmatched, word }: Expansion,
  { target, collector }: { target: string | undefined; collector: Collector },
): void {
  if (matched.size !== 1 || unmatched.size > 0 || !matched.has('TARGETPLATFORM') || word !== target) return
  const { platform } = stage.from.instruction
  const message = `Setting platform to predefined ${platform} in FROM is redundant as this is the default behavior`
  collector.report('RedundantTargetPlatform', stage.from.fields, message)
}

/** A stage that is named after its platform has a constant platform on purpose. */
function reportConstant(stage: Stage, { matched, unmatched, word }: Expansion, collector: Collector): void {
  if (matched.size > 0 || unmatched.size > 0) return
  const { os, architecture } = attemptAt(stage.from, () => parsePlatform(word))
  const name = stage.from.instruction.name ?? ''
  if (name.includes(os) || name.includes(architecture)) return
  const message = `FROM --platform flag should not use constant value ${JSON.stringify(word)}`
  collector.report('FromPlatformFlagConstDisallowed', stage.from.fields, message)
}

function checkReference({ base, baseStage, from }: Stage): void {
  if (baseStage === undefined && base !== SCRATCH) attemptAt(from, () => parseNormalized(base))
}

function isReference(text: string): boolean {
  try {
    parseNormalized(text)
    return true
  } catch (error) {
    if (error instanceof ToolError) return false
    throw error
  }
}

function expandFrom(stage: Stage, word: string, env: ReadonlyMap<string, string>): Expansion {
  return expandAt(stage.from, word, env)
}

/** Expands a word; an error of the expansion gets the place in the file. */
export function expandAt(step: Step, word: string, env: ReadonlyMap<string, string>): Expansion {
  const escape = step.fields.escape === '`' ? '`' : '\\'
  return attemptAt(step, () => expand(word, { env, escape }))
}

export function attemptAt<T>(step: Step, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return fail(step, messageOf(error))
  }
}

/** Throws DOCKERFILE_INVALID at the instruction. */
export function fail({ fields }: Step, message: string): never {
  const { file, line, column = 1 } = fields.source
  throw invalidAt('DOCKERFILE_INVALID', { file, line, column }, message)
}
