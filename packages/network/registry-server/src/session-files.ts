/**
 * The files of an upload session: a folder `ID` with
 *
 * ```
 * data        the bytes that have arrived
 * startedat   the time of its start, in the form of distribution, whose own clean-up reads it
 * lock        ours, empty; locked by the request that uses the session, in any of our servers
 * ```
 *
 * A session without `lock` was begun by another program, which does not know the lock and may write at any time, so our
 * servers do not continue it.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { attempt, errnoOf, systemError } from '@pipelayer/errors'
import { isAvailable, ofdLock } from '@pipelayer/sys'

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** True for the name of a session. */
export function isSessionID(name: string): boolean {
  return ID.test(name)
}

/** True where a session exists that one of our servers began. */
export function isSession(folder: string): boolean {
  return ['data', 'lock'].every(name => fs.existsSync(path.join(folder, name)))
}

/** Makes the files of a session. Only their owner can read them until the session becomes a blob. */
export function makeSession(folder: string, startedMs: number): void {
  attempt(`begin an upload in "${path.dirname(folder)}"`, () => {
    fs.mkdirSync(path.dirname(folder), { recursive: true, mode: 0o755 })
    fs.mkdirSync(folder, { mode: 0o700 })
    // RFC 3339 in whole seconds.
    const started = new Date(startedMs).toISOString().replace(/\.\d+Z$/, 'Z')
    fs.writeFileSync(path.join(folder, 'startedat'), started, { mode: 0o600 })
    fs.writeFileSync(path.join(folder, 'lock'), '', { mode: 0o600 })
    // The file has the mode of a blob, since it becomes one by a rename; until then the mode of the folder protects it.
    fs.writeFileSync(path.join(folder, 'data'), '', { mode: 0o644 })
  })
}

/** Removes a session, and the folder of sessions with the last one. */
export function removeSession(folder: string): void {
  attempt(`remove "${folder}"`, () => fs.rmSync(folder, { recursive: true, force: true }))
  try {
    fs.rmdirSync(path.dirname(folder))
  } catch {
    // There are other sessions.
  }
}

/**
 * Locks a session, so that no other server on the same folder writes to it. The kernel releases the lock when this
 * process dies.
 *
 * @returns a function that releases the lock; `held` while another server has it, `gone` where the session has ended
 */
export function lockSession(folder: string): (() => void) | 'held' | 'gone' {
  if (!isAvailable()) return () => undefined
  const file = path.join(folder, 'lock')
  let fd: number | undefined
  try {
    fd = fs.openSync(file, 'r+')
    const isOurs = ofdLock(fd, 'exclusive')
    // The server that had the lock may have ended the session between the opening and the locking here.
    if (isOurs && fs.statSync(file).ino === fs.fstatSync(fd).ino) {
      const taken = fd
      fd = undefined
      return () => fs.closeSync(taken)
    }
    return isOurs ? 'gone' : 'held'
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 'gone'
    throw systemError(error, `lock "${file}"`)
  } finally {
    if (fd !== undefined) fs.closeSync(fd)
  }
}

/** The time of the last write to a session, in milliseconds since 1970; 0 where it does not exist. */
export function lastWritten(session: string): number {
  const found =
    fs.statSync(path.join(session, 'data'), { throwIfNoEntry: false }) ??
    fs.statSync(session, { throwIfNoEntry: false })
  return found?.mtimeMs ?? 0
}

/** The IDs of the sessions in a folder; none where there is no folder. */
export function sessionsIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).filter(isSessionID)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}
