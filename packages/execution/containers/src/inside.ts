/**
 * Runs shell scripts as root: either as the root that this process is, or as root of a user namespace that is made for
 * the script.
 *
 * @module
 */

import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { messageOf, ToolError } from '@pipelayer/errors'
import type { Caller } from './caller.js'
import { findProgram } from './find-program.js'
import type { IdRows } from './id-map.js'

/**
 * Runs first in the new namespace, where its ids are not mapped yet: it prints its process id, waits until the ids are
 * mapped, and then starts the shell anew, because only a program that is started as root gets root's capabilities. It
 * ends if its parent ends before the ids are mapped.
 */
const WAIT = `
printf '%d\\n' "$$" >&3
read -r go <&3 || exit 1
script=$1
shift
exec sh -c "$script" sh "$@" 3<&-`

/**
 * Begins the command line of a Node program with a mount and a pid namespace of its own, which end with it: so do all
 * its mounts, and all processes that it started.
 */
export const IN_NAMESPACES = ['unshare', '-mpf', '--kill-child', '--mount-proc', process.execPath]

export interface InsideOptions {
  /** A number is a descriptor of ours. */
  readonly stdin: 'pipe' | 'ignore' | 'inherit' | number
  readonly stdout: 'pipe' | 'ignore' | 'inherit'
  readonly env: Readonly<Record<string, string | undefined>>
  /** Gives the script a socket as descriptor 4, whose other end is `child.stdio[4]`. */
  readonly control?: true
  /** The script shares our session, so that it can use our terminal. It gets the signal of Ctrl-C then. */
  readonly sharesTerminal?: true
}

/** A script that was started. */
export interface Inside {
  readonly child: ChildProcess
  /** @throws {ToolError} `ID_MAP_FAILED`, status 75; then the script ends by itself */
  readonly entered: Promise<void>
}

/**
 * Starts a shell script with arguments, in a session of its own unless said, so that only its caller gets the signal of
 * Ctrl-C.
 */
export function startInside(
  caller: Caller,
  [script, ...args]: readonly [script: string, ...args: string[]],
  { stdin, stdout, env, control, sharesTerminal }: InsideOptions,
): Inside {
  const isMapped = caller.kind === 'user' && caller.problem === undefined
  const more = control
    ? ([isMapped ? 'pipe' : 'ignore', 'pipe'] as const)
    : isMapped
      ? (['pipe'] as const)
      : []
  const stdio: StdioOptions = [stdin, stdout, 'inherit', ...more]
  const start = (program: string, ...words: string[]): ChildProcess =>
    spawn(program, [...words, ...args], { stdio, env, detached: sharesTerminal !== true })
  const done = Promise.resolve()
  if (caller.kind !== 'user') return { child: start('sh', '-c', script, 'sh'), entered: done }
  if (!isMapped)
    return { child: start('unshare', '--user', '--map-root-user', 'sh', '-c', script, 'sh'), entered: done }
  const child = start('unshare', '--user', 'sh', '-c', WAIT, 'sh', script)
  const entered = enter(child, caller, env.PATH)
  entered.catch(() => {})
  return { child, entered }
}

async function enter(
  child: ChildProcess,
  { idMap }: Caller & { readonly kind: 'user' },
  searchPath: string | undefined,
): Promise<void> {
  const line = child.stdio[3] as Readable & Writable
  // If the process died before it asked, the end of the process reports that.
  line.on('error', () => {})
  try {
    const pid = await firstLine(line)
    if (pid === undefined) return
    await Promise.all([
      runMapper('newuidmap', [pid, ...words(idMap.uid)], searchPath),
      runMapper('newgidmap', [pid, ...words(idMap.gid)], searchPath),
    ])
    line.write('go\n')
  } finally {
    line.end()
  }
}

function words(rows: IdRows): string[] {
  return rows.flat().map(String)
}

async function firstLine(source: Readable): Promise<string | undefined> {
  let text = ''
  return await new Promise(resolve => {
    source.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes('\n')) resolve(text.trim())
    })
    source.on('close', () => resolve(undefined))
  })
}

async function runMapper(
  name: string,
  args: readonly string[],
  searchPath: string | undefined,
): Promise<void> {
  const program = findProgram(name, searchPath) ?? name
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let told = ''
  child.stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString()
  })
  const why = await new Promise<string | undefined>(resolve => {
    child.on('error', error => resolve(messageOf(error)))
    child.on('close', code =>
      resolve(code === 0 ? undefined : told.trim().split('\n').at(-1) || `status ${code}`),
    )
  })
  if (why !== undefined)
    throw new ToolError('ID_MAP_FAILED', `cannot map the ids of a user namespace: ${name}: ${why}`, {
      status: 75,
    })
}
