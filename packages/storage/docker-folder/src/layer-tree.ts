import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { componentsOf, PathSet, quoted, Rooted } from '@pipelayer/rootfs'
import type { ReadEntry } from '@pipelayer/tar'
import type { SplitContents, SplitTree } from '@pipelayer/tar-split'
import { explained } from './files.js'

const { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants
const FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY

/**
 * The files of a layer, in `CACHE/diff`. Names come from a list that anybody may have written, and the files from an
 * image that anybody may have made: no name leads out of the folder, and nothing but regular files is opened.
 */
export class LayerTree implements SplitContents {
  readonly #rooted: Rooted
  readonly #dir: string

  private constructor(rooted: Rooted, dir: string) {
    this.#rooted = rooted
    this.#dir = dir
  }

  /** The caller closes it. @throws ToolError `ENOENT`, `EACCES` and the like */
  static open(dir: string): LayerTree {
    try {
      return new LayerTree(Rooted.open(dir), dir)
    } catch (error) {
      throw explained(error, dir)
    }
  }

  close(): void {
    this.#rooted.close()
  }

  /** @throws ToolError `PATH_ESCAPES`; `FILE_MISSING`, also for what is no regular file */
  open(name: string): { readonly fd: number; readonly size: number } {
    const real = componentsOf(name).join('/')
    const opened = this.#openReal(real) ?? this.#openReal(this.#resolved(real))
    if (opened !== undefined) return opened
    throw new ToolError('FILE_MISSING', `there is no file ${quoted(name)} in "${this.#dir}"`)
  }

  /** Whether a regular file of this size lies at a name, without a symlink on the way. */
  has(name: string, size: number): boolean {
    const opened = this.#openReal(componentsOf(name).join('/'))
    if (opened === undefined) return false
    fs.closeSync(opened.fd)
    return opened.size === size
  }

  // A layer may have put a file through a symlink of its own, and the engine opens it so, but relative to the root of the
  // machine. Here symlinks are resolved inside of the layer, as they are in a container.
  #resolved(name: string): string {
    return this.#rooted.resolveParent(name)
  }

  #openReal(real: string): { readonly fd: number; readonly size: number } | undefined {
    let fd: number
    try {
      fd = this.#rooted.open(real, FLAGS)
    } catch (error) {
      if (['ELOOP', 'ENOENT', 'ENOTDIR', 'ENXIO'].includes(errnoOf(error) ?? '')) return undefined
      throw explained(error, `${this.#dir}/${real}`)
    }
    const stat = fs.fstatSync(fd)
    if (stat.isFile()) return { fd, size: stat.size }
    fs.closeSync(fd)
    return undefined
  }
}

/**
 * The tree of a new layer, as the list of its headers is made.
 *
 * @throws ToolError `LAYER_UNSUPPORTED`: a path comes twice in the tar. The engine refuses to read such a list.
 */
export function treeOfNew(tree: LayerTree): SplitTree {
  const names = new PathSet()
  return {
    holds: ({ name, type, size }: ReadEntry): boolean => {
      if (!names.add(cleaned(name)))
        throw new ToolError(
          'LAYER_UNSUPPORTED',
          `entry ${quoted(name)} comes twice, which no Docker engine reads`,
        )
      return type === 'file' && size > 0 && tree.has(name, size)
    },
  }
}

/** A name as Go's filepath.Clean gives it: the engine compares names in this form, with their leading slash. */
function cleaned(name: string): string {
  const parts: string[] = []
  const isAbsolute = name.startsWith('/')
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..' || parts.at(-1) === '..' || (parts.length === 0 && !isAbsolute)) parts.push(part)
    else parts.pop()
  }
  return `${isAbsolute ? '/' : ''}${parts.join('/')}`
}
