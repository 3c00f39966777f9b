/**
 * Directories of the tree that a layer is unpacked into, held open.
 *
 * Every entry of such a directory is named through its descriptor, as `/proc/self/fd/N/name`. The kernel looks up only
 * the last component, so no symlink that an archive has put in the way can lead elsewhere.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { createAt, lgetxattr, O_PATH } from '@pipelayer/sys'
import type { Attributer } from './attributes.js'
import type { Merged } from './lower-chain.js'
import { bytesOf } from './name.js'
import { timeOf } from './time.js'

const OPEN = O_PATH | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW
const OWNER_BITS = 0o700
const SETGID = 0o2000
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } = fs.constants

export interface FolderOptions {
  readonly attributer: Attributer
  /** Undefined for the root. */
  readonly parent?: Folder
  /**
   * Overlay form: gives the lower directories that merge into this one; called once, when something is missing. None
   * unless given.
   */
  readonly lowers?: () => Merged
}

const NO_LOWERS: Merged = []

function nothingBelow(): Merged {
  return NO_LOWERS
}

/** One open directory. */
export class Folder {
  readonly fd: number
  readonly parent: Folder | undefined
  /** Directories above it, up to the root. */
  readonly depth: number
  /** Device and inode, which identify a directory by whatever path it was reached. */
  readonly key: string
  /** The time that is set again when the directory is closed, after entries in it have changed. */
  mtimeNs: bigint
  isTouched = false
  readonly #attributer: Attributer
  readonly #mode: number | undefined
  #isNeutral: boolean | undefined
  readonly #findLowers: () => Merged
  #lowers: Merged | undefined

  /** @throws ENOTDIR, ELOOP where `path` is no directory */
  constructor(path: Buffer, { attributer, parent, lowers = nothingBelow }: FolderOptions) {
    this.fd = fs.openSync(path, OPEN)
    this.parent = parent
    this.depth = parent === undefined ? 0 : parent.depth + 1
    this.#findLowers = lowers
    this.#attributer = attributer
    const stat = fs.fstatSync(this.fd, { bigint: true })
    this.key = `${stat.dev}:${stat.ino}`
    this.mtimeNs = stat.mtimeNs
    this.#mode = this.#makeUsable(Number(stat.mode) & 0o7777)
  }

  /** Overlay form: the lower directories that merge into this one. This may block until the layers below are whole. */
  get lowers(): Merged {
    this.#lowers ??= this.#findLowers()
    return this.#lowers
  }

  /** To be called when the directory has become opaque. */
  forgetLowers(): void {
    this.#lowers = NO_LOWERS
  }

  /** The path of an entry; of the directory itself without a name. */
  at(name = '.'): Buffer {
    return bytesOf(`/proc/self/fd/${this.fd}/${name}`)
  }

  lstat(name: string): fs.BigIntStats | undefined {
    return fs.lstatSync(this.at(name), { bigint: true, throwIfNoEntry: false })
  }

  /** Makes a file and opens it for writing. @throws EEXIST where the name is taken */
  create(name: string, mode: number): number {
    if (this.#attributer.hasLibc) return createAt(this.fd, name, mode)
    return fs.openSync(this.at(name), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode)
  }

  /**
   * Whether a new file gets the caller's group and exactly the mode that it is made with. A set-gid bit, a default ACL
   * or a mount with inherited groups would change them. This is found out once, by the first file; see
   * {@link forgetInheritance}.
   */
  isNeutral(fd: number): boolean {
    this.#isNeutral ??= this.#handsNothingOn(fd)
    return this.#isNeutral
  }

  /** To be called when attributes of a directory that may be this one have changed. */
  forgetInheritance(): void {
    this.#isNeutral = undefined
  }

  #handsNothingOn(fd: number): boolean {
    if (!this.#attributer.hasLibc || (fs.fstatSync(this.fd).mode & SETGID) !== 0) return false
    return fs.fstatSync(fd).gid === process.getegid?.() && !hasDefaultACL(this.at())
  }

  names(): string[] {
    return fs.readdirSync(this.at(), 'latin1')
  }

  /** Keeps the directory's present time as the one that is set when it is closed. */
  keepTime(): void {
    this.mtimeNs = fs.fstatSync(this.fd, { bigint: true }).mtimeNs
    this.isTouched = true
  }

  /** Sets mode and time again, and closes the directory. */
  close(): void {
    try {
      if (this.isTouched) this.#restoreTime()
      // The mode comes last, since it may remove the right to look up names in the directory, `.` included.
      if (this.#mode !== undefined) fs.chmodSync(this.at(), this.#mode)
    } finally {
      fs.closeSync(this.fd)
    }
  }

  /** Sets the time again. This may fail in a directory of another owner that the caller may only write to. */
  #restoreTime(): void {
    try {
      this.#attributer.setTimes(this.at(), timeOf(this.mtimeNs))
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error
    }
  }

  /**
   * Adds the owner's permission bits while the directory is open, since without them a caller other than root cannot
   * work in it.
   */
  #makeUsable(mode: number): number | undefined {
    if ((mode & OWNER_BITS) === OWNER_BITS || process.geteuid?.() === 0) return undefined
    try {
      // This path does not end in ".", since looking up "." in the directory may not be permitted yet.
      fs.chmodSync(`/proc/self/fd/${this.fd}`, mode | OWNER_BITS)
      return mode
    } catch (error) {
      // The directory has another owner: the call that it forbids will fail with an error of its own.
      if (errnoOf(error) !== 'EPERM') throw error
      return undefined
    }
  }
}

function hasDefaultACL(path: Buffer): boolean {
  try {
    return lgetxattr(path, 'system.posix_acl_default') !== undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOTSUP' || errnoOf(error) === 'EOPNOTSUPP') return false
    throw error
  }
}

/** The root of the tree. @throws ToolError `NEEDS_LINUX`: no other system names open directories by path */
export function openRoot(dir: string, options: FolderOptions): Folder {
  requireLinux('unpacking a layer')
  return new Folder(Buffer.from(dir), options)
}

/** @throws ToolError `NEEDS_LINUX` */
export function requireLinux(work: string): void {
  if (process.platform !== 'linux')
    throw new ToolError('NEEDS_LINUX', `${work} needs Linux, for /proc/self/fd`)
}
