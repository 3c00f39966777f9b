/**
 * Names inside a root directory that somebody else filled: a build context, an image's tree.
 *
 * A name is resolved as if the root were `/`: symlinks, absolute ones too, stay inside, and `..` stops at the root.
 * What is opened afterwards goes through openat2, which makes the kernel hold to the same rule even when the tree
 * changes underneath. Names are binary strings.
 *
 * @module
 */
import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { AT_FDCWD, O_PATH, openat2, RESOLVE } from '@pipelayer/sys'
import { bytesOf } from './name.js'

/** As the kernel's limit: more symlinks than this in one name are a loop. */
const MAX_SYMLINKS = 40

/**
 * A path to `name` in the directory that `fd` holds open, for node's calls; the directory itself without a name. l-calls
 * reach the entry, never what it links to: without the `.` they would reach the link that /proc has there.
 */
export function at(fd: number, name = ''): Buffer {
  return bytesOf(`/proc/self/fd/${fd}/${name === '' ? '.' : name}`)
}

/** A path to the file that `fd` holds open. */
export function openFile(fd: number): Buffer {
  return bytesOf(`/proc/self/fd/${fd}`)
}

/** `name` in words, without empty parts and `.`, `..` taken away lexically and clamped: `a/b`, or empty for the root. */
export function cleanName(name: string): string {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** An open directory that names resolve inside of. Close it. */
export class Rooted {
  readonly fd: number
  readonly shown: string

  private constructor(fd: number, shown: string) {
    this.fd = fd
    this.shown = shown
  }

  static open(dir: string): Rooted {
    const flags = O_PATH | fs.constants.O_DIRECTORY
    return new Rooted(openat2(AT_FDCWD, dir, { flags, resolve: 0 }), dir)
  }

  close(): void {
    fs.closeSync(this.fd)
  }

  /**
   * Where `name` really is: every symlink replaced, the last one too. Parts that do not exist stay as they are.
   *
   * @throws {ToolError} `SYMLINK_LOOP`
   */
  resolve(name: string): string {
    const real: string[] = []
    const rest = name.split('/')
    for (let links = 0; rest.length > 0; ) {
      const part = rest.shift() ?? ''
      if (part === '' || part === '.') continue
      if (part === '..') {
        real.pop()
        continue
      }
      const target = this.#linkAt([...real, part].join('/'))
      if (target === undefined) real.push(part)
      else if (++links > MAX_SYMLINKS) throw loop(name)
      else {
        if (target.startsWith('/')) real.length = 0
        rest.unshift(...target.split('/'))
      }
    }
    return real.join('/')
  }

  /** As {@link resolve}, but the last part is not followed. */
  resolveParent(name: string): string {
    const clean = cleanName(name)
    const slash = clean.lastIndexOf('/')
    const parent = this.resolve(clean.slice(0, Math.max(0, slash)))
    const last = clean.slice(slash + 1)
    return parent === '' ? last : `${parent}/${last}`
  }

  /** `lstat` of a resolved name; undefined where nothing is. */
  lstat(real: string): fs.BigIntStats | undefined {
    // An error costs more than the call: most of what is asked for is not there.
    return missing(() => fs.lstatSync(at(this.fd, real), { bigint: true, throwIfNoEntry: false }))
  }

  /** Opens a resolved name, no symlink followed on the way. The caller closes it. */
  open(real: string, flags: number, mode = 0): number {
    const resolve = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS
    try {
      return openat2(this.fd, bytesOf(real === '' ? '.' : real), { flags, mode, resolve })
    } catch (error) {
      // Other errors mean something to callers; this one is the user's: a folder of somebody else in its context.
      if (errnoOf(error) !== 'EACCES') throw error
      throw systemError(error, `open "/${showName(real)}" in "${this.shown}"`)
    }
  }

  openDir(real: string): number {
    return this.open(real, O_PATH | fs.constants.O_DIRECTORY)
  }

  /** The content of a regular file, or undefined where there is none. Larger than `maxBytes` is refused. */
  readFile(name: string, maxBytes: number): Buffer | undefined {
    const real = this.resolve(name)
    const stat = this.lstat(real)
    if (!stat?.isFile()) return undefined
    if (stat.size > maxBytes)
      throw new ToolError(
        'FILE_TOO_LARGE',
        `"/${showName(real)}" has ${stat.size} bytes, more than ${maxBytes}`,
      )
    const fd = this.open(real, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    try {
      // What lies at the name may be another one by now.
      return fs.fstatSync(fd).isFile() ? fs.readFileSync(fd) : undefined
    } finally {
      fs.closeSync(fd)
    }
  }

  #linkAt(name: string): string | undefined {
    try {
      return fs.readlinkSync(at(this.fd, name), 'buffer').toString('latin1')
    } catch (error) {
      // EINVAL: it is no symlink.
      if (['EINVAL', 'ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
      throw error
    }
  }
}

function missing<T>(call: () => T | undefined): T | undefined {
  try {
    return call()
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined
    throw error
  }
}

function loop(name: string): ToolError {
  return new ToolError('SYMLINK_LOOP', `"${showName(name)}" goes through more than ${MAX_SYMLINKS} symlinks`)
}
