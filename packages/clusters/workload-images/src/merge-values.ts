/**
 * Merges the values of a chart with those of another file.
 *
 * @module
 */

import type { YAMLNode, YAMLPair } from '@pipelayer/yaml'

/** Values and the file that they stand in; {@link fileOf} names the file of single nodes that come from another one. */
export interface FiledNode {
  readonly node: YAMLNode
  readonly file: string
}

/** How many maps of one chart's values are merged key by key, and how deep. Aliases can make a small text large. */
const MAX_MERGED = 10_000
const MAX_DEPTH = 50

/** The files of nodes that were merged into the values of another file. */
const FILES = new WeakMap<YAMLNode, string>()

/** The file of a node inside values that stand in `file`. */
export function fileOf(node: YAMLNode, file: string): string {
  return FILES.get(node) ?? file
}

/**
 * Merges values: maps are merged key by key, and any other value is taken from `over`; a null in `over` removes the
 * key. Beyond 10,000 maps or 50 levels, the value in `over` is taken as a whole.
 */
export function merged(under: FiledNode | undefined, over: FiledNode | undefined): FiledNode | undefined {
  if (under === undefined || over === undefined) return over ?? under
  return { node: merge(under.node, over, { left: MAX_MERGED, depth: 0 }), file: under.file }
}

interface Budget {
  left: number
  depth: number
}

function merge(under: YAMLNode, over: FiledNode, budget: Budget): YAMLNode {
  const isSpent = budget.depth > MAX_DEPTH || budget.left-- <= 0
  if (under.kind !== 'map' || over.node.kind !== 'map' || isSpent) return placed(over.node, over.file)
  budget.depth++
  const pairs = new Map<string, YAMLPair>()
  for (const pair of under.pairs) pairs.set(keyOf(pair), pair)
  for (const pair of over.node.pairs) {
    const [key, value] = pair
    const below = pairs.get(keyOf(pair))?.[1]
    const file = fileOf(value, over.file)
    if (below !== undefined && isNull(value)) pairs.delete(keyOf(pair))
    else if (below === undefined) pairs.set(keyOf(pair), [key, placed(value, file)])
    else pairs.set(keyOf(pair), [key, merge(below, { node: value, file }, budget)])
  }
  budget.depth--
  return { kind: 'map', pairs: [...pairs.values()], line: under.line }
}

function placed(node: YAMLNode, file: string): YAMLNode {
  if (!FILES.has(node)) FILES.set(node, file)
  return node
}

function keyOf([key]: YAMLPair): string {
  return key.kind === 'scalar' ? key.text : ''
}

function isNull(node: YAMLNode): boolean {
  return node.kind === 'scalar' && node.plain && /^(?:~|null|)$/i.test(node.text)
}
