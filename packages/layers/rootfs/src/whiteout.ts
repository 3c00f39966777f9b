/**
 * Recognises the names in a layer that delete other names, and decides when two entries of a layer are the same.
 *
 * Trees on disk and trees in memory follow the same rules. Spec: image-spec v1.1, layer.md, "Whiteouts".
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { PathSet } from './path-set.js'

/** Prefix of the names that delete an entry. Spec: image-spec v1.1, layer.md, "Whiteouts". */
export const WHITEOUT_PREFIX = '.wh.'
/** Name of the entry that hides all lower children of its directory. */
export const OPAQUE_NAME = '.wh..wh..opq'
/** Names at the root that begin so, the opaque marker apart, are bookkeeping of AUFS and no files of the image. */
const AUFS_PREFIX = '.wh..wh.'

/** The result of {@link hiddenBy} for the opaque marker, which hides all that lower layers have in its directory. */
export const ALL = ''

/**
 * The name that an entry hides, or {@link ALL}. Undefined for an entry that stands for itself.
 *
 * @param parents - the components of its directory
 * @throws ToolError `WHITEOUT_INVALID` where the marker names nothing, or an entry lies below a marker: the layer is
 * broken
 */
export function hiddenBy(parents: readonly string[], name: string): string | undefined {
  if (parents.some(part => part.startsWith(WHITEOUT_PREFIX)))
    throw new ToolError('WHITEOUT_INVALID', 'it lies below a whiteout')
  if (!name.startsWith(WHITEOUT_PREFIX)) return undefined
  if (name === OPAQUE_NAME) return ALL
  const hidden = name.slice(WHITEOUT_PREFIX.length)
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw new ToolError('WHITEOUT_INVALID', 'it is a whiteout of no name')
  return hidden
}

/** True for bookkeeping files of AUFS, which old layers still contain. */
export function isAufs(components: readonly string[]): boolean {
  return components[0]?.startsWith(AUFS_PREFIX) === true && components[0] !== OPAQUE_NAME
}

/**
 * The paths of one layer, with a hash of the header of each. Memory: 16 to 32 bytes for each entry.
 *
 * The specification forbids a path that comes twice. It is accepted where both entries are the same in every respect.
 */
export class SeenPaths {
  readonly #paths = new PathSet()
  readonly #headers = new PathSet()

  /**
   * `new` for the first entry of a path; for a later one `same` or `other`, by comparing its header with the first.
   *
   * @param header - all of its fields that count, as one text
   */
  see(path: string, header: string): 'new' | 'same' | 'other' {
    const isNewHeader = this.#headers.add(`${path}\0${header}`)
    if (this.#paths.add(path)) return 'new'
    return isNewHeader ? 'other' : 'same'
  }
}
