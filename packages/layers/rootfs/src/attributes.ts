/**
 * Sets owners, modes, xattrs and times of unpacked entries, in this order, since chown clears setuid and capabilities.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import {
  AT_FDCWD,
  futimens,
  isAvailable,
  llistxattr,
  lremovexattr,
  lsetxattr,
  O_PATH,
  type TimeSpec,
  utimensat,
} from '@pipelayer/sys'
import type { OwnerMap } from './ids.js'
import type { LowerEntry } from './lower-chain.js'
import { timeOf } from './time.js'
import { isOverlayPrivate, NO_XATTRS, readXattrs, type Xattrs } from './xattrs.js'

/** The attributes of an entry: everything except its content. */
export interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtime: TimeSpec
  readonly xattrs: Xattrs
}

/**
 * The attributes of a directory that has no entry of its own. Their time is fixed, since the tree must not depend on
 * when it is unpacked.
 */
export const DEFAULT_DIRECTORY: Attributes = {
  mode: 0o755,
  uid: 0,
  gid: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
  xattrs: NO_XATTRS,
}

/** The attributes of a file on disk, with the ids of the disk and all xattrs except those of overlayfs. */
export function attributesOf({ path, stat }: Pick<LowerEntry, 'path' | 'stat'>): Attributes {
  return {
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    mtime: timeOf(stat.mtimeNs),
    xattrs: isAvailable() ? readXattrs(path, name => !isOverlayPrivate(name)) : NO_XATTRS,
  }
}

const SETID_BITS = 0o6000
const PERMISSION_BITS = 0o777

/** A file that was just made and is still open. */
export interface NewFile {
  readonly fd: number
  readonly path: Buffer
  /** The mode that {@link Attributer.modeAtBirth} returned. */
  readonly mode: number
  /** Whether its owner and mode are exactly those that it was made with: see Folder.isNeutral. */
  readonly isNeutral: boolean
}

/** Sets attributes as far as the caller may, and counts those that it may not set. */
export class Attributer {
  squashedOwners = 0
  skippedXattrs = 0
  readonly #owners: OwnerMap
  /** Whether libc can be called. Finding out loads koffi, so this is made only when there is something to unpack. */
  readonly hasLibc = isAvailable()
  readonly #uid = process.geteuid?.()
  readonly #gid = process.getegid?.()
  readonly #umask = umask()

  constructor(owners: OwnerMap) {
    this.#owners = owners
  }

