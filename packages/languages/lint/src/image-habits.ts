/**
 * Rules on a stage as a whole, and on what the image says of itself.
 *
 * @module
 */

import { type Expansion, expand, type Instruction } from '@pipelayer/dockerfile'
import type { Collector } from './collector.js'
import { programOf, simpleCommands } from './commands.js'
import { runsOf } from './run.js'
import type { Stage, Step } from './stages.js'

const ARCHIVE = /\.(tar|tgz|tbz2?|txz)$|\.tar\.(gz|bz2|xz|zst)$/i
/** Programs that start and watch several services. */
const SUPERVISORS = new Set(['supervisord', 'runsvdir', 's6-svscan', 'monit', 'systemd'])
/** Spec: Docker's object labels, "Key format recommendations". */
const LABEL_KEY = /^[a-z0-9]([a-z0-9./_-]*[a-z0-9])?$/
const RESERVED = /^(com\.docker|io\.docker|org\.dockerproject)\./

/** Rules for every stage. */
export function checkStage(stage: Stage, collector: Collector): void {
  checkEnv(stage, collector)
  checkLabels(stage, collector)
  checkSlashes(stage, collector)
  checkDestinations(stage, collector)
  checkArchives(stage, collector)
  checkFolders(stage, collector)
}

/** Rules for a stage whose layers and settings are those of the image. */
export function checkShipped(stage: Stage, collector: Collector): void {
  checkLayers(stage, collector)
  checkStart(stage, collector)
}

/** @param shipped - the stages of the image, the last one first */
export function checkImage(shipped: readonly Stage[], collector: Collector): void {
  const steps = shipped.flatMap(({ steps }) => [...steps].reverse())
  const user = steps.find(({ instruction }) => instruction.kind === 'user')
  if (user?.instruction.kind === 'user' && /^(root|0)(:|$)/.test(user.instruction.user)) {
    const message = 'the image runs as root: end with a USER that has no more rights than the program needs'
    collector.report('LastUserRoot', user.fields, message)
  }
  const [last] = shipped
  if (last === undefined || steps.some(({ instruction }) => instruction.kind === 'healthcheck')) return
  const message = 'the image has no HEALTHCHECK: an engine knows only whether its process runs'
  collector.report('HealthcheckMissing', last.from.fields, message)
}

/** Reports `ENV a=1 b=$a`: all of its words see the values from before. */
function checkEnv({ steps }: Stage, collector: Collector): void {
  const known = new Set<string>()
  for (const { instruction, fields } of steps) {
    if (instruction.kind === 'arg') for (const { name } of instruction.args) known.add(name)
    if (instruction.kind !== 'env') continue
    const own = instruction.pairs.map(({ name }) => name)
    const late = instruction.pairs.flatMap(({ name, value }) =>
      [...variablesOf(value)].filter(used => used !== name && own.includes(used) && !known.has(used)),
    )
    for (const name of own) known.add(name)
    if (late[0] === undefined) continue
    const message = `"$${late[0]}" has its value from before this ENV: set it in an ENV above`
    collector.report('EnvSameInstruction', fields, message)
  }
}

function variablesOf(value: string): ReadonlySet<string> {
  try {
    const { matched, unmatched }: Expansion = expand(value, { env: new Map() })
    return new Set([...matched, ...unmatched])
  } catch {
    // The walk reports a value that cannot be expanded.
    return new Set()
  }
}

