/**
 * The charts that a chart depends on, as its Chart.yaml or requirements.yaml lists them.
 *
 * Spec: Helm, https://helm.sh/docs/topics/charts/, "Chart dependencies"
 *
 * @module
 */

import type { YAMLNode } from '@pipelayer/yaml'
import { child, textOf } from './fields.js'

export interface Dependency {
  readonly name: string
  /** The key of its values in the chart above; its name unless there is an alias. */
  readonly alias: string
  readonly condition: string
  readonly tags: readonly string[]
  readonly line: number
}

export function dependenciesOf(description: YAMLNode | undefined): readonly Dependency[] {
  const list = child(description, 'dependencies')
  if (list?.kind !== 'list') return []
  return list.items.map(item => {
    const tags = child(item, 'tags')
    return {
      name: textOf(child(item, 'name')),
      alias: textOf(child(item, 'alias')),
      condition: textOf(child(item, 'condition')),
      tags: tags?.kind === 'list' ? tags.items.map(textOf) : [],
      line: item.line,
    }
  })
}

/**
 * Whether a dependency is left out. The first path of its condition that is true or false in the values decides. If none
 * is, it is left out where `tags` of the topmost values have one of its tags, and all that they have are false.
 */
export function isLeftOut(
  { condition, tags }: Pick<Dependency, 'condition' | 'tags'>,
  { values, top }: { readonly values: YAMLNode | undefined; readonly top: YAMLNode | undefined },
): boolean {
  for (const path of condition.split(',')) {
    const names = path.trim().split('.')
    const holds = switchAt(names.reduce<YAMLNode | undefined>((at, name) => child(at, name), values))
    if (holds !== undefined) return !holds
  }
  const known = tags.map(tag => switchAt(child(child(top, 'tags'), tag))).filter(one => one !== undefined)
  return known.length > 0 && !known.includes(true)
}

function switchAt(node: YAMLNode | undefined): boolean | undefined {
  const text = node?.kind === 'scalar' && node.plain ? node.text.toLowerCase() : ''
  return text === 'true' ? true : text === 'false' ? false : undefined
}
