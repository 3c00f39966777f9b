import fs from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** The direct children of a process, in the order of their start. */
export function childrenOf(pid: number): number[] {
  try {
    const text = fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text
      .split(' ')
      .filter(word => word !== '')
      .map(Number)
  } catch {
    return []
  }
}

/** Whether a process runs still; a zombie does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
  } catch {
    return false
  }
}

/** Polls until the condition is true; throws when it is not within the time. */
export async function waitUntil(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  for (let waitedMs = 0; !(await isSo()); waitedMs += 20) {
    if (waitedMs >= timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`)
    await delay(20)
  }
}
