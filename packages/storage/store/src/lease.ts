/**
 * The lease of a store: a lock on the file `lease`. Every tool of ours holds it, shared, while it works with the store;
 * garbage collection holds it alone.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { attempt, errnoOf, ToolError } from '@pipelayer/errors'
import { hasOpen, isAvailable, namedProcesses, ofdLock } from '@pipelayer/sys'

/** How often a lease that others hold is tried again. */
const RETRY_MS = 20

/** How long to wait for a lease that others hold. */
export interface Patience {
  readonly waitMs: number
  readonly signal?: AbortSignal | undefined
}

/**
 * Shares the lease with all running tools, until the process ends. Undefined where no lock can be taken, and in a
 * store on a read-only disk, which needs no lease, since nothing can be collected from it.
 */
export function shareLease(root: string): number | undefined {
  if (!isAvailable()) return undefined
  try {
    const fd = fs.openSync(leaseOf(root), 'a+', 0o644)
    ofdLock(fd, 'shared', { wait: true })
    return fd
  } catch (error) {
    if (['EACCES', 'EROFS', 'EPERM'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

/**
 * Takes the lease alone. Waits while other tools hold it, without keeping new ones from starting.
 *
 * @returns the descriptor; closing it releases the lease
 * @throws {ToolError} `STORE_BUSY`, status 75: others hold it for longer than `waitMs`; `LEASE_UNAVAILABLE` where locks
 * cannot be taken, so that nobody knows what is in use; the system's errors
 */
export async function takeLease(root: string, { waitMs, signal }: Patience): Promise<number> {
  if (!isAvailable())
    throw new ToolError(
      'LEASE_UNAVAILABLE',
      `cannot lock the store "${root}": libc cannot be called here, so nobody knows what other programs use`,
    )
  const file = leaseOf(root)
  const fd = attempt(`lock "${file}"`, () => fs.openSync(file, 'a+', 0o644))
  const deadline = Date.now() + waitMs
  try {
    while (!ofdLock(fd, 'exclusive')) {
      if (Date.now() >= deadline) throw busy(root)
      await sleep(RETRY_MS, undefined, signal === undefined ? {} : { signal })
    }
    return fd
  } catch (error) {
    fs.closeSync(fd)
    throw error
  }
}

function leaseOf(root: string): string {
  return path.join(root, 'lease')
}

function busy(root: string): ToolError {
  const file = fs.realpathSync(leaseOf(root))
  const holders = namedProcesses(pid => hasOpen(pid, file))
  const who = holders.length === 0 ? 'programs of another user or another container' : holders.join(', ')
  return new ToolError(
    'STORE_BUSY',
    `the store "${root}" is used by ${who}: try again when they have ended`,
    {
      status: 75,
    },
  )
}
