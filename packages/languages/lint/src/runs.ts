/**
 * Rules on what RUN executes, and in which order.
 *
 * @module
 */

import type { Collector } from './collector.js'
import { programOf, type SimpleCommand } from './commands.js'
import { checkDownloaders, checkHabits } from './habits.js'
import { checkInstalls } from './installs.js'
import { checkLanguageCaches } from './language-caches.js'
import { cleansUp, installs, type PackageCall, upgradesAll } from './package-managers.js'
import { type Run, runsOf } from './run.js'
import type { Stage } from './stages.js'

const LISTS = '/var/lib/apt'

/** @param shipped - whether the stage's layers are in the image, so that their size matters */
export function checkRuns(
  stage: Stage,
  { shipped }: { readonly shipped: boolean },
  collector: Collector,
): void {
  const runs = runsOf(stage)
  const start = shipped ? startOf(stage) : undefined
  for (const run of runs) {
    checkPackages(run, collector)
    checkCd(run, collector)
    checkHabits(run, collector)
    checkInstalls(run, { runs, start }, collector)
    if (shipped) checkCleanUp(run, collector)
    if (shipped) checkLanguageCaches(run, stage.state.env, collector)
  }
  checkDownloaders(runs, collector)
  checkUpdates(runs, collector)
  checkOrder(stage, runs, collector)
}

/** CMD and ENTRYPOINT of a stage, as written. */
function startOf({ steps }: Stage): string {
  const starts = steps.filter(({ instruction: { kind } }) => kind === 'cmd' || kind === 'entrypoint')
  return starts.map(({ fields }) => fields.raw).join('\n')
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
  const lists = run.calls.find(
    call => call.program === 'apk' && call.subcommand === 'update' && !cleansUp(call, run),
  )
  const left = dirty ?? lists
  if (left === undefined) return
  const { program, subcommand, manager } = left
  const message =
    left === dirty
      ? `${program} ${subcommand} leaves its downloads in the layer: add "${manager.tidy(program)}" to this RUN`
      : 'apk update leaves its lists in the layer: apk add --no-cache needs none'
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
    const isRemote = uses.some(installsFromAfar)
    if (isRemote && !updates && !apart && !mounts.some(mount => mount.includes(LISTS))) {
      const message = 'apt-get install stands without apt-get update: it uses what lists an older layer has'
      collector.report('AptGetUpdateWithInstall', step.fields, message)
    }
  }
}

/** Whether packages of a repository are installed, and not files of the context alone. */
function installsFromAfar(call: PackageCall): boolean {
  return installs(call) && call.operands.some(word => !/^\.{0,2}\//.test(word))
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
  const isInstall = ({ commands, calls }: Run): boolean =>
    commands.some(installsDependencies) || calls.some(installsFromAfar)
  const first = runs.find(isInstall)
  if (first === undefined || steps.indexOf(first.step) < copied) return
  const line = steps[copied]?.fields.source.line
  const message = `packages are installed after the whole context was copied in line ${line}: copy the list of dependencies alone, install, then copy the rest`
  collector.report('DependenciesBeforeSources', first.step.fields, message)
}

function installsDependencies(command: SimpleCommand): boolean {
  const [, ...words] = command
  const program = programOf(command)
  // Flags do not matter here, except for pip's flag that names a list of requirements.
  const kept = program.startsWith('pip') ? words : words.filter(word => !word.startsWith('-'))
  return DEPENDENCIES.some(pattern => pattern.test([program, ...kept].join(' ')))
}
