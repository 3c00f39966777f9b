/**
 * Opens resolved names below a directory without following symlinks, even when somebody puts one on the way meanwhile.
 *
 * @module
 */
import fs from 'node:fs'
import { errnoOf } from '@pipelayer/errors'
import { O_PATH, openat2, RESOLVE } from '@pipelayer/sys'
import { bytesOf } from './name.js'

const { O_DIRECTORY, O_NOFOLLOW } = fs.constants
const NO_WAY_OUT = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS

export interface HowToOpen {
  /** Flags of fs.constants, and O_PATH. */
  readonly flags: number
  /** Mode of a file that O_CREAT makes. */
  readonly mode: number
}

/**
 * A path to `name` in the open directory `fd`, for calls of node:fs; to the directory itself without a name. A call
 * such as lstat reaches the entry itself. For the directory the path ends in `.`, since lstat would otherwise reach the
 * link in /proc.
 */
export function at(fd: number, name = ''): Buffer {
  return bytesOf(`/proc/self/fd/${fd}/${name === '' ? '.' : name}`)
}

/**
 * Opens by openat2 or, where that is missing, one component at a time. Both give the same files, and ELOOP or ENOTDIR
 * at symlinks.
 */
export class BeneathOpener {
  readonly #openat2: typeof openat2
  #isAsked = true

  /** @param call - the kernel's, except in tests of a kernel that lacks it */
  constructor(call: typeof openat2 = openat2) {
    this.#openat2 = call
  }

  /** Opens `name`, which is relative, and empty for the directory itself. The caller closes the result. */
  open(dirfd: number, name: string, how: HowToOpen): number {
    const path = name === '' ? '.' : name
    if (!this.#isAsked) return openByComponents(dirfd, path, how)
    try {
      return this.#openat2(dirfd, bytesOf(path), { ...how, resolve: NO_WAY_OUT })
    } catch (error) {
      // ENOSYS: a kernel before 5.6, or no libc. EPERM: a seccomp filter that is older than the call, or a true refusal.
      if (errnoOf(error) === 'ENOSYS') this.#isAsked = false
      else if (errnoOf(error) !== 'EPERM') throw error
      return openByComponents(dirfd, path, how)
    }
  }
}

/** Opens each directory on the way without following, so that a symlink in its place is refused. */
function openByComponents(dirfd: number, path: string, how: HowToOpen): number {
  const components = path.split('/')
  const last = components.pop() ?? '.'
  if (last === '..' || components.includes('..')) throw failed('EXDEV', path)
  let dir = dirfd
  try {
    for (const component of components) {
      const next = fs.openSync(at(dir, component), O_PATH | O_DIRECTORY | O_NOFOLLOW)
      if (dir !== dirfd) fs.closeSync(dir)
      dir = next
    }
    return openLast(at(dir, last), how)
  } finally {
    if (dir !== dirfd) fs.closeSync(dir)
  }
}

function openLast(path: Buffer, { flags, mode }: HowToOpen): number {
  const fd = fs.openSync(path, flags | O_NOFOLLOW, mode)
  // O_PATH opens the symlink itself. openat2 allows that only together with O_NOFOLLOW.
  if ((flags & O_PATH) === 0 || (flags & O_NOFOLLOW) !== 0 || !fs.fstatSync(fd).isSymbolicLink()) return fd
  fs.closeSync(fd)
  throw failed('ELOOP', path.toString('latin1'))
}

function failed(code: 'ELOOP' | 'EXDEV', path: string): Error {
  return Object.assign(new Error(`${code}: open '${path}'`), { code, syscall: 'open', path })
}
