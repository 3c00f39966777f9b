/**
 * Goes through each stage from its base to its last instruction, with the variables that are set at each.
 *
 * @module
 */

import { type ArgInstruction, expand, type Instruction, type RunInstruction } from '@pipelayer/dockerfile'
import { attemptAt, expandAt, type Globals } from './bases.js'
import type { LintContext } from './context.js'
import { checkExpose } from './expose.js'
import { hint, nearest } from './nearest.js'
import { reachableStages } from './reachable.js'
import { checkSecretName } from './secrets.js'
import { keywordOf, type Stage, type Step } from './stages.js'
import { checkTransfer } from './transfer.js'

/** Variables that are never in the environment. Spec: moby/buildkit frontend/dockerfile/dockerfile2llb */
const NOT_IN_ENV = new Set(['BUILDKIT_SBOM_SCAN_CONTEXT', 'BUILDKIT_SBOM_SCAN_STAGE'])
const WINDOWS_ABSOLUTE = /^([a-z]:)?[\\/]/i

/** @throws ToolError DOCKERFILE_INVALID where a build would stop */
export function walkStages(stages: readonly Stage[], globals: Globals, context: LintContext): void {
  const reached = reachableStages(stages)
  // As in BuildKit, triggers come from the config of a base, and a stage that is not needed has no config.
  for (const stage of stages)
    new StageWalk(stage, globals, context).run(
      reached.has(stage) ? (stage.baseStage?.state.triggers ?? []) : [],
    )
}

class StageWalk {
  readonly #stage: Stage
  readonly #globals: Globals
  readonly #context: LintContext

  constructor(stage: Stage, globals: Globals, context: LintContext) {
    this.#stage = stage
    this.#globals = globals
    this.#context = context
  }

  run(triggers: Stage['state']['triggers']): void {
    const { from, steps } = this.#stage
    this.#inherit()
    for (const trigger of triggers) this.#step(held(trigger, from))
    for (const step of steps) this.#step(step)
  }

