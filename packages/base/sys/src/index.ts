/**
 * The calls of libc that Node lacks, synchronous, through koffi. The only package that calls libc.
 *
 * Importing it loads nothing; the first call does. Errors look as those of node:fs (`code`, `errno`, `syscall`,
 * `path`); where libc cannot be reached every call throws ENOSYS and {@link isAvailable} is false.
 *
 * @module
 */
import { loadKoffi } from './koffi.js'
import { isPlatformKnown } from './libc.js'

export {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  type At,
  fchmodat,
  futimens,
  lchownat,
  linkat,
  mkdirat,
  O_CLOEXEC,
  O_PATH,
  type OpenHow,
  openat,
  openat2,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RESOLVE,
  readlinkat,
  renameat2,
  renameNoReplace,
  symlinkat,
  type TimeSpec,
  unlinkat,
  utimensat,
} from './at.js'
export { majorOf, makedev, minorOf, mknod, mknodat } from './device.js'
export type { SystemCallError } from './failure.js'
export { ofdLock, ofdUnlock, pipe, pollGone, syncfs } from './file.js'
export {
  type FileStat,
  type FileState,
  fileState,
  lstatOf,
  STATE_WORDS,
  xattrNamesOf,
} from './file-stat.js'
export { type IsalOptions, isalDeflate, isalVersion } from './isal.js'
export type { Lent } from './lent.js'
export { gzipMember, libdeflateVersion } from './libdeflate.js'
export {
  MNT_DETACH,
  type MountOptions,
  MS,
  mount,
  mountNew,
  type NewMount,
  UMOUNT_NOFOLLOW,
  umount2,
} from './mount.js'
export { closeFile, createAt, writeAll } from './new-file.js'
export { isOrphan, ownedName } from './owner.js'
export type { Path } from './path.js'
export {
  openRegular,
  type RegularFile,
  type RegularFileOptions,
  readNamed,
  readRegular,
} from './regular-file.js'
export { bundledVersions } from './versions.js'
export {
  fgetxattr,
  flistxattr,
  fsetxattr,
  lgetxattr,
  llistxattr,
  lremovexattr,
  lsetxattr,
} from './xattr.js'
export { libzstdVersion, ZstdDecoder, ZstdError, zstdFrame } from './zstd.js'

/** Whether libc can be called: on 64-bit Linux with koffi installed. Loads koffi. */
export function isAvailable(): boolean {
  if (!isPlatformKnown()) return false
  try {
    loadKoffi()
    return true
  } catch {
    return false
  }
}
