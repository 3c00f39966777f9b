/**
 * Locks, polling and flushing of open files.
 *
 * @module
 */
import { errorOf, failure } from './failure.js'
import { libc } from './libc.js'

const F_OFD_SETLK = 37
const F_OFD_SETLKW = 38
const LOCK_TYPES = { shared: 0, exclusive: 1, none: 2 } as const
const LOCK_EX = 2
const LOCK_NB = 4
const O_CLOEXEC = 0o2000000
const POLLERR = 8
const POLLHUP = 16
const POLLNVAL = 32

/**
 * Takes or changes a lock on the whole file, owned by the open file description: it is released when `fd` and its
 * duplicates are closed, also by the death of the process. `shared` needs a file open for reading, `exclusive` for
 * writing.
 *
 * @param options.wait - block the whole process until the lock is free; else return at once
 * @returns whether the lock was taken
 */
export function ofdLock(
  fd: number,
  kind: 'shared' | 'exclusive',
  options: { readonly wait?: boolean } = {},
): boolean {
  return setLock(fd, kind, options.wait ? F_OFD_SETLKW : F_OFD_SETLK)
}

/** Releases a lock that {@link ofdLock} took. */
export function ofdUnlock(fd: number): void {
  setLock(fd, 'none', F_OFD_SETLK)
}

/**
 * Takes the exclusive lock of flock(2) on an open file or directory, as Go programs do on their databases. It is
 * released as that of {@link ofdLock} is, and the kernel keeps both apart: neither sees the other.
 *
 * @param options.wait - block the whole process until the lock is free; else return at once
 * @returns whether the lock was taken
 */
export function flock(fd: number, options: { readonly wait?: boolean } = {}): boolean {
  for (;;) {
    if (libc('flock')(fd, options.wait ? LOCK_EX : LOCK_EX | LOCK_NB) >= 0) return true
    const error = failure('flock')
    if (error.code === 'EAGAIN') return false
    if (error.code !== 'EINTR') throw error
  }
}

// struct flock of 64-bit Linux, 32 bytes: l_type u16 @0, l_whence u16 @2, l_start i64 @8, l_len i64 @16, l_pid i32 @24.
// Start 0 and length 0 from SEEK_SET is the whole file; l_pid must be 0.
function setLock(fd: number, kind: keyof typeof LOCK_TYPES, command: number): boolean {
  const lock = Buffer.alloc(32)
  new Uint16Array(lock.buffer, lock.byteOffset, 1)[0] = LOCK_TYPES[kind]
  for (;;) {
    if (libc('fcntl')(fd, command, 'void *', lock) >= 0) return true
    const error = failure('fcntl')
    if (error.code === 'EAGAIN' || error.code === 'EACCES') return false
    if (error.code !== 'EINTR') throw error
  }
}

/** Whether the other end of a pipe or socket is gone, so that whatever is written to `fd` is lost. Never blocks. */
export function pollGone(fd: number): boolean {
  // struct pollfd: fd i32 @0, events i16 @4, revents i16 @6. The error bits come whatever is asked for.
  const entry = Buffer.alloc(8)
  new Int32Array(entry.buffer, entry.byteOffset, 1)[0] = fd
  if (libc('poll')(entry, 1, 0) < 0) {
    const error = failure('poll')
    if (error.code === 'EINTR') return false
    throw error
  }
  const events = new Int16Array(entry.buffer, entry.byteOffset, 4)[3] ?? 0
  if (events & POLLNVAL) throw errorOf(9, 'poll')
  return (events & (POLLERR | POLLHUP)) !== 0
}

/** A new pipe, both ends closed on exec. Node's own `pipe` is a pair of sockets, which cannot be opened as /dev/stdout. */
export function pipe(): { readonly read: number; readonly write: number } {
  // int fds[2]
  const ends = Buffer.alloc(8)
  if (libc('pipe2')(ends, O_CLOEXEC) < 0) throw failure('pipe2')
  const [read = -1, write = -1] = new Int32Array(ends.buffer, ends.byteOffset, 2)
  return { read, write }
}

/** Writes everything of the file system that holds `fd` to its disk: one call in place of an fsync per file. */
export function syncfs(fd: number): void {
  if (libc('syncfs')(fd) < 0) throw failure('syncfs')
}
