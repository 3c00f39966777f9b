/**
 * Rules on single commands of a RUN that do not do in a build what they do on a machine.
 *
 * @module
 */

import type { Collector } from './collector.js'
import { programOf, type SimpleCommand } from './commands.js'
import { installs, packageCall } from './package-managers.js'
import type { RuleName } from './rules.js'
import type { Run } from './run.js'

/** Programs that show or change a running machine, or wait for a person. */
const FOR_MACHINES = new Set(
  'shutdown reboot halt poweroff top htop free ps ifconfig ssh vim vi nano less'.split(' '),
)
/** Programs that cannot fail, so that a pipe hides nothing of them. */
const CERTAIN = new Set(['echo', 'printf', 'yes', 'true', 'cat', ':'])
/** User ids from here on make the log of logins a sparse file of gigabytes. */
const HIGH_UID = 100_000

export function checkHabits(run: Run, collector: Collector): void {
  checkSudo(run, collector)
  checkMachine(run, collector)
  checkPipes(run, collector)
  const seen = new Set<RuleName>()
  for (const command of run.commands)
    for (const [rule, message] of habitsOf(command)) {
      if (!seen.has(rule)) collector.report(rule, run.step.fields, message)
      seen.add(rule)
    }
}

function checkSudo({ step, shell }: Run, collector: Collector): void {
  if (!shell.some(({ before }) => before.includes('sudo'))) return
  const message =
    'sudo changes how signals and terminals reach a program, and RUN is root already: use USER, or gosu'
  collector.report('NoSudo', step.fields, message)
}

function checkMachine({ step, commands }: Run, collector: Collector): void {
  const [program, started] = [commands.find(words => FOR_MACHINES.has(programOf(words))), commands.at(-1)]
  if (program !== undefined) {
    const message = `${programOf(program)} is for a machine and its user: it does nothing useful in a build`
    collector.report('PointlessCommand', step.fields, message)
  } else if (started !== undefined && startsService(started)) {
    const message = `what ${JSON.stringify(started.join(' '))} starts ends with this RUN: start it by CMD or ENTRYPOINT`
    collector.report('PointlessCommand', step.fields, message)
  }
}

function startsService(command: SimpleCommand): boolean {
  const [, first = '', second = ''] = command
  const program = programOf(command)
  if (program === 'systemctl') return /^(start|restart|stop|reload)$/.test(first)
  return program === 'service' && /^(start|restart|stop|reload)$/.test(second)
}

/** Reports a pipe whose first programs may fail unseen. */
function checkPipes({ step, shell, interpreter, instruction }: Run, collector: Collector): void {
  const isSet = (words: readonly string[]): boolean => words.some(word => /pipefail/.test(word))
  // In a `case`, a bar stands between patterns.
  if (isSet(interpreter) || shell.some(({ words }) => isSet(words) || programOf(words) === 'case')) return
  if (!instruction.shell) return
  const at = shell.findIndex(
    ({ piped }, index) => piped && !CERTAIN.has(programOf(shell[index - 1]?.words ?? [])),
  )
  const hidden = shell[at - 1]
  if (hidden === undefined) return
  const message = `a failure of ${programOf(hidden.words)} is hidden by the pipe behind it: begin with set -o pipefail, where the shell has it`
  collector.report('PipefailMissing', step.fields, message)
}

function* habitsOf(command: SimpleCommand): Generator<readonly [RuleName, string], void, undefined> {
  const program = programOf(command)
  const words = command.slice(1)
  if (program === 'apt' && packageCall(command) !== undefined)
    yield ['AptGetOverApt', 'apt is for people, and its options and output change: use apt-get or apt-cache']
  if (program === 'wget' && !isQuiet(words))
    yield [
      'WgetProgress',
      'wget draws its progress into the output of the build: add -q, -nv or --progress=dot:giga',
    ]
  if (program === 'useradd' && makesSparseLog(words))
    yield [
      'UseraddHighUid',
      'useradd of a high user id writes a log of gigabytes into the layer: add --no-log-init',
    ]
  if (program === 'ln' && /^(\/usr)?\/bin\/sh$/.test(words.at(-1) ?? ''))
    yield ['ShellOverLink', 'another /bin/sh changes how the scripts of all packages run: use SHELL']
}

function isQuiet(words: readonly string[]): boolean {
  return words.some(word =>
    /^(-[a-zA-Z]*q[a-zA-Z]*-?|-nv|-[a-zA-Z]*nv|--quiet|--no-verbose|--progress.*|-o.*|--output-file.*|-a|--append-output.*|--version|--help)$/.test(
      word,
    ),
  )
}

function makesSparseLog(words: readonly string[]): boolean {
  if (words.some(word => word === '--no-log-init' || /^-[a-z]*l[a-z]*$/i.test(word))) return false
  const at = words.findIndex(word => /^(-[a-z]*u|--uid)$/.test(word))
  const given = words.find(word => word.startsWith('--uid='))?.slice('--uid='.length)
  const uid = given ?? (at < 0 ? undefined : words[at + 1])
  return uid !== undefined && /^\d+$/.test(uid) && Number(uid) >= HIGH_UID
}

/** Reports once, in the later RUN, that a stage uses both wget and curl. */
export function checkDownloaders(runs: readonly Run[], collector: Collector): void {
  const usesOf = (name: string): readonly Run[] =>
    runs.filter(({ commands }) => commands.some(words => programOf(words) === name))
  const [curl] = usesOf('curl')
  const [wget] = usesOf('wget')
  if (curl === undefined || wget === undefined) {
    const both = runs.find(({ calls }) => {
      const names = calls.filter(installs).flatMap(({ operands }) => operands)
      return names.includes('curl') && names.includes('wget')
    })
    if (both !== undefined)
      collector.report(
        'CurlOrWget',
        both.step.fields,
        'curl and wget are both installed, and one of them is enough',
      )
    return
  }
  const later = runs.indexOf(curl) > runs.indexOf(wget) ? curl : wget
  collector.report(
    'CurlOrWget',
    later.step.fields,
    'the stage downloads by curl and by wget, and one of them is enough',
  )
}
