/**
 * The commands of a RUN, as far as the rules read them.
 *
 * @module
 */

import { chompHeredoc, type RunInstruction } from '@pipelayer/dockerfile'
import { type ShellCommand, type SimpleCommand, shellCommands } from './commands.js'
import { type PackageCall, packageCall } from './package-managers.js'
import type { Stage, Step } from './stages.js'

const POSIX_SHELL = /(^|\/)(ba|da|a|z|k)?sh$/

export interface Run {
  readonly step: Step
  readonly instruction: RunInstruction
  readonly shell: readonly ShellCommand[]
  readonly commands: readonly SimpleCommand[]
  readonly calls: readonly PackageCall[]
  readonly mounts: readonly string[]
  /** The SHELL that executes it. */
  readonly interpreter: readonly string[]
}

/** The RUNs of a stage that were reached by the walk, and that a POSIX shell or no shell executes. */
export function runsOf(stage: Stage): readonly Run[] {
  return stage.steps.flatMap(step => readRun(step, stage) ?? [])
}

function readRun(step: Step, { state, os }: Stage): Run | undefined {
  const { instruction } = step
  if (instruction.kind !== 'run' || os === 'windows' || !state.shells.has(step)) return undefined
  const interpreter = state.shells.get(step) ?? ['/bin/sh', '-c']
  if (instruction.shell && !POSIX_SHELL.test(interpreter[0] ?? '')) return undefined
  const shell = commandsOf(instruction)
  const commands = shell.map(({ words }) => words)
  const calls = commands.flatMap(one => packageCall(one) ?? [])
  return { step, instruction, shell, commands, calls, mounts: instruction.mounts, interpreter }
}

function commandsOf({ shell, command, files }: RunInstruction): readonly ShellCommand[] {
  if (shell) {
    const bodies = files.map(file => chompHeredoc(file).content)
    return [...command, ...bodies].flatMap(shellCommands)
  }
  const [program = '', option, text] = command
  return POSIX_SHELL.test(program) && option?.startsWith('-') && text !== undefined
    ? shellCommands(text)
    : [{ words: command, before: [], piped: false }]
}