function checkLabels({ steps }: Stage, collector: Collector): void {
  for (const { instruction, fields } of steps) {
    if (instruction.kind !== 'label') continue
    const wrong = instruction.pairs
      .map(({ name }) => name.replace(/["']/g, ''))
      .find(name => !name.includes('$') && (!LABEL_KEY.test(name) || RESERVED.test(name)))
    if (wrong === undefined) continue
    const why = RESERVED.test(wrong)
      ? 'begins as those of Docker itself'
      : 'has other characters than a-z, 0-9, ".", "-", "_" and "/"'
    collector.report('LabelKey', fields, `the label key ${JSON.stringify(wrong)} ${why}`)
  }
}

/** Reports a folder that is not written as one. Spec: Dockerfile reference, "COPY", "Destination". */
function checkSlashes({ steps }: Stage, collector: Collector): void {
  for (const { instruction, fields } of steps) {
    if (instruction.kind !== 'copy' && instruction.kind !== 'add') continue
    const { sources, heredocs, dest } = instruction
    if (sources.length + heredocs.length < 2 || /[\\/}]$|^\$\w+$|(^|\/)\.{1,2}$/.test(dest)) continue
    const message = `several sources go to the folder ${JSON.stringify(dest)}: write ${JSON.stringify(`${dest}/`)}`
    collector.report('CopyDestinationSlash', fields, message)
  }
}

/** Reports a relative destination where no WORKDIR says what it is relative to. */
function checkDestinations(stage: Stage, collector: Collector): void {
  let outermost = stage
  for (; outermost.baseStage !== undefined; outermost = outermost.baseStage)
    if (setsWorkdir(outermost)) return
  if (outermost.base === 'scratch' || (outermost !== stage && setsWorkdir(outermost))) return
  for (const { instruction, fields } of stage.steps) {
    if (instruction.kind === 'workdir') return
    if (instruction.kind !== 'copy' && instruction.kind !== 'add') continue
    if (/^(\/|\$|[a-z]:|\\)/i.test(instruction.dest)) continue
    const shown = JSON.stringify(instruction.dest)
    const message = `the destination ${shown} is relative, and no WORKDIR above it says to what: the base image decides`
    collector.report('CopyRelativeDestination', fields, message)
    return
  }
}

const setsWorkdir = ({ steps }: Stage): boolean =>
  steps.some(({ instruction }) => instruction.kind === 'workdir')

/** Reports an archive that is copied in and unpacked afterwards, so that two layers have its content. */
function checkArchives(stage: Stage, collector: Collector): void {
  const copied = stage.steps.flatMap(step => {
    const { instruction } = step
    if (instruction.kind !== 'copy' || instruction.from !== undefined) return []
    const names = instruction.sources.filter(source => ARCHIVE.test(source)).map(source => baseOf(source))
    return names.length > 0 ? [{ step, names }] : []
  })
  if (copied.length === 0) return
  const unpacked = runsOf(stage)
    .flatMap(({ commands }) => commands)
    .filter(words => /^(bsd)?tar$/.test(programOf(words)))
    .flatMap(words => words.map(baseOf))
  for (const { step, names } of copied) {
    const name = names.find(one => unpacked.includes(one))
    if (name === undefined) continue
    const message = `${JSON.stringify(name)} is copied, then unpacked by tar: ADD does both in one layer`
    collector.report('AddForArchives', step.fields, message)
  }
}

const baseOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1)

/** Reports `RUN mkdir` of the folder that the WORKDIR behind it makes. */
function checkFolders(stage: Stage, collector: Collector): void {
  const runs = new Map(runsOf(stage).map(run => [run.step, run]))
  stage.steps.forEach((step, at) => {
    const next = stage.steps[at + 1]?.instruction
    const [words, ...others] = runs.get(step)?.commands ?? []
    if (next?.kind !== 'workdir' || words === undefined || others.length > 0 || programOf(words) !== 'mkdir')
      return
    const folders = words.slice(1).filter(word => word !== '-p')
    if (folders.length !== 1 || trimmed(folders[0]) !== trimmed(next.path)) return
    collector.report('MkdirNotNeeded', step.fields, `WORKDIR ${next.path} makes the folder itself`)
  })
}

const trimmed = (folder = ''): string => folder.replace(/(?<=.)\/+$/, '')

/** Reports RUNs one behind the other that could be one layer. */
function checkLayers(stage: Stage, collector: Collector): void {
  let group: Step[] = []
  const flush = (): void => {
    const [first] = group
    if (first !== undefined && group.length > 1) {
      const lines = group.map(({ fields }) => fields.source.line).join(', ')
      const message = `RUN in the lines ${lines} makes a layer each: joined by &&, or in a heredoc, they make one`
      collector.report('ConsecutiveRuns', first.fields, message)
    }
    group = []
  }
  for (const step of stage.steps) {
    const [first] = group
    if (first !== undefined && (!isPlainRun(step.instruction) || !haveSameFlags(first, step))) flush()
    if (isPlainRun(step.instruction)) group.push(step)
  }
  flush()
}

const isPlainRun = (instruction: Instruction): boolean =>
  instruction.kind === 'run' && instruction.shell && instruction.files.length === 0

const haveSameFlags = (one: Step, other: Step): boolean =>
  one.fields.flags.join(' ') === other.fields.flags.join(' ')

/** Reports what starts the container: above what makes it, or several services at once. */
function checkStart({ steps }: Stage, collector: Collector): void {
  steps.forEach((step, at) => {
    const { instruction, keyword, fields } = step
    if (instruction.kind !== 'cmd' && instruction.kind !== 'entrypoint') return
    const later = steps
      .slice(at + 1)
      .find(({ instruction: { kind } }) => kind === 'run' || kind === 'copy' || kind === 'add')
    if (later !== undefined) {
      const message = `${keyword} stands above the ${later.keyword} of line ${later.fields.source.line}: what starts the container is looked for at the end`
      collector.report('StartLast', fields, message)
    }
    const commands = instruction.shell ? instruction.command.flatMap(simpleCommands) : [instruction.command]
    const supervisor = commands.map(programOf).find(name => SUPERVISORS.has(name))
    if (supervisor === undefined) return
    const message = `${supervisor} starts services beside the one of the container: give each a container of its own`
    collector.report('OneService', fields, message)
  })
}
