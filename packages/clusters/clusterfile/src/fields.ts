/**
 * Reads the fields of a document, and refuses those that nobody knows: a field that is misspelled would be left out
 * without a word.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { YAMLNode } from '@pipelayer/yaml'
import { valueOf } from '@pipelayer/yaml'

/** A map of the file, and where it stands. */
export class Fields {
  readonly #node: YAMLNode | undefined
  readonly #file: string
  /** The names that lead to it: `spec.ssh`. */
  readonly path: string

  constructor(node: YAMLNode | undefined, place: { readonly file: string; readonly path: string }) {
    this.#node = node
    this.#file = place.file
    this.path = place.path
    if (node !== undefined && node.kind !== 'map' && !isNothing(node)) throw this.error('is no map of fields')
  }

  /** @throws ToolError `CLUSTERFILE_INVALID` for another name */
  only(...names: readonly string[]): this {
    for (const [key] of this.#pairs()) {
      const name = key.kind === 'scalar' ? key.text : ''
      if (names.includes(name)) continue
      const near = names.find(one => one.toLowerCase() === name.toLowerCase())
      const meant = near === undefined ? `known are ${names.join(', ')}` : `did you mean "${near}"?`
      throw this.#invalid(key.line, `${this.#under(name)} is no field: ${meant}`)
    }
    return this
  }

  node(name: string): YAMLNode | undefined {
    const node = this.#pairs().findLast(([key]) => key.kind === 'scalar' && key.text === name)?.[1]
    return node === undefined || isNothing(node) ? undefined : node
  }

  has(name: string): boolean {
    return this.node(name) !== undefined
  }

  map(name: string): Fields {
    return new Fields(this.node(name), { file: this.#file, path: this.#under(name) })
  }

  text(name: string): string | undefined {
    const node = this.node(name)
    if (node === undefined) return undefined
    if (node.kind !== 'scalar') throw this.error('is no text', name)
    return node.text
  }

  list(name: string): readonly YAMLNode[] {
    const node = this.node(name)
    if (node === undefined) return []
    if (node.kind !== 'list') throw this.error('is no list', name)
    return node.items
  }

  /** The maps of a list. */
  maps(name: string): readonly Fields[] {
    return this.list(name).map(
      (item, at) => new Fields(item, { file: this.#file, path: `${this.#under(name)}[${at}]` }),
    )
  }

  texts(name: string): readonly string[] {
    return this.list(name).map(item => {
      if (item.kind === 'scalar') return item.text
      throw this.#invalid(item.line, `${this.#under(name)} has an item that is no text`)
    })
  }

  value(name: string): unknown {
    const node = this.node(name)
    return node === undefined ? undefined : valueOf(node, this.#file)
  }

  whole(): Readonly<Record<string, unknown>> {
    const value = this.#node === undefined ? {} : valueOf(this.#node, this.#file)
    return (value ?? {}) as Readonly<Record<string, unknown>>
  }

  error(why: string, name?: string): ToolError {
    const node = name === undefined ? this.#node : (this.node(name) ?? this.#node)
    return this.#invalid(
      node?.line,
      `${name === undefined ? this.path || 'the document' : this.#under(name)} ${why}`,
    )
  }

  #pairs(): readonly (readonly [YAMLNode, YAMLNode])[] {
    return this.#node?.kind === 'map' ? this.#node.pairs : []
  }

  #under(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`
  }

  #invalid(line: number | undefined, message: string): ToolError {
    const at = line === undefined ? '' : `:${line}`
    return new ToolError('CLUSTERFILE_INVALID', `${this.#file}${at}: ${message}`)
  }
}

function isNothing(node: YAMLNode): boolean {
  return node.kind === 'scalar' && node.plain && ['', '~', 'null'].includes(node.text)
}
