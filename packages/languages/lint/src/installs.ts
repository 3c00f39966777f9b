/**
 * Rules on what package managers install, and how they are called.
 *
 * @module
 */

import type { Collector } from './collector.js'
import { programOf, type SimpleCommand } from './commands.js'
import { installs, type PackageCall, packageCall, removesPackages } from './package-managers.js'
import type { Run } from './run.js'

/** Packages that compile something. A library's headers have names that end in `-dev` or `-devel`. */
const BUILD_TOOLS = new Set(
  'autoconf automake bison build-base build-essential cargo clang cmake flex g++ gcc gcc-c++ golang go libtool make meson ninja-build rust'.split(
    ' ',
  ),
)
const HEADERS = /-(dev|devel)$/
/** Packages for a person at a terminal, which a program in a container has no use for. */
const FOR_PEOPLE = new Set(
  'emacs gdb htop less lsof man-db mc nano screen strace telnet tmux vim vim-tiny'.split(' '),
)
/** Packages that start and watch other services. */
const SUPERVISORS = new Set('openssh-server supervisor runit systemd sysvinit-core s6'.split(' '))

interface Around {
  /** All RUNs of the stage. */
  readonly runs: readonly Run[]
  /** What starts the container, as written; undefined where the stage's layers are not in the image. */
  readonly start: string | undefined
}

export function checkInstalls(run: Run, { runs, start }: Around, collector: Collector): void {
  checkQuestions(run, runs, collector)
  checkRecommends(run, runs, collector)
  checkTogether(run, collector)
  checkVersions(run, collector)
  if (start !== undefined) checkContents(run, start, collector)
}

const said = (runs: readonly Run[], setting: string): boolean =>
  runs.some(({ step }) => step.fields.raw.includes(setting))

function checkQuestions({ step, calls, shell }: Run, runs: readonly Run[], collector: Collector): void {
  const isFed = shell.some(({ words }) => programOf(words) === 'yes')
  if (isFed || said(runs, 'Assume-Yes') || said(runs, 'assumeyes')) return
  const asking = calls.find(({ manager, options, subcommand, operands }) => {
    const changes = manager.install.includes(subcommand) || manager.upgrade.includes(subcommand)
    const isAnswered = manager.assumeYes === undefined || options.some(one => manager.assumeYes?.test(one))
    return (
      changes &&
      !isAnswered &&
      ![...options, ...operands].some(word => /[$=]/.test(word) && /yes/i.test(word))
    )
  })
  if (asking === undefined) return
  const { program, subcommand } = asking
  const flag = program === 'zypper' ? '-n' : '-y'
  const message = `${program} ${subcommand} asks before it installs, and a build has nobody to answer: add ${flag}`
  collector.report('NonInteractiveInstall', step.fields, message)
}

function checkRecommends({ step, calls }: Run, runs: readonly Run[], collector: Collector): void {
  if (said(runs, 'Install-Recommends')) return
  const call = calls.find(
    one =>
      isApt(one) &&
      installs(one) &&
      one.operands.some(word => !isFile(word)) &&
      !one.options.some(option => /^--(no-install|install)-recommends$/.test(option)),
  )
  if (call === undefined) return
  const message = `${call.program} install takes recommended packages along: add --no-install-recommends`
  collector.report('NoInstallRecommends', step.fields, message)
}

const isApt = ({ program }: PackageCall): boolean => program === 'apt-get' || program === 'apt'
const isFile = (word: string): boolean => /^\.{0,2}\//.test(word)

/** Reports calls that stand one behind the other and differ in their packages alone. */
function checkTogether({ step, commands }: Run, collector: Collector): void {
  let count = 1
  let before: PackageCall | undefined
  let most: { readonly call: PackageCall; readonly count: number } | undefined
  for (const command of commands) {
    const call = packageCall(command)
    const isNext = call !== undefined && before !== undefined && isSameCall(before, call)
    count = isNext ? count + 1 : 1
    if (call !== undefined && isNext && count > (most?.count ?? 1)) most = { call, count }
    before = call
  }
  if (most === undefined) return
  const { program, subcommand } = most.call
  const message = `${most.count} calls of ${program} ${subcommand} could be one that names all packages`
  collector.report('InstallsTogether', step.fields, message)
}

function isSameCall(one: PackageCall, other: PackageCall): boolean {
  const settings = ({ program, subcommand, options }: PackageCall): string =>
    [program, subcommand, ...[...options].sort()].join(' ')
  return installs(one) && settings(one) === settings(other)
}

/** Reports what stays in the image although a running container has no use for it. */
function checkContents({ step, calls }: Run, start: string, collector: Collector): void {
  const names = calls.filter(installs).flatMap(({ operands }) => operands.map(nameOf))
  const report = (rule: Parameters<Collector['report']>[0], found: readonly string[], why: string): void => {
    if (found.length > 0) collector.report(rule, step.fields, `${found.join(', ')} ${why}`)
  }
  if (!calls.some(removesPackages)) {
    const tools = names.filter(name => BUILD_TOOLS.has(name) || HEADERS.test(name))
    report(
      'BuildToolsShipped',
      tools,
      'stays in the image: remove in this RUN what only the build needs, or build in a stage of its own',
    )
  }
  report(
    'InteractiveTools',
    names.filter(name => FOR_PEOPLE.has(name) && !start.includes(name)),
    'is for a person at a terminal: a debug image can have it',
  )
  report(
    'OneService',
    names.filter(name => SUPERVISORS.has(name)),
    'starts services beside the one of the container: give each a container of its own',
  )
}

/** The name of a package without its version or architecture. */
function nameOf(word: string): string {
  return word.split(/[=<>~@]/, 1)[0]?.replace(/:(any|native|[a-z0-9]+)$/, '') ?? word
}

/** Programs that install by name, and what a version looks like there. */
const VERSIONED: readonly (readonly [call: RegExp, version: RegExp])[] = [
  [/^pip3? install$/, /[=<>~]=|@|^git\+|\.(whl|tar\.gz|zip)$|\//],
  [/^npm (install|i|add)$/, /.@|\/|\.tgz$/],
  [/^yarn (add|global)$/, /.@|\//],
  [/^gem install$/, /:\d|\.gem$/],
  [/^go install$/, /@(?!latest)/],
]

function checkVersions({ step, commands, calls }: Run, collector: Collector): void {
  const loose = calls
    .filter(call => installs(call))
    .flatMap(({ operands }) =>
      operands.filter(word => !/[=<>~$*]/.test(word) && !isFile(word) && !word.startsWith('.')),
    )
  const found = [...loose, ...commands.flatMap(looseNames)]
  const [first] = found
  if (first === undefined) return
  const others = found.length > 1 ? ` and ${found.length - 1} more` : ''
  const message = `${JSON.stringify(first)}${others} has no version: it changes with time`
  collector.report('PinnedPackages', step.fields, message)
}

function looseNames(command: SimpleCommand): readonly string[] {
  const [, subcommand = '', ...words] = command
  const call = `${programOf(command)} ${subcommand}`
  const kind = VERSIONED.find(([pattern]) => pattern.test(call))
  if (
    kind === undefined ||
    words.some(word => /^(-r|--requirement|-e|--editable|-v|--version|-c)$/.test(word))
  )
    return []
  return words.filter(
    word => !word.startsWith('-') && !/[$*]/.test(word) && word !== '.' && !kind[1].test(word),
  )
}
