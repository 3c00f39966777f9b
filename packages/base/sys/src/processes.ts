/**
 * Other processes, as far as this one may look into them.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { visible } from '@pipelayer/errors'
import { majorOf, minorOf } from './device.js'
import type { MountRow } from './mount-table.js'

/** How many processes a message names. */
const MAX_NAMED = 5

/** The numbers of all processes but this one. */
export function otherProcesses(): number[] {
  return namesIn('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => pid !== process.pid)
}

/** The processes, other than this one, that `isMeant` chooses, for a message: `kf-run (pid 12)`. */
export function namedProcesses(isMeant: (pid: number) => boolean): string[] {
  const found = otherProcesses()
    .filter(isMeant)
    .map(pid => `${commandOf(pid)} (pid ${pid})`)
  return found.length > MAX_NAMED
    ? [...found.slice(0, MAX_NAMED), `and ${found.length - MAX_NAMED} more`]
    : found
}

/** Whether a process has this file open; `file` is a real path. */
export function hasOpen(pid: number, file: string): boolean {
  return namesIn(`/proc/${pid}/fd`).some(fd => linkOf(`/proc/${pid}/fd/${fd}`) === file)
}

/** Whether a process works in a mount, runs a program of it, or has one of its files open. */
export function usesMount(pid: number, { id, device }: Pick<MountRow, 'id' | 'device'>): boolean {
  const isThere = ['cwd', 'root', 'exe'].some(name => deviceOf(`/proc/${pid}/${name}`) === device)
  if (isThere) return true
  // A file that an overlay shows may have the device of a lower, so the number of the mount is compared.
  const isOpen = (fd: string): boolean =>
    new RegExp(`^mnt_id:\\s*${id}$`, 'm').test(textOf(`/proc/${pid}/fdinfo/${fd}`))
  return namesIn(`/proc/${pid}/fdinfo`).some(isOpen)
}

/** Our programs run as `node .../bin/NAME` or `node .../NAME/dist/FILE`; others show their own name. */
function commandOf(pid: number): string {
  const [program = '', script = ''] = textOf(`/proc/${pid}/cmdline`).split('\0')
  const words = (path.basename(program) === 'node' ? script : program).split('/')
  const name = words.at(-2) === 'dist' ? words.at(-3) : words.at(-1)
  return visible(name || 'a program')
}

// Processes end while they are looked at, and those of other users cannot be looked into.
function orElse<T>(value: T, look: () => T): T {
  try {
    return look()
  } catch {
    return value
  }
}

function namesIn(folder: string): string[] {
  return orElse([], () => fs.readdirSync(folder))
}

function textOf(file: string): string {
  return orElse('', () => fs.readFileSync(file, 'utf8'))
}

function linkOf(link: string): string {
  return orElse('', () => fs.readlinkSync(link))
}

function deviceOf(file: string): string {
  return orElse('', () => {
    const { dev } = fs.statSync(file, { bigint: true })
    return `${majorOf(dev)}:${minorOf(dev)}`
  })
}
