import fs from 'node:fs'

/**
 * Temporary names say which process owns them, so that the next one can sweep what a killed one left.
 *
 * `PREFIX.BOOT-NAMESPACE.PID.START.RANDOM`: only where boot id and pid namespace are ours does a missing pid, or one
 * that started at another time, prove that the owner has ended. Files with other names are left to garbage collection
 * by age.
 *
 * @module
 */

const NAME = /\.([0-9a-f]{8}-\d+)\.(\d+)\.(\d+)\.[0-9a-z]+$/

/** A temporary name owned by this process. `random` makes it unique within it. */
export function ownedName(prefix: string, random: string): string {
  return `${prefix}.${realm()}.${process.pid}.${startTime(process.pid) ?? '0'}.${random}`
}

/** True when the process that made this temporary name is provably gone. */
export function isOrphan(name: string): boolean {
  const match = NAME.exec(name)
  if (match === null || match[1] !== realm()) return false
  const start = startTime(Number(match[2]))
  return start === undefined || start !== match[3]
}

let known: string | undefined

/** Boot and pid namespace: within them a pid and its start time name one process. */
function realm(): string {
  if (known !== undefined) return known
  try {
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)
    const namespace = /\d+/.exec(fs.readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
    known = `${boot}-${namespace}`
  } catch {
    // Without /proc nothing can be proved, and nothing will be swept.
    known = `00000000-0`
  }
  return known
}

/** States of a process that has ended and that its parent has not asked about yet: it will never write again. */
const ENDED = new Set(['Z', 'X', 'x'])

/**
 * Clock ticks after boot at which a process began; undefined when there is none, or it has ended.
 *
 * Spec: proc_pid_stat(5), fields 3 and 22.
 */
function startTime(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The command's name may hold blanks and parentheses: count from the last one.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ENDED.has(fields[0] ?? '') ? undefined : fields[19]
  } catch {
    return undefined
  }
}
