/**
 * A reference and where it stands.
 *
 * @module
 */

/**
 * What named the image: a list of containers of a pod; another field called `image`; a line that looks like one; a list of
 * images; a rendered chart; or, as a guess, a chart's values or an unrendered template.
 */
export type FoundIn = 'container' | 'image' | 'line' | 'list' | 'chart' | 'values' | 'template'

export interface FoundImage {
  /** As written. Nobody has checked that it is a reference. */
  readonly reference: string
  readonly file: string
  /** From 1; absent where a program made the text. */
  readonly line?: number
  readonly foundIn: FoundIn
  /** It may be wrong, and others may be missing: a chart was not rendered. */
  readonly guess?: true
}
