/**
 * Evaluates the few actions of Helm's templates that need no rendering: paths into the values, `default`, `quote`,
 * `printf`, and functions that leave a text as it is.
 *
 * @module
 */

import type { YAMLNode } from '@pipelayer/yaml'
import { type ChartDescription, child, isDisabled, textOf } from './chart-values.js'
import type { ValueOfAction } from './template-lines.js'

const WORD = /"(?:[^"\\]|\\.)*"|\S+/g
const SAME = new Set(['quote', 'squote', 'trim', 'toString'])

/** The value of an action; undefined for every other kind of action, and for values below `enabled: false`. */
export function actionsOf(values: YAMLNode | undefined, chart: ChartDescription): ValueOfAction {
  const term = (word: string): string | undefined => {
    if (word.startsWith('"')) return word.slice(1, -1)
    if (word === '.Chart.AppVersion') return chart.appVersion
    if (word === '.Chart.Name') return chart.name
    return /^\$?\.Values\.[\w.-]+$/.test(word) ? valueAt(values, word.split('.').slice(2)) : undefined
  }
  return action => {
    let result: string | undefined
    for (const [index, stage] of action.split('|').entries()) {
      const words = stage.match(WORD) ?? []
      result = applied(words, term, index === 0 ? undefined : { input: result })
      if (result === undefined) return undefined
    }
    return result
  }
}

type Term = (word: string) => string | undefined

function applied(
  words: readonly string[],
  term: Term,
  piped?: { input: string | undefined },
): string | undefined {
  const [head = '', ...rest] = words
  const terms = rest.map(term)
  const inputs = piped === undefined ? terms : [...terms, piped.input]
  if (inputs.includes(undefined)) return undefined
  const texts = inputs.map(String)
  if (head === 'default' && texts.length === 2) return texts[1] || texts[0]
  if (head === 'printf') return printed(texts)
  if (SAME.has(head) && texts.length === 1) return texts[0]
  return piped === undefined && rest.length === 0 ? term(head) : undefined
}

function printed([format = '', ...texts]: readonly string[]): string | undefined {
  let used = 0
  const text = format.replace(/%s/g, () => texts[used++] ?? '')
  return used === texts.length && !text.includes('%') ? text : undefined
}

function valueAt(values: YAMLNode | undefined, path: readonly string[]): string | undefined {
  let node = values
  for (const name of path) {
    if (node === undefined || (node !== values && isDisabled(node))) return undefined
    node = child(node, name)
  }
  if (node === undefined) return ''
  return node.kind === 'scalar' ? textOf(node) : undefined
}
