/**
 * Directories of the tree that a layer is unpacked into, held open.
 *
 * Everything below one is named through its descriptor, as `/proc/self/fd/N/name`: the last component is the only one
 * that the kernel looks up, so no symlink that an archive has put in the way can lead elsewhere.
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
  /** Overlay form: what merges in from below; asked for once, when something is missing. None unless given. */
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
  /** Device and inode: what a directory is, by whatever path it was reached. */
  readonly key: string
  /** Time that it gets back when it is closed, after entries in it have changed. */
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

  /** Overlay form: what merges in from below. To find out may take until the layers below are whole. */
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
   * Whether a new file gets the caller's group and the mode it is made with: no set-gid bit, no default ACL, no mount
   * that hands on groups. Found out once, by the first file; see {@link forgetInheritance}.
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

  /** Takes the time that it has now as the one it gets back. */
  keepTime(): void {
    this.mtimeNs = fs.fstatSync(this.fd, { bigint: true }).mtimeNs
    this.isTouched = true
  }

  /** Puts mode and time back. */
  close(): void {
    try {
      if (this.isTouched) this.#restoreTime()
      // Last: it may take away the right to name what is in the directory, itself included.
      if (this.#mode !== undefined) fs.chmodSync(this.at(), this.#mode)
    } finally {
      fs.closeSync(this.fd)
    }
  }

  /** The directory may be another's that the caller may only write to: then its time is not ours to set. */
  #restoreTime(): void {
    try {
      this.#attributer.setTimes(this.at(), timeOf(this.mtimeNs))
    } catch (error) {
      if (errnoOf(error) !== 'EPERM') throw error
    }
  }

  /** Who is not root can do nothing in a directory without the owner's rights: they are lent while it is open. */
  #makeUsable(mode: number): number | undefined {
    if ((mode & OWNER_BITS) === OWNER_BITS || process.geteuid?.() === 0) return undefined
    try {
      // The descriptor's own name: to look up "." in the directory is what may not be allowed yet.
      fs.chmodSync(`/proc/self/fd/${this.fd}`, mode | OWNER_BITS)
      return mode
    } catch (error) {
      // Another's directory: what it forbids will say so.
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
