/**
 * Every prototype of libc that this package calls: a wrong one crashes the process, so all stand here.
 *
 * Paths are `const void *` so that a Buffer carries names that are not UTF-8. `ssize_t` is unknown to koffi: `long`.
 * All of them are for 64-bit Linux, where `long`, `off_t` and pointers have eight bytes.
 *
 * @module
 */
import { loadKoffi, type NativeFunction } from './koffi.js'

const PROTOTYPES = {
  lgetxattr: 'long lgetxattr(const void *path, const void *name, void *value, size_t size)',
  llistxattr: 'long llistxattr(const void *path, void *list, size_t size)',
  lsetxattr: 'int lsetxattr(const void *path, const void *name, const void *value, size_t size, int flags)',
  lremovexattr: 'int lremovexattr(const void *path, const void *name)',
  fgetxattr: 'long fgetxattr(int fd, const void *name, void *value, size_t size)',
  flistxattr: 'long flistxattr(int fd, void *list, size_t size)',
  fsetxattr: 'int fsetxattr(int fd, const void *name, const void *value, size_t size, int flags)',
  mknodat: 'int mknodat(int dirfd, const void *path, unsigned int mode, uint64_t dev)',
  statx: 'int statx(int dirfd, const void *path, int flags, unsigned int mask, void *result)',
  openat: 'int openat(int dirfd, const void *path, int flags, unsigned int mode)',
  mkdirat: 'int mkdirat(int dirfd, const void *path, unsigned int mode)',
  symlinkat: 'int symlinkat(const void *target, int dirfd, const void *path)',
  linkat: 'int linkat(int olddirfd, const void *oldpath, int newdirfd, const void *newpath, int flags)',
  unlinkat: 'int unlinkat(int dirfd, const void *path, int flags)',
  renameat2:
    'int renameat2(int olddirfd, const void *oldpath, int newdirfd, const void *newpath, unsigned int flags)',
  fchownat: 'int fchownat(int dirfd, const void *path, unsigned int uid, unsigned int gid, int flags)',
  fchmodat: 'int fchmodat(int dirfd, const void *path, unsigned int mode, int flags)',
  utimensat: 'int utimensat(int dirfd, const void *path, const void *times, int flags)',
  futimens: 'int futimens(int fd, const void *times)',
  write: 'long write(int fd, const void *bytes, size_t size)',
  close: 'int close(int fd)',
  readlinkat: 'long readlinkat(int dirfd, const void *path, void *buffer, size_t size)',
  syncfs: 'int syncfs(int fd)',
  fcntl: 'int fcntl(int fd, int command, ...)',
  flock: 'int flock(int fd, int operation)',
  pipe2: 'int pipe2(void *fds, int flags)',
  poll: 'int poll(void *fds, unsigned long count, int timeout)',
  mount:
    'int mount(const void *source, const void *target, const void *type, unsigned long flags, const void *data)',
  umount2: 'int umount2(const void *target, int flags)',
  syscall: 'long syscall(long number, ...)',
} as const

/** Name of a function this package can call. */
export type LibcName = keyof typeof PROTOTYPES

const bound = new Map<LibcName, NativeFunction>()

/** The function `name`, bound at its first use. Where libc lacks it, the result is a function that throws ENOSYS. */
export function libc(name: LibcName): NativeFunction {
  const known = bound.get(name)
  if (known !== undefined) return known
  if (!isPlatformKnown()) throw missing(name)
  let call: NativeFunction
  try {
    // null is the process itself: node is linked with the system's libc, glibc or musl.
    call = loadKoffi().load(null).func(PROTOTYPES[name])
  } catch (cause) {
    throw missing(name, cause)
  }
  bound.set(name, call)
  return call
}

/** Platforms whose structures and constants this package has. */
export function isPlatformKnown(): boolean {
  return (
    process.platform === 'linux' &&
    ['x64', 'arm64', 'riscv64', 'loong64', 'ppc64', 's390x'].includes(process.arch)
  )
}

function missing(name: string, cause?: unknown): Error {
  const error = new Error(`ENOSYS: function not implemented, ${name}`, { cause })
  return Object.assign(error, { code: 'ENOSYS', syscall: name })
}
