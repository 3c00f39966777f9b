import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import { componentsOf, PathSet, quoted, Rooted } from '@pipelayer/rootfs'
import type { ReadEntry } from '@pipelayer/tar'
import type { SplitContents, SplitTree } from '@pipelayer/tar-split'
import { explained } from './files.js'

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

  /**
   * A layer may have put a file through a symlink of its own. The engine opens it so, but relative to the root of the
   * machine; here symlinks stay inside of the layer, as they do in a container.
   *
   * @throws ToolError `PATH_ESCAPES`; `FILE_MISSING`, also for what is no regular file
   */
  open(name: string): { readonly fd: number; readonly size: number } {
    const opened = this.#open(name)
    if (opened !== undefined) return opened
    throw new ToolError('FILE_MISSING', `there is no file ${quoted(name)} in "${this.#dir}"`)
  }

  /** Whether a regular file of this size lies at a name, without a symlink on the way, so that the engine finds it too. */
  has(name: string, size: number): boolean {
    const opened = this.#open(name)
    if (opened === undefined) return false
    fs.closeSync(opened.fd)
    const real = componentsOf(name).join('/')
    return opened.size === size && this.#rooted.resolveParent(real) === real
  }

  #open(name: string): { readonly fd: number; readonly size: number } | undefined {
    try {
      return this.#rooted.openRegular(name)
    } catch (error) {
      throw explained(error, this.#dir)
    }
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