  #inherit(): void {
    const { state, base, baseStage } = this.#stage
    if (baseStage === undefined) {
      state.env.set('PATH', '')
      state.openEnv = base !== 'scratch'
      return
    }
    const { env, declared, openEnv, workdirSet, shell } = baseStage.state
    for (const [name, value] of env) state.env.set(name, value)
    for (const name of declared) state.declared.add(name)
    state.openEnv = openEnv
    state.workdirSet = workdirSet
    if (shell !== undefined) state.shell = shell
    this.#stage.os = baseStage.os
  }

  #step(step: Step): void {
    const { instruction } = step
    switch (instruction.kind) {
      case 'env':
        this.#env(step, instruction.pairs)
        break
      case 'label':
        for (const { name, value } of instruction.pairs) this.#expandAll(step, [name, value])
        checkPairs(step, this.#context)
        break
      case 'arg':
        this.#arg(step, instruction)
        break
      case 'workdir':
        this.#workdir(step, instruction.path)
        break
      case 'run':
        this.#run(step, instruction)
        break
      case 'add':
      case 'copy':
        this.#transfer(step, instruction)
        break
      case 'expose':
        this.#expose(step, instruction.ports)
        break
      default:
        this.#simple(step, instruction)
    }
  }

  #simple(step: Step, instruction: Instruction): void {
    const { state } = this.#stage
    if (instruction.kind === 'user') this.#expand(step, instruction.user)
    if (instruction.kind === 'volume') this.#expandAll(step, instruction.paths)
    if (instruction.kind === 'stopsignal') this.#expand(step, instruction.signal)
    if (instruction.kind === 'shell') state.shell = instruction.shell
    if (instruction.kind === 'onbuild') state.triggers.push({ ...step, instruction })
    if (instruction.kind === 'healthcheck') this.#usedOnce(step)
    if (instruction.kind === 'cmd' || instruction.kind === 'entrypoint') {
      this.#usedOnce(step)
      if (instruction.shell && state.shell === undefined) {
        const message = `JSON arguments recommended for ${step.keyword} to prevent unintended behavior related to OS signals`
        this.#context.collector.report('JSONArgsRecommended', step.fields, message)
      }
    }
  }

  /** Reports the earlier one of two such instructions, since it has no effect. */
  #usedOnce(step: Step): void {
    const { last } = this.#stage.state
    const before = last.get(step.instruction.kind)
    last.set(step.instruction.kind, step)
    if (before === undefined) return
    const message = `Multiple ${step.keyword} instructions should not be used in the same stage because only the last one will be used`
    this.#context.collector.report('MultipleInstructionsDisallowed', before.fields, {
      message,
      cause: step.fields,
    })
  }

  /** All words of an ENV use the values from before the instruction. */
  #env(step: Step, pairs: readonly { readonly name: string; readonly value: string }[]): void {
    const expanded = pairs.map(({ name, value }) => this.#expandAll(step, [name, value]))
    checkPairs(step, this.#context)
    for (const [name = '', value = ''] of expanded) {
      checkSecretName({ instruction: 'ENV', name }, step, this.#context.collector)
      this.#stage.state.env.set(name, value)
    }
  }

  #arg(step: Step, { args }: ArgInstruction): void {
    const { env, declared } = this.#stage.state
    for (const { name, value } of args) {
      checkSecretName({ instruction: 'ARG', name }, step, this.#context.collector)
      const given = this.#context.buildArgs.get(name)
      const known = given ?? (value === undefined ? this.#globals.env.get(name) : this.#expand(step, value))
      if (known !== undefined && !NOT_IN_ENV.has(name)) env.set(name, known)
      declared.add(name)
    }
  }

  #workdir(step: Step, path: string): void {
    const { state, os } = this.#stage
    const { collector } = this.#context
    const expanded = this.#expand(step, path)
    const absolute = os === 'windows' ? WINDOWS_ABSOLUTE.test(expanded) : expanded.startsWith('/')
    const shown = JSON.stringify(expanded)
    if (!absolute && !state.workdirSet) {
      const message = `Relative workdir ${shown} can have unexpected results if the base image changes`
      collector.report('WorkdirRelativePath', step.fields, message)
    } else if (!absolute) {
      collector.report('AbsoluteWorkdir', step.fields, `WORKDIR ${shown} lies below the one set before it`)
    }
    state.workdirSet = true
  }

  #run(step: Step, { mounts }: RunInstruction): void {
    this.#stage.state.shells.set(step, this.#stage.state.shell)
    for (const mount of mounts) {
      // A quoted field may contain a comma, but that does not matter for the names in it.
      for (const field of mount.split(',')) {
        const sign = field.indexOf('=')
        if (sign >= 0) this.#expand(step, field.slice(sign + 1))
      }
    }
  }

  #transfer(step: Step, instruction: Extract<Instruction, { kind: 'add' | 'copy' }>): void {
    const checksum = instruction.kind === 'add' ? (instruction.checksum ?? '') : ''
    this.#expandAll(step, [instruction.chown ?? '', checksum])
    const sources = this.#expandAll(step, instruction.sources)
    this.#expand(step, instruction.dest)
    for (const { content = '', expand: wanted } of instruction.heredocs)
      if (wanted) this.#expandBody(step, content)
    this.#stage.state.expanded.set(step, sources)
    checkTransfer({ step, instruction, sources }, this.#context)
  }

  /** Ports are split after their expansion; variables that are not set are not reported. */
  #expose(step: Step, ports: readonly string[]): void {
    const words = ports.flatMap(port => expandAt(step, port, this.#stage.state.env).words)
    checkExpose(step, words, this.#context.collector)
  }

  #expandAll(step: Step, words: readonly string[]): readonly string[] {
    return words.map(word => this.#expand(step, word))
  }

  #expand(step: Step, word: string): string {
    const { word: expanded, unmatched } = expandAt(step, word, this.#stage.state.env)
    this.#reportUndefined(step, unmatched)
    return expanded
  }

  /** Quotes have no meaning in a heredoc, and its escape character is always the backslash. */
  #expandBody(step: Step, text: string): void {
    const { env } = this.#stage.state
    const { unmatched } = attemptAt(step, () => expand(text, { env, quotes: 'ignore' }))
    this.#reportUndefined(step, unmatched)
  }

  #reportUndefined(step: Step, names: ReadonlySet<string>): void {
    const { env, declared, openEnv } = this.#stage.state
    for (const name of names) {
      if (declared.has(name) || NOT_IN_ENV.has(name)) continue
      const meant = nearest(name, env.keys())
      const message = `Usage of undefined variable '$${name}'${hint(meant, '$')}`
      // The base image may set the variable, so the finding is only a hint unless the name is nearly one that is set
      // here.
      const isMisspelt = meant !== undefined && Math.abs(meant.length - name.length) <= 1
      const severity = openEnv && !isMisspelt ? { severity: 'info' as const } : {}
      this.#context.collector.report('UndefinedVar', step.fields, { message, ...severity })
    }
  }
}

/** One finding for each pair without `=`. In `args` each pair is three words: name, value and separator. */
export function checkPairs(
  { fields, keyword }: Pick<Step, 'fields' | 'keyword'>,
  context: Pick<LintContext, 'collector'>,
): void {
  const { args } = fields.trigger ?? fields
  for (let at = 2; at < args.length; at += 3) {
    if (args[at] !== '') continue
    const message = `"${keyword} key=value" should be used instead of legacy "${keyword} key value" format`
    context.collector.report('LegacyKeyValueFormat', fields, message)
  }
}

/** The instruction of an ONBUILD of the base, which runs at this FROM. */
function held(trigger: Stage['state']['triggers'][number], from: Step): Step {
  const { raw, trigger: fields } = trigger.fields
  const command = raw.trimStart().slice(trigger.keyword.length)
  return {
    instruction: trigger.instruction.trigger,
    keyword: keywordOf(command),
    fields: { ...from.fields, ...(fields === undefined ? {} : { trigger: fields }) },
  }
}
