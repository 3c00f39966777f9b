/**
 * Names inside a root directory that somebody else filled: a build context, an image's tree.
 *
 * A name is resolved as if the root were `/`: symlinks, absolute ones too, stay inside, and `..` stops at the root. The
 * resolved name is then opened without following any symlink, so that the rule holds even when the tree changes
 * meanwhile. Names are binary strings.
 *
 * @module
 */
import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { O_PATH, type openat2, type RegularFile } from '@pipelayer/sys'
import { at, BeneathOpener } from './beneath.js'
import { requireLinux } from './folder.js'
import { bytesOf, componentsOf, explained, joined } from './name.js'
import { resolveIn, type TreeView } from './resolver.js'

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
/** The errors of opening what is no regular file, or is not there. */
const NO_FILE = ['ELOOP', 'ENOENT', 'ENOTDIR', 'ENXIO']

/** A path to the file that `fd` holds open. */
export function openFile(fd: number): Buffer {
  return bytesOf(`/proc/self/fd/${fd}`)
}

/**
 * `name` cleaned by its text alone: `a/b`, or empty for the root. Empty components and `.` are dropped, each `..`
 * removes the component before it, and `..` at the root is ignored.
 */
export function cleanName(name: string): string {
  const parts: string[] = []
  for (const part of name.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

export interface RootedOptions {
  /** Replaces the kernel's call, in tests of kernels that lack it. */
  readonly openat2?: typeof openat2
}

/** A name without symlinks, and the directories that it lies in. */
interface Place {
  readonly path: string
  readonly parent: Place | undefined
}

/** An open directory inside of which names are resolved. The owner closes it. */
export class Rooted {
  readonly fd: number
  readonly shown: string

  readonly #opener: BeneathOpener
  readonly #view: TreeView<Place> = {
    root: { path: '', parent: undefined },
    parentOf: place => place.parent,
    // Everything but a symlink counts as a directory, even a missing name, since it may be made later.
    child: (place, name) => {
      const path = joined(place.path, name)
      return this.#linkAt(path) ?? { path, parent: place }
    },
  }

  private constructor(fd: number, shown: string, opener: BeneathOpener) {
    this.fd = fd
    this.shown = shown
    this.#opener = opener
  }

  /** @throws ToolError `NEEDS_LINUX`; ENOENT, ENOTDIR */
  static open(dir: string, { openat2 }: RootedOptions = {}): Rooted {
    requireLinux('looking into a root filesystem')
    const fd = fs.openSync(dir, O_PATH | fs.constants.O_DIRECTORY)
    return new Rooted(fd, dir, new BeneathOpener(openat2))
  }

  close(): void {
    fs.closeSync(this.fd)
  }

  /**
   * The real name of `name`, in which all symlinks are resolved, the last one too. Components that do not exist are
   * kept.
   *
   * @throws {ToolError} `TOO_MANY_SYMLINKS`
   */
  resolve(name: string): string {
    try {
      return resolveIn(this.#view, name.split('/'))?.path ?? ''
    } catch (error) {
      throw explained(error, `"${showName(name)}"`)
    }
  }

  /** As {@link resolve}, but the last component is not followed. */
  resolveParent(name: string): string {
    const clean = cleanName(name)
    const slash = clean.lastIndexOf('/')
    const parent = this.resolve(clean.slice(0, Math.max(0, slash)))
    const last = clean.slice(slash + 1)
    return parent === '' ? last : `${parent}/${last}`
  }

  /** `lstat` of a resolved name; undefined where nothing exists at it. */
  lstat(real: string): fs.BigIntStats | undefined {
    // Most names that are asked for do not exist, and making an error for each would cost more than the call.
    return missing(() => fs.lstatSync(at(this.fd, real), { bigint: true, throwIfNoEntry: false }))
  }

  /** Opens a resolved name, no symlink followed on the way. The caller closes it. */
  open(real: string, flags: number, mode = 0): number {
    try {
      return this.#opener.open(this.fd, real, { flags, mode })
    } catch (error) {
      // Callers handle other errors. This one is reported to the user, whose context has a folder of somebody else.
      if (errnoOf(error) !== 'EACCES') throw error
      throw systemError(error, `open "/${showName(real)}" in "${this.shown}"`)
    }
  }

  openDir(real: string): number {
    return this.open(real, O_PATH | fs.constants.O_DIRECTORY)
  }

  /**
   * Opens a regular file as an entry of a layer names it, without waiting. Symlinks on the way stay inside; the last
   * component is not followed. Undefined where there is no such file. The caller closes it.
   *
   * @throws ToolError `PATH_ESCAPES`: the name leads out of the root by its `..`; `TOO_MANY_SYMLINKS`; `EACCES`
   */
  openRegular(name: string): RegularFile | undefined {
    const real = componentsOf(name).join('/')
    // Most names have no symlink in them, and need not be resolved.
    return this.#openRegular(real) ?? this.#openRegular(this.resolveParent(real))
  }

  #openRegular(real: string): RegularFile | undefined {
    let fd: number
    try {
      fd = this.open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    } catch (error) {
      if (NO_FILE.includes(errnoOf(error) ?? '')) return undefined
      throw error
    }
    const stat = fs.fstatSync(fd)
    if (stat.isFile()) return { fd, size: stat.size }
    fs.closeSync(fd)
    return undefined
  }

  /** The content of a regular file, or undefined where there is none. A file larger than `maxBytes` is refused. */
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
      // Another file may have this name by now.
      return fs.fstatSync(fd).isFile() ? fs.readFileSync(fd) : undefined
    } finally {
      fs.closeSync(fd)
    }
  }

  #linkAt(name: string): string | undefined {
    try {
      return fs.readlinkSync(at(this.fd, name), 'buffer').toString('latin1')
    } catch (error) {
      // EINVAL means that it is no symlink.
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
