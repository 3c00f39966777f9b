/**
 * A reference, and where it was found.
 *
 * @module
 */

/**
 * What names the image: `container`, the containers of a pod; `image`, another field of that name; `line`, a line that
 * looks like one; `list`, a list of images; `chart`, a rendered chart; or, as guesses, `values` of a chart, a
 * `template` that helm did not render, an `argument` of a container, a variable of its `environment`, the `config` of a
 * ConfigMap.
 */
export type FoundIn =
  | 'container'
  | 'image'
  | 'line'
  | 'list'
  | 'chart'
  | 'values'
  | 'template'
  | 'argument'
  | 'environment'
  | 'config'

export interface FoundImage {
  /** As written. It may not be a valid reference. */
  readonly reference: string
  readonly file: string
  /** The line, from 1; absent if a program made the text. */
  readonly line?: number
  readonly foundIn: FoundIn
  /** The rule by which it was found, as people say it. */
  readonly why?: string
  /** The image is a guess: it may be wrong, and others may be missing. */
  readonly guess?: true
}
