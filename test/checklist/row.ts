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
  /** What untar refuses it with; without it the layers unpack, contained. */
  readonly code?: string
  /** What layer-pack says of the last layer, where it can know: the same code unless said; false where it takes it. */
  readonly pack?: string | false
  /** What the root has then: names as `listing` tells them, and contents of files. */
  readonly names?: readonly string[]
  readonly content?: Readonly<Record<string, string>>
  readonly check?: (root: string) => void
}
