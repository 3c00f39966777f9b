/**
 * Turns the command line into options.
 *
 * @module
 */
import { type Args, type OptionTable, storeOption, type ToolContext } from '@pipelayer/cli'
import { callerOf } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { defaultStorePath } from '@pipelayer/store'
import type { OvlMountOptions } from './options.js'

export const OPTIONS = {
  lower: {
    type: 'array',
    value: 'DIR[:DIR]...',
    describe: 'mount directories, in place of an image, nearest first; repeat it (\\: is a colon in a name)',
  },
  upper: {
    type: 'string',
    value: 'DIR',
    describe: 'make the mount writable: what is changed goes here; it is made if it is missing',
  },
  work: {
    type: 'string',
    value: 'DIR',
    describe: 'with --upper: work directory of overlayfs (default: UPPER.work, which goes with the mount)',
  },
  over: { type: 'boolean', describe: 'mount over a directory that is not empty, or is a mount' },
  unmount: { type: 'boolean', alias: 'u', describe: 'unmount each DIR' },
  lazy: {
    type: 'boolean',
    alias: 'l',
    describe: 'with --unmount: also if it is in use; it goes now, and ends with the last that uses it',
  },
  list: { type: 'boolean', describe: 'list what is mounted, or of it each DIR' },
  store: storeOption('where layers are unpacked, and mounts are written down'),
} as const satisfies OptionTable

export type Arguments = Args<typeof OPTIONS>

/** What stdin is: records of an image, unless directories are mounted, or nothing is. */
export function inputOf(args: Arguments): 'records' | 'none' {
  return args.lower.length > 0 || args.unmount || args.list ? 'none' : 'records'
}

/** @throws ToolError `USAGE`, `STORE_UNKNOWN`, status 2 */
export function optionsOf(args: Arguments, context: ToolContext): OvlMountOptions {
  const { env, signal, warn, now, leaveInterrupts } = context
  return {
    job: jobOf(args, env.SHELL),
    store: args.store ?? defaultStorePath(env),
    caller: callerOf(env),
    env,
    isStdinFree: inputOf(args) === 'none',
    now: now(),
    signal,
    onWarning: warn,
    onCommand: leaveInterrupts,
  }
}

function jobOf(args: Arguments, shell: string | undefined): OvlMountOptions['job'] {
  const { unmount, list, lazy, over, lower, upper, work, _: words, '--': command } = args
  if (lazy && !unmount) throw usage('--lazy needs --unmount')
  if (unmount || list) {
    if (unmount && list) throw usage('--unmount and --list exclude each other')
    const mounting = {
      '--lower': lower.length > 0,
      '--upper': upper,
      '--work': work,
      '--over': over,
      '--': command,
    }
    const wrong = Object.entries(mounting).find(([, value]) => value !== undefined && value !== false)
    if (wrong) throw usage(`${unmount ? '--unmount' : '--list'} mounts nothing: ${wrong[0]} cannot be given`)
    if (unmount && words.length === 0) throw usage('the DIR to unmount is missing')
    return unmount ? { kind: 'unmount', targets: words, lazy } : { kind: 'list', targets: words }
  }
  const [target, extra] = words.slice(0, words.length - (command?.length ?? 0))
  if (target === undefined || target === '') throw usage('the DIR to mount on is missing')
  if (extra !== undefined)
    throw usage(`unexpected argument ${JSON.stringify(extra)}: a command comes after --`)
  if (work !== undefined && upper === undefined) throw usage('--work needs --upper')
  const own = shell || '/bin/sh'
  return {
    kind: 'mount',
    target,
    over,
    ...(lower.length === 0 ? {} : { lowers: lower.flatMap(dirsIn) }),
    ...(upper === undefined ? {} : { upper, work }),
    ...(command === undefined ? {} : { command: command.length === 0 ? [own] : command }),
  }
}

/** The directories of a list as mount(8) takes it for overlays: a colon and a backslash in a name have a backslash. */
export function dirsIn(list: string): string[] {
  const names = list.match(/(?:\\[:\\]|[^:])+/g) ?? []
  if (list === '' || names.join(':') !== list)
    throw usage(`--lower has an empty name: ${JSON.stringify(list)}`)
  return names.map(name => name.replace(/\\([:\\])/g, '$1'))
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}
