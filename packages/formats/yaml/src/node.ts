/**
 * The nodes of a YAML document.
 *
 * An alias is the same object as its anchor's node, so a document is a graph, and code that walks it must limit its
 * steps.
 *
 * @module
 */

/** A key and its value, in the order of the document. */
export type YAMLPair = readonly [key: YAMLNode, value: YAMLNode]

interface Position {
  /** From 1. */
  readonly line: number
}

export type YAMLNode =
  /** `plain`: written without quotes, so that `null` or `1` are more than text. */
  | (Position & { readonly kind: 'scalar'; readonly text: string; readonly plain: boolean })
  | (Position & { readonly kind: 'map'; readonly pairs: readonly YAMLPair[] })
  | (Position & { readonly kind: 'list'; readonly items: readonly YAMLNode[] })