  /** Sets all attributes on `path`. A symlink is not followed. */
  set(path: Buffer, kind: 'symlink' | 'other', wanted: Attributes): void {
    const owner = { uid: this.#owners.uid(wanted.uid), gid: this.#owners.gid(wanted.gid) }
    this.copy(path, kind, { ...wanted, ...owner })
  }

  /** As {@link set}, with ids of the disk, which need no map. */
  copy(path: Buffer, kind: 'symlink' | 'other', wanted: Attributes): void {
    const { uid, gid } = wanted
    const isOwned = this.#chown(uid, gid, () => fs.lchownSync(path, uid, gid))
    // A set-id bit gives the rights of the owner. Where the owner could not be set, it would give those of the caller.
    if (kind !== 'symlink') changeMode(path, isOwned ? wanted.mode : wanted.mode & ~SETID_BITS)
    this.#setXattrs(path, wanted.xattrs)
    this.setTimes(path, wanted.mtime)
  }

  /** The mode to create a file with: its final mode, where the umask allows that, else one for the caller alone. */
  modeAtBirth(mode: number): number {
    return mode === (mode & PERMISSION_BITS & ~this.#umask) ? mode : 0o600
  }

  /**
   * As {@link set}, for an open file. It makes no call for attributes that the file already has, which saves two
   * microseconds of fifteen.
   */
  setNew(file: NewFile, wanted: Attributes): void {
    this.ownNew(file, wanted)
    this.#setXattrs(file.path, wanted.xattrs)
    if (this.hasLibc) futimens(file.fd, wanted.mtime)
    else this.setTimes(file.path, wanted.mtime)
  }

  /** Sets owner and mode alone. */
  ownNew(file: NewFile, wanted: Attributes): void {
    const [uid, gid] = [this.#owners.uid(wanted.uid), this.#owners.gid(wanted.gid)]
    const isAsMade = file.isNeutral && uid === this.#uid && gid === this.#gid
    const isOwned = isAsMade || this.#chown(uid, gid, () => fs.fchownSync(file.fd, uid, gid))
    const mode = isOwned ? wanted.mode : wanted.mode & ~SETID_BITS
    // A change of the owner clears only set-id bits, and no file is made with those.
    if (!file.isNeutral || mode !== file.mode) fs.fchmodSync(file.fd, mode)
  }

  /** Removes the xattrs of a directory that another layer's entry replaces. */
  clearXattrs(path: Buffer): void {
    if (!this.hasLibc) return
    for (const name of llistxattr(path)) {
      if (isOverlayPrivate(name)) continue
      try {
        lremovexattr(path, Buffer.from(name, 'latin1'))
      } catch (error) {
        if (!isDenied(error)) throw error
      }
    }
  }

  setTimes(path: Buffer, mtime: TimeSpec): void {
    if (this.hasLibc) {
      utimensat(AT_FDCWD, path, mtime)
      return
    }
    // A double cannot hold today's time to the nanosecond. It is near enough where libc cannot be called.
    const seconds = mtime.seconds + mtime.nanoseconds / 1e9
    fs.lutimesSync(path, seconds, seconds)
  }

  /** Sets the owner and returns whether that was possible. */
  #chown(uid: number, gid: number, chown: () => void): boolean {
    if (this.#uid !== 0 && uid === this.#uid && gid === this.#gid) return true
    try {
      if (this.#uid === 0) {
        chown()
        return true
      }
    } catch (error) {
      if (errnoOf(error) === 'EINVAL')
        throw new ToolError('ID_UNMAPPED', `owner ${uid}:${gid} does not exist in this user namespace`)
      if (errnoOf(error) !== 'EPERM') throw error
    }
    this.squashedOwners++
    return false
  }

  #setXattrs(path: Buffer, xattrs: Xattrs): void {
    for (const [name, value] of xattrs) {
      if (isOverlayPrivate(name) || !this.hasLibc || !trySet(path, name, value)) this.skippedXattrs++
    }
  }
}

/**
 * Changes the mode of `path`. chmod(2) would follow a symlink that another process may have put there. So the entry is
 * opened without following, and changing the mode of a symlink fails.
 */
function changeMode(path: Buffer, mode: number): void {
  const fd = fs.openSync(path, O_PATH | fs.constants.O_NOFOLLOW)
  try {
    fs.chmodSync(`/proc/self/fd/${fd}`, mode)
  } finally {
    fs.closeSync(fd)
  }
}

/** Mode bits that new files do not get. They are read from /proc, since process.umask() changes the mask to read it. */
function umask(): number {
  const text = /^Umask:\s*([0-7]+)$/m.exec(readStatus())?.[1]
  return text === undefined ? PERMISSION_BITS : Number.parseInt(text, 8)
}

function readStatus(): string {
  try {
    return fs.readFileSync('/proc/self/status', 'latin1')
  } catch {
    return ''
  }
}

function trySet(path: Buffer, name: string, value: Buffer): boolean {
  try {
    lsetxattr(path, Buffer.from(name, 'latin1'), value)
    return true
  } catch (error) {
    if (isDenied(error)) return false
    throw error
  }
}

/**
 * True for an error that is passed over, since an image must still unpack: the call is not permitted, or the file
 * system does not support it.
 */
function isDenied(error: unknown): boolean {
  return ['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'EINVAL'].includes(errnoOf(error) ?? '')
}
