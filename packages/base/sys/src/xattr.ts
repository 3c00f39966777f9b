/**
 * Extended attributes. The `l` forms act on a symlink itself, the `f` forms on an open file.
 *
 * Names are text, `user.mime_type`. A name that is not UTF-8 is possible on disk and comes as a
 * binary string (one char per byte) from {@link llistxattr}; pass it back as a Buffer.
 *
 * @module
 */
import { constants } from 'node:os'
import { errorOf, failure } from './failure.js'
import { loadKoffi } from './koffi.js'
import { libc } from './libc.js'
import { cPath, type Path } from './path.js'

/**
 * Codes that mean "no such attribute". Most files lack it, and making an error for each would cost more than the call.
 */
const { ENODATA, ENOTSUP, EOPNOTSUPP, ERANGE } = constants.errno

/**
 * The buffer for values, which grows when one does not fit. It is small at first, since the kernel allocates as much as
 * the caller offers.
 */
let scratch = Buffer.allocUnsafeSlow(1024)

/** XATTR_SIZE_MAX and XATTR_LIST_MAX of Linux. */
const LARGEST = 65536

/**
 * The value of `name` on `path`, a symlink not followed; undefined where it is not set, or the file cannot have xattrs.
 */
export function lgetxattr(path: Path, name: Path): Buffer | undefined {
  const call = libc('lgetxattr')
  const bytes = cPath(path)
  const key = cPath(name)
  return read('lgetxattr', path, (buffer, size) => call(bytes, key, buffer, size))
}

/**
 * Names of the xattrs of `path`, a symlink not followed, as binary strings; an empty list where the file cannot have
 * xattrs.
 */
export function llistxattr(path: Path): string[] {
  const call = libc('llistxattr')
  const bytes = cPath(path)
  return namesOf(read('llistxattr', path, (buffer, size) => call(bytes, buffer, size)))
}

/** Sets an xattr on `path`, a symlink not followed. */
export function lsetxattr(path: Path, name: Path, value: Buffer): void {
  if (libc('lsetxattr')(cPath(path), cPath(name), value, value.length, 0) < 0)
    throw failure('lsetxattr', path)
}

/** Removes an xattr of `path`, a symlink not followed. */
export function lremovexattr(path: Path, name: Path): void {
  if (libc('lremovexattr')(cPath(path), cPath(name)) < 0) throw failure('lremovexattr', path)
}

/** As {@link lgetxattr}, for an open file. */
export function fgetxattr(fd: number, name: Path): Buffer | undefined {
  const call = libc('fgetxattr')
  const key = cPath(name)
  return read('fgetxattr', undefined, (buffer, size) => call(fd, key, buffer, size))
}

/** As {@link llistxattr}, for an open file. */
export function flistxattr(fd: number): string[] {
  const call = libc('flistxattr')
  return namesOf(read('flistxattr', undefined, (buffer, size) => call(fd, buffer, size)))
}

/** As {@link lsetxattr}, for an open file. */
export function fsetxattr(fd: number, name: Path, value: Buffer): void {
  if (libc('fsetxattr')(fd, cPath(name), value, value.length, 0) < 0) throw failure('fsetxattr')
}

function read(
  syscall: string,
  path: Path | undefined,
  call: (buffer: Buffer, size: number) => number,
): Buffer | undefined {
  for (;;) {
    const length = call(scratch, scratch.length)
    if (length >= 0) return Buffer.from(scratch.subarray(0, length))
    const errno = loadKoffi().errno()
    if (errno === ENODATA || errno === ENOTSUP || errno === EOPNOTSUPP) return undefined
    if (errno !== ERANGE || scratch.length >= LARGEST) throw errorOf(errno, syscall, path)
    scratch = Buffer.allocUnsafeSlow(Math.min(scratch.length * 8, LARGEST))
  }
}

function namesOf(list: Buffer | undefined): string[] {
  if (list === undefined || list.length === 0) return []
  return list.toString('latin1', 0, list.length - 1).split('\0')
}
