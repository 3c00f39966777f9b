import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { isAvailable, isOrphan, ofdLock, ownedName } from '@pipelayer/sys'

/** How long to wait for a lock file of another program, where the kernel's locks are not available. */
const PATIENCE_MS = 60_000
const RETRY_MS = 20

/**
 * Runs `work` while no other writer of ours holds the lock on `file`, which must exist and is never replaced.
 *
 * The lock is the kernel's (open file description), which releases it when the process ends in any way. `work` is
 * synchronous on purpose: nothing else of this program runs while the lock is held, so the program can neither deadlock
 * with itself nor hold the lock during slow network calls.
 *
 * @throws {ToolError} `LOCK_HELD`, status 75, only where libc cannot be called and a lock file stays for a minute
 */
export function withLock<T>(file: string, work: () => T): T {
  return isAvailable() ? withKernelLock(file, work) : withLockFile(`${file}.lock`, work)
}

function withKernelLock<T>(file: string, work: () => T): T {
  const fd = openForLock(file)
  try {
    ofdLock(fd, 'exclusive', { wait: true })
    return work()
  } finally {
    fs.closeSync(fd)
  }
}

function openForLock(file: string): number {
  try {
    return fs.openSync(file, 'r+')
  } catch (error) {
    throw systemError(error, `lock "${file}"`)
  }
}

function withLockFile<T>(lock: string, work: () => T): T {
  const deadline = Date.now() + PATIENCE_MS
  while (!takeLockFile(lock)) {
    if (Date.now() > deadline)
      throw new ToolError('LOCK_HELD', `cannot take the lock "${lock}": ${holder(lock)} holds it`, {
        status: 75,
      })
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS)
  }
  try {
    return work()
  } finally {
    fs.rmSync(lock, { force: true })
  }
}

function takeLockFile(lock: string): boolean {
  try {
    fs.writeFileSync(lock, ownedName('lock', '0'), { flag: 'wx' })
    return true
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw systemError(error, `lock "${lock}"`)
    // The lock is broken only when its owner is provably gone: the owner of an old lock may be waiting for a slow disk.
    if (isOrphan(holder(lock))) fs.rmSync(lock, { force: true })
    return false
  }
}

function holder(lock: string): string {
  try {
    return fs.readFileSync(lock, 'utf8')
  } catch {
    return 'somebody'
  }
}
