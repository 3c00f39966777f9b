/**
 * Calls relative to an open directory, and openat2, which keeps a resolution inside a root.
 *
 * @module
 */
import { checked } from './failure.js'
import { libc } from './libc.js'
import { cPath, type Path } from './path.js'

/** Stands for the working directory where a call takes a directory. */
export const AT_FDCWD = -100
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200

/**
 * Flags that node:fs lacks; fs.constants has the others. O_PATH opens a place in the file system without its contents.
 */
export const O_PATH = 0o10000000
export const O_CLOEXEC = 0o2000000

/** How openat2 resolves. Spec: Linux openat2(2). */
export const RESOLVE = {
  NO_XDEV: 1,
  NO_MAGICLINKS: 2,
  NO_SYMLINKS: 4,
  BENEATH: 8,
  IN_ROOT: 16,
} as const

export const RENAME_NOREPLACE = 1
export const RENAME_EXCHANGE = 2

export interface OpenHow {
  /** Flags of fs.constants, and {@link O_PATH}; O_CLOEXEC is added. */
  readonly flags: number
  /** Mode of a file that O_CREAT makes. */
  readonly mode?: number
  /** Sum of {@link RESOLVE}. */
  readonly resolve: number
}

/** A time to the nanosecond. */
export interface TimeSpec {
  readonly seconds: number
  /** From 0 to 999 999 999, also before 1970. */
  readonly nanoseconds: number
}

/** The same number on every architecture. */
const SYS_OPENAT2 = 437
const HOW_SIZE = 24

/** Opens `path` below `dirfd`. The caller closes the result. ENOSYS before Linux 5.6. */
export function openat2(dirfd: number, path: Path, how: OpenHow): number {
  const bytes = Buffer.alloc(HOW_SIZE)
  writeU64(bytes, 0, BigInt(how.flags | O_CLOEXEC))
  writeU64(bytes, 8, BigInt(how.mode ?? 0))
  writeU64(bytes, 16, BigInt(how.resolve))
  const call = libc('syscall')
  const pointer = 'const void *'
  const result = call(SYS_OPENAT2, 'int', dirfd, pointer, cPath(path), pointer, bytes, 'size_t', HOW_SIZE)
  return checked(result, 'openat2', path)
}

export function openat(dirfd: number, path: Path, flags: number, mode = 0): number {
  return checked(libc('openat')(dirfd, cPath(path), flags | O_CLOEXEC, mode), 'openat', path)
}

export function mkdirat(dirfd: number, path: Path, mode: number): void {
  checked(libc('mkdirat')(dirfd, cPath(path), mode), 'mkdirat', path)
}

export function symlinkat(target: Path, dirfd: number, path: Path): void {
  checked(libc('symlinkat')(cPath(target), dirfd, cPath(path)), 'symlinkat', path)
}

/** One end of a link or a rename: a directory and a path below it. */
export interface At {
  readonly dirfd: number
  readonly path: Path
}

/** Makes `to` another name of `from`; a symlink is not followed unless `flags` has AT_SYMLINK_FOLLOW (0x400). */
export function linkat(from: At, to: At, flags = 0): void {
  checked(libc('linkat')(from.dirfd, cPath(from.path), to.dirfd, cPath(to.path), flags), 'linkat', to.path)
}

export function renameat2(from: At, to: At, flags = 0): void {
  checked(
    libc('renameat2')(from.dirfd, cPath(from.path), to.dirfd, cPath(to.path), flags),
    'renameat2',
    to.path,
  )
}

/** Renames; EEXIST where `to` is there already. */
export function renameNoReplace(from: Path, to: Path): void {
  renameat2({ dirfd: AT_FDCWD, path: from }, { dirfd: AT_FDCWD, path: to }, RENAME_NOREPLACE)
}

export function unlinkat(dirfd: number, path: Path, flags = 0): void {
  checked(libc('unlinkat')(dirfd, cPath(path), flags), 'unlinkat', path)
}

/** Sets owner and group; a symlink is not followed. */
export function lchownat(
  dirfd: number,
  path: Path,
  owner: { readonly uid: number; readonly gid: number },
): void {
  checked(libc('fchownat')(dirfd, cPath(path), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW), 'fchownat', path)
}

/** Sets the mode; a symlink is followed, since Linux cannot change the mode of one. */
export function fchmodat(dirfd: number, path: Path, mode: number): void {
  checked(libc('fchmodat')(dirfd, cPath(path), mode, 0), 'fchmodat', path)
}

export function readlinkat(dirfd: number, path: Path): Buffer {
  const buffer = Buffer.allocUnsafe(4096)
  const length = checked(libc('readlinkat')(dirfd, cPath(path), buffer, buffer.length), 'readlinkat', path)
  return buffer.subarray(0, length)
}

/** Sets access and modification time, to the nanosecond, of the entry itself: a symlink is not followed. */
export function utimensat(dirfd: number, path: Path, mtime: TimeSpec, atime: TimeSpec = mtime): void {
  const times = timesOf(mtime, atime)
  checked(libc('utimensat')(dirfd, cPath(path), times, AT_SYMLINK_NOFOLLOW), 'utimensat', path)
}

/** As {@link utimensat}, for an open file. */
export function futimens(fd: number, mtime: TimeSpec, atime: TimeSpec = mtime): void {
  checked(libc('futimens')(fd, timesOf(mtime, atime)), 'futimens')
}

/** One buffer serves all calls, which are synchronous: an allocation for each file would cost more than the call. */
const TIMES = new BigInt64Array(4)
const TIMES_BYTES = Buffer.from(TIMES.buffer)

function timesOf(mtime: TimeSpec, atime: TimeSpec): Buffer {
  TIMES[0] = BigInt(atime.seconds)
  TIMES[1] = BigInt(atime.nanoseconds)
  TIMES[2] = BigInt(mtime.seconds)
  TIMES[3] = BigInt(mtime.nanoseconds)
  return TIMES_BYTES
}

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1

function writeU64(bytes: Buffer, offset: number, value: bigint): void {
  if (LITTLE) bytes.writeBigUInt64LE(value, offset)
  else bytes.writeBigUInt64BE(value, offset)
}
