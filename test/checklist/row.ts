/**
 * A line of the checklist of bad inputs.
 *
 * @module
 */
import type { Item } from './archives.js'

export interface Row {
  readonly why: string
  /** Lowest first; the last one does the harm. */
  readonly layers: readonly (readonly Item[] | Buffer)[]
  /** The code with which untar refuses the layers; without it they are unpacked and do no harm. */
  readonly code?: string
  /**
   * The code with which layer-pack refuses the last layer, if it can know; the same as `code` unless said; false if it
   * accepts the layer.
   */
  readonly pack?: string | false
  /** The contents of the root afterwards: names as `listing` writes them, and contents of files. */
  readonly names?: readonly string[]
  readonly content?: Readonly<Record<string, string>>
  readonly check?: (root: string) => void
}
