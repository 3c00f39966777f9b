/**
 * The two sides of a comparison: the tree that is read now, and the trees below it.
 *
 * @module
 */

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import {
  bytesOf,
  isImageXattr,
  isOverlayPrivate,
  LowerChain,
  type LowerEntry,
  lstat,
  type Merged,
  NO_XATTRS,
  quoted,
  readXattrs,
  type XattrForm,
  type Xattrs,
} from '@pipelayer/rootfs'
import { type FileStat, isAvailable, lgetxattr, llistxattr } from '@pipelayer/sys'
import { isSame } from './compare.js'
import type { Found } from './entry-fields.js'
import type { DiffOptions } from './types.js'

/** One entry of the tree that is read now. */
export interface UpperEntry extends Found {
  readonly isWhiteout: boolean
}

/** Reads both sides. Without a `form` they are plain trees. */
export class Sides {
  readonly chain: LowerChain
  readonly #form: XattrForm | undefined
  readonly #wanted: (name: string) => boolean
  readonly #hasXattrs = isAvailable()

  constructor(form: XattrForm | undefined, options: DiffOptions) {
    this.chain = new LowerChain(form)
    this.#form = form
    this.#wanted = options.allXattrs === true ? name => !isOverlayPrivate(name) : isImageXattr
    if (!this.#hasXattrs) options.onWarning?.('xattrs are left out: libc cannot be called on this system')
    // Only root can see trusted.*, and if the mark of an opaque directory were not seen, deleted files would come back.
    if (form === 'trusted' && this.#hasXattrs && process.geteuid?.() !== 0)
      throw new ToolError(
        'OVERLAY_NEEDS_ROOT',
        'only root can read an upper directory with trusted.overlay xattrs',
      )
  }

  /** The entry at a path; undefined where it was removed after the folder was listed. */
  upper(path: string): UpperEntry | undefined {
    const stat = lstat(path)
    if (stat === undefined) return undefined
    if (this.chain.isWhiteout(path, stat)) return { path, stat, xattrs: NO_XATTRS, isWhiteout: true }
    this.#refuseIndirect(path, stat)
    return { ...this.#found(path, stat), isWhiteout: false }
  }

  lower(entry: LowerEntry): Found {
    return this.#found(entry.path, entry.stat)
  }

  /** The entry of the lower side in whose place an entry of the upper side is. */
  below(dirs: Merged, name: string): LowerEntry | undefined {
    return this.chain.lookup(dirs, name)
  }

  isSame(upper: Found, lower: LowerEntry): boolean {
    return upper.stat.mode === lower.stat.mode && isSame(upper, this.lower(lower))
  }

  #found(path: string, stat: FileStat): Found {
    const found = { path, stat, xattrs: this.#xattrs(path) }
    return stat.isSymbolicLink() ? { ...found, linkname: fs.readlinkSync(bytesOf(path), 'latin1') } : found
  }

  #xattrs(path: string): Xattrs {
    return this.#hasXattrs ? readXattrs(path, this.#wanted) : NO_XATTRS
  }

  /** Refuses entries made by redirect_dir and metacopy: their contents lie at another place in the lowers. */
  #refuseIndirect(path: string, stat: FileStat): void {
    if (this.#form === undefined || !(stat.isDirectory() || stat.isFile())) return
    const names = llistxattr(bytesOf(path))
    if (names.length === 0) return
    const has = (name: string): boolean => names.includes(`${this.#form}.overlay.${name}`)
    if (has('metacopy'))
      throw indirect('OVERLAY_METACOPY', path, 'its data is not in the upper: mount with metacopy=off')
    if (!has('redirect')) return
    const to = lgetxattr(bytesOf(path), `${this.#form}.overlay.redirect`)?.toString('latin1') ?? ''
    throw indirect('OVERLAY_REDIRECT', path, `it is redirected to ${quoted(to)}: mount with redirect_dir=off`)
  }
}

function indirect(code: 'OVERLAY_METACOPY' | 'OVERLAY_REDIRECT', path: string, why: string): ToolError {
  return new ToolError(code, `cannot read the changes of ${quoted(path)}: ${why}`)
}
