import type { YAMLNode } from '@pipelayer/yaml'

export type MapNode = Extract<YAMLNode, { kind: 'map' }>

/** The values of large maps by their keys, because a template may ask for each of them. */
const INDEXES = new WeakMap<MapNode, ReadonlyMap<string, YAMLNode>>()
const MIN_INDEXED = 16

/** The value of a key; if the key occurs twice, the last value. */
export function child(node: YAMLNode | undefined, name: string): YAMLNode | undefined {
  if (node?.kind !== 'map') return undefined
  if (node.pairs.length >= MIN_INDEXED) return indexOf(node).get(name)
  return node.pairs.findLast(([key]) => key.kind === 'scalar' && key.text === name)?.[1]
}

function indexOf(node: MapNode): ReadonlyMap<string, YAMLNode> {
  const known = INDEXES.get(node)
  if (known !== undefined) return known
  const index = new Map(
    node.pairs.flatMap(([key, value]) => (key.kind === 'scalar' ? [[key.text, value] as const] : [])),
  )
  INDEXES.set(node, index)
  return index
}

/** The text of a scalar; `''` for null and for nodes that are no scalars. */
export function textOf(node: YAMLNode | undefined): string {
  if (node?.kind !== 'scalar') return ''
  return node.plain && /^(?:~|null|)$/i.test(node.text) ? '' : node.text
}

/** Whether a switch of this name is off: `false`, as a word without quotes. */
export function isOffSwitch(node: YAMLNode | undefined): boolean {
  return node?.kind === 'scalar' && node.plain && node.text.toLowerCase() === 'false'
}
