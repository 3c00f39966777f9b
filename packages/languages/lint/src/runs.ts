/**
 * Rules on what RUN executes, and in which order.
 *
 * @module
 */

import { chompHeredoc, type RunInstruction } from '@pipelayer/dockerfile'
import type { Collector } from './collector.js'
import { type SimpleCommand, simpleCommands } from './commands.js'
import { cleansUp, installs, type PackageCall, packageCall, upgradesAll } from './package-managers.js'
import type { Stage, Step } from './stages.js'

const POSIX_SHELL = /(^|\/)(ba|da|a|z|k)?sh$/
const LISTS = '/var/lib/apt'

interface Run {
  readonly step: Step
  readonly commands: readonly SimpleCommand[]
  readonly calls: readonly PackageCall[]
  readonly mounts: readonly string[]
}

/** @param shipped - whether the stage's layers are in the image, so that their size matters */
export function checkRuns(
  stage: Stage,
  { shipped }: { readonly shipped: boolean },
  collector: Collector,
): void {
  const runs = stage.steps.flatMap(step => readRun(step, stage) ?? [])
  for (const run of runs) {
    checkPackages(run, collector)
    checkCd(run, collector)
    if (shipped) checkCleanUp(run, collector)
  }
  checkUpdates(runs, collector)
  checkOrder(stage, runs, collector)
}

/** undefined for an instruction that is no RUN, was not reached by the walk, or uses another kind of shell. */
function readRun(step: Step, { state, os }: Stage): Run | undefined {
  const { instruction } = step
  if (instruction.kind !== 'run' || os === 'windows' || !state.shells.has(step)) return undefined
  const [shell = '/bin/sh'] = state.shells.get(step) ?? []
  if (instruction.shell && !POSIX_SHELL.test(shell)) return undefined
  const commands = commandsOf(instruction)
  return {
    step,
    commands,
    calls: commands.flatMap(one => packageCall(one) ?? []),
    mounts: instruction.mounts,
  }
}

function commandsOf({ shell, command, files }: RunInstruction): readonly SimpleCommand[] {
  if (shell) {
    const bodies = files.map(file => chompHeredoc(file).content)
    return [...command, ...bodies].flatMap(simpleCommands)
  }
  const [program = '', option, text] = command
  return POSIX_SHELL.test(program) && option?.startsWith('-') && text !== undefined
    ? simpleCommands(text)
    : [command]
}

function checkPackages({ step, calls }: Run, collector: Collector): void {
  for (const call of calls) {
    const { program, subcommand, operands } = call
    if (upgradesAll(call)) {
      const message = `${program} ${subcommand} gives another result every day: take a newer base image`
      collector.report('NoSystemUpgrade', step.fields, message)
    }
    if (!installs(call) || operands.some(word => /[$*]/.test(word))) continue
    const later = operands.findIndex((word, index) => index > 0 && word < (operands[index - 1] ?? ''))
    if (later < 0) continue
    const [word, before] = [operands[later], operands[later - 1]].map(one => JSON.stringify(one))
    const message = `Packages of ${program} ${subcommand} are not sorted: ${word} stands behind ${before}`
    collector.report('SortedPackages', step.fields, message)
  }
}

function checkCleanUp(run: Run, collector: Collector): void {
  const dirty = run.calls.find(call => installs(call) && !cleansUp(call, run))
  if (dirty === undefined) return
  const { program, subcommand, manager } = dirty
  const how = manager.noCache ?? manager.clean
  const advice =
    how === undefined ? `rm -rf ${LISTS}/lists/*` : `${program} ${manager.noCache ? 'add ' : ''}${how}`
  const all = manager.clean === undefined ? '' : ' all'
  const message = `${program} ${subcommand} leaves its downloads in the layer: add "${advice}${all}" to this RUN`
  collector.report('PackageCleanUp', run.step.fields, message)
}

/** Reports an update of package lists in a layer of its own, which stays cached while the packages change. */
function checkUpdates(runs: readonly Run[], collector: Collector): void {
  let apart = false
  for (const { step, calls, mounts } of runs) {
    const apt = calls.filter(({ program }) => program === 'apt-get' || program === 'apt')
    const updates = apt.some(({ subcommand }) => subcommand === 'update')
    const uses = apt.filter(({ subcommand }) => subcommand !== 'update')
    if (updates && uses.length === 0) {
      apart = true
      const message = 'apt-get update stands without apt-get install: the lists are cached and grow old'
      collector.report('AptGetUpdateWithInstall', step.fields, message)
    }
    const isRemote = uses.some(call => installs(call) && call.operands.some(word => !/^\.{0,2}\//.test(word)))
    if (isRemote && !updates && !apart && !mounts.some(mount => mount.includes(LISTS))) {
      const message = 'apt-get install stands without apt-get update: it uses what lists an older layer has'
      collector.report('AptGetUpdateWithInstall', step.fields, message)
    }
  }
}

function checkCd({ step, commands }: Run, collector: Collector): void {
  const [[program, folder] = [], next] = commands
  if (program !== 'cd' || folder === undefined) return
  const shown = JSON.stringify(folder)
  const message =
    next === undefined
      ? `RUN cd ${shown} has no effect on what follows: write WORKDIR ${folder}`
      : `RUN begins with cd ${shown}: write WORKDIR ${folder} above it`
  collector.report('WorkdirOverCd', step.fields, message)
}

/** Commands that install what a lock file or a list of requirements names. */
const DEPENDENCIES: readonly RegExp[] = [
  /^npm (ci|install|i)$/,
  /^yarn( install)?$/,
  /^pnpm (install|i|fetch)$/,
  /^bun install$/,
  /^pip3? install (.* )?(-r|--requirement)( |$)/,
  /^(poetry|bundle|composer|pipenv|pdm) install$/,
  /^uv sync$/,
  /^go mod download$/,
  /^cargo fetch$/,
  /^mvn dependency:(go-offline|resolve)$/,
  /^dotnet restore$/,
]

/** Reports an installation below a COPY of the whole context: then a change of any file installs everything again. */
function checkOrder({ steps, state }: Stage, runs: readonly Run[], collector: Collector): void {
  const isWhole = (source: string): boolean => /^\.?\/?$/.test(source)
  const copied = steps.findIndex(
    step => !('from' in step.instruction) && (state.expanded.get(step) ?? []).some(isWhole),
  )
  if (copied < 0) return
  const isInstall = ({ commands }: Run): boolean => commands.some(installsDependencies)
  const first = runs.find(isInstall)
  if (first === undefined || steps.indexOf(first.step) < copied) return
  const line = steps[copied]?.fields.source.line
  const message = `dependencies are installed after the whole context was copied in line ${line}: copy their list alone, install, then copy the rest`
  collector.report('DependenciesBeforeSources', first.step.fields, message)
}

function installsDependencies([path = '', ...words]: SimpleCommand): boolean {
  const program = path.slice(path.lastIndexOf('/') + 1)
  // Flags do not matter here, except for pip's flag that names a list of requirements.
  const kept = program.startsWith('pip') ? words : words.filter(word => !word.startsWith('-'))
  return DEPENDENCIES.some(pattern => pattern.test([program, ...kept].join(' ')))
}
