/**
 * The files of an upload session: a folder `ID` with
 *
 * ```
 * data        the bytes that came
 * startedat   when it began, as distribution writes it: its own cleaning reads it
 * lock        ours, empty: locked by the request that has the session, in whichever server
 * ```
 *
 * A session without `lock` was begun by another program, which knows nothing of the lock and may write whenever it
 * likes: nobody goes on with it here.
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

/** True where a session is there that servers of ours began. */
export function isSession(folder: string): boolean {
  return ['data', 'lock'].every(name => fs.existsSync(path.join(folder, name)))
}

/** Makes the files of a session, for the owner alone: only the blob that comes of it is for others. */
export function makeSession(folder: string, startedMs: number): void {
  attempt(`begin an upload in "${path.dirname(folder)}"`, () => {
    fs.mkdirSync(path.dirname(folder), { recursive: true, mode: 0o755 })
    fs.mkdirSync(folder, { mode: 0o700 })
    // RFC 3339 in whole seconds.
    const started = new Date(startedMs).toISOString().replace(/\.\d+Z$/, 'Z')
    fs.writeFileSync(path.join(folder, 'startedat'), started, { mode: 0o600 })
    fs.writeFileSync(path.join(folder, 'lock'), '', { mode: 0o600 })
    // It is renamed to become the blob, hence the mode of a blob; until then the folder keeps others out.
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
 * Takes a session, so that no other server on the same folder writes it. The kernel gives the lock back when this
 * process dies.
 *
 * @returns what gives it back; `held` while another one has it, `gone` where it has ended
 */
export function lockSession(folder: string): (() => void) | 'held' | 'gone' {
  if (!isAvailable()) return () => undefined
  const file = path.join(folder, 'lock')
  let fd: number | undefined
  try {
    fd = fs.openSync(file, 'r+')
    const isOurs = ofdLock(fd, 'exclusive')
    // Whoever had it before may have ended it between the opening and the lock.
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

/** When something was last written to a session, in milliseconds; 0 where it is gone. */
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
