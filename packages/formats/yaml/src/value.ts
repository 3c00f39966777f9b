/**
 * Nodes as the values of JSON.
 *
 * Plain scalars have the types of the core schema (YAML 1.2.2, 10.3.2): `null`, `true`, numbers; `yes` and `on` are
 * text.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { YAMLNode, YAMLPair } from './node.js'

/** The most nodes of one value, since aliases can make a small text large. */
const MAX_NODES = 100_000
const MAX_DEPTH = 200
const NUMBER = /^[-+]?(?:\d+|\d*\.\d+|\d+\.\d*)(?:[eE][-+]?\d+)?$/
const WORDS: ReadonlyMap<string, null | boolean> = new Map([
  ...['', '~', 'null', 'Null', 'NULL'].map(word => [word, null] as const),
  ...['true', 'True', 'TRUE'].map(word => [word, true] as const),
  ...['false', 'False', 'FALSE'].map(word => [word, false] as const),
])

/**
 * The value of a node. Aliases and merge keys (`<<`) are resolved; where a key occurs twice, the last one counts.
 *
 * @throws ToolError `YAML_TOO_LARGE` when aliases make more than 100,000 nodes or 200 levels of it, `YAML_INVALID` for
 * keys that are no text
 */
export function valueOf(node: YAMLNode, file: string): unknown {
  return new Conversion(file).convert(node, 0)
}

class Conversion {
  readonly #file: string
  #left = MAX_NODES

  constructor(file: string) {
    this.#file = file
  }

  convert(node: YAMLNode, depth: number): unknown {
    this.#count(node, depth)
    if (node.kind === 'scalar') return scalarOf(node)
    if (node.kind === 'list') return node.items.map(item => this.convert(item, depth + 1))
    const pairs = this.#merged(node, depth)
    return Object.fromEntries(
      pairs.map(([key, value]) => [this.#keyOf(key), this.convert(value, depth + 1)] as const),
    )
  }

  #count({ line }: YAMLNode, depth: number): void {
    if (this.#left-- > 0 && depth <= MAX_DEPTH) return
    const limits = `more than ${MAX_NODES} nodes or ${MAX_DEPTH} levels`
    throw new ToolError('YAML_TOO_LARGE', `${this.#file}:${line}: its aliases make ${limits}`)
  }

  /** Merged pairs come first, so that the map's own keys win. */
  #merged(node: YAMLNode, depth: number): readonly YAMLPair[] {
    this.#count(node, depth)
    if (node.kind !== 'map') throw this.#invalid(node, '<< takes maps')
    if (!node.pairs.some(isMerge)) return node.pairs
    const sources = node.pairs.filter(isMerge).flatMap(([, value]) => mergedMaps(value))
    const inherited = sources.flatMap(source => this.#merged(source, depth + 1))
    return [...inherited, ...node.pairs.filter(pair => !isMerge(pair))]
  }

  #keyOf(key: YAMLNode): string {
    if (key.kind === 'scalar') return key.text
    throw this.#invalid(key, 'a key that is no text')
  }

  #invalid({ line }: YAMLNode, what: string): ToolError {
    return new ToolError('YAML_INVALID', `${this.#file}:${line}: ${what}`)
  }
}

/** The first of several maps takes precedence, so it goes last. */
function mergedMaps(value: YAMLNode): readonly YAMLNode[] {
  return value.kind === 'list' ? [...value.items].reverse() : [value]
}

function isMerge([key]: YAMLPair): boolean {
  return key.kind === 'scalar' && key.plain && key.text === '<<'
}

function scalarOf({ text, plain }: Extract<YAMLNode, { kind: 'scalar' }>): unknown {
  if (!plain) return text
  const word = WORDS.get(text)
  if (word !== undefined) return word
  const number = Number(text)
  // A number that a double cannot hold stays text.
  return NUMBER.test(text) && Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : text
}
