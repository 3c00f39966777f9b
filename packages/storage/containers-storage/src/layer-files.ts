import { systemError, ToolError } from '@pipelayer/errors'
import { quoted, Rooted } from '@pipelayer/rootfs'
import type { SplitContents } from '@pipelayer/tar-split'
import { explained } from './explained.js'

/**
 * The files of an unpacked layer. Their names come from a list that anybody may have written, and what lies there from an
 * image that anybody may have made: no name leads out, and nothing but regular files is opened.
 */
export class LayerFiles implements SplitContents {
  readonly #rooted: Rooted
  readonly #folder: string

  private constructor(rooted: Rooted, folder: string) {
    this.#rooted = rooted
    this.#folder = folder
  }

  /** The caller closes it. @throws ToolError `ENOENT`, `EACCES` and the like */
  static open(folder: string): LayerFiles {
    try {
      return new LayerFiles(Rooted.open(folder), folder)
    } catch (error) {
      throw explained(systemError(error, `read "${folder}"`))
    }
  }

  close(): void {
    this.#rooted.close()
  }

  /** @throws ToolError `FILE_MISSING`, also for what is no regular file; `PATH_ESCAPES`; `EACCES` */
  open(name: string): { readonly fd: number; readonly size: number } {
    let opened: { readonly fd: number; readonly size: number } | undefined
    try {
      opened = this.#rooted.openRegular(name)
    } catch (error) {
      throw explained(error)
    }
    if (opened !== undefined) return opened
    throw new ToolError('FILE_MISSING', `there is no file ${quoted(name)} in "${this.#folder}"`)
  }
}
