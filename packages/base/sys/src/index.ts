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
  AT_FDCWD,
  fchmodat,
  futimens,
  lchownat,
  linkat,
  O_PATH,
  openat2,
  RESOLVE,
  renameNoReplace,
  type TimeSpec,
  utimensat,
} from './at.js'
export { majorOf, makedev, minorOf, mknod, mknodat } from './device.js'
export { flock, ofdLock, pipe, pollGone, syncfs } from './file.js'
export { type FileStat, fileState, lstatOf, STATE_WORDS, xattrNamesOf } from './file-stat.js'
export { isalDeflate, isalVersion } from './isal.js'
export type { Lent } from './lent.js'
export { gzipMember, libdeflateVersion } from './libdeflate.js'
export { makeFolder } from './make-folder.js'
export { MNT_DETACH, MS, mount, UMOUNT_NOFOLLOW, umount2 } from './mount.js'
export { type MountRow, mountTable } from './mount-table.js'
export { closeFile, createAt, writeAll } from './new-file.js'
export { isOrphan, ownedName } from './owner.js'
export { hasOpen, namedProcesses, otherProcesses, usesMount } from './processes.js'
export { openRegular, type RegularFile, readNamed, readRegular } from './regular-file.js'
export { bundledVersions } from './versions.js'
export { lgetxattr, llistxattr, lremovexattr, lsetxattr } from './xattr.js'
export { libzstdVersion, ZstdDecoder, zstdFrame } from './zstd.js'

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
