import { createHash } from 'node:crypto'
import type { Budget } from './budget.js'
import type { TemplateFunction } from './evaluate.js'
import { formatted } from './format.js'
import { HOLE, isList, printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]

/** A function of texts; it is unknown if one of its values is. */
function ofTexts(work: (...texts: string[]) => Value): TemplateFunction {
  return values => (values.includes(UNKNOWN) ? UNKNOWN : work(...values.map(value => printed(value))))
}

/** Texts as they are printed, quoted, indented and joined. */
export function textFunctions(budget: Budget): readonly Entry[] {
  const paid = (text: string): string => {
    budget.spend(text.length)
    return text
  }
  const indented = (width: Value, text: Value): Value => {
    if (text === UNKNOWN || width === UNKNOWN) return UNKNOWN
    const margin = ' '.repeat(Math.min(Math.max(Number(width) || 0, 0), 1000))
    const lines = printed(text).split('\n')
    budget.spend(lines.length * margin.length)
    return lines.map(line => margin + line).join('\n')
  }
  const lined = (text: Value): Value => (text === UNKNOWN ? HOLE : `\n${printed(text)}`)
  return [
    ['printf', ([format, ...values]) => paid(formatted(printed(format), values))],
    ['print', values => joinedAsPrint(values)],
    ['println', values => `${values.map(value => printed(value)).join(' ')}\n`],
    ['toString', ofTexts(text => text)],
    ['quote', values => quoted(values, '"')],
    ['squote', values => quoted(values, "'")],
    ['cat', ofTexts((...texts) => texts.filter(text => text !== '').join(' '))],
    ['indent', ([width, text]) => indented(width, text)],
    ['nindent', ([width, text]) => lined(indented(width, text))],
    ['join', ([by, list]) => joined(printed(by), list, budget)],
    ['b64enc', ofTexts(text => paid(Buffer.from(text).toString('base64')))],
    ['b64dec', ofTexts(text => Buffer.from(text, 'base64').toString())],
    ['sha256sum', ofTexts(text => createHash('sha256').update(text).digest('hex'))],
    ['int', ([value]) => integer(value)],
    ['int64', ([value]) => integer(value)],
    ['atoi', ([value]) => integer(value)],
    ['float64', ([value]) => (value === UNKNOWN ? UNKNOWN : Number(printed(value)) || 0)],
  ]
}

/** Parts of texts, and texts of which parts are changed. */
export function partFunctions(budget: Budget): readonly Entry[] {
  const replaced = (old: string, by: string, text: string): Value => {
    budget.spend(text.length * (old === '' ? by.length : by.length / old.length))
    return text.replaceAll(old, () => by)
  }
  const withoutEnd = (end: string, text: string): string =>
    end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text
  const cut = (size: number, text: string): string => (size < 0 ? text.slice(size) : text.slice(0, size))
  const between = (from: number, to: number, text: string): string =>
    text.slice(from, to < 0 ? undefined : to)
  const numbered = (all: readonly string[]): Value => new Map(all.map((part, at) => [`_${at}`, part]))
  const cased = (text: string, work: (one: string) => string): string =>
    text.replace(/(^|\s)(\S)/g, (_, gap, one) => gap + work(one))
  return [
    ['trim', ofTexts(text => text.trim())],
    ['trimAll', ofTexts((ends, text = '') => trimmed(trimmed(text, ends, 'start'), ends, 'end'))],
    ['trimSuffix', ofTexts((end, text = '') => withoutEnd(end, text))],
    ['trimPrefix', ofTexts((head, text = '') => (text.startsWith(head) ? text.slice(head.length) : text))],
    ['upper', ofTexts(text => text.toUpperCase())],
    ['lower', ofTexts(text => text.toLowerCase())],
    ['title', ofTexts(text => cased(text, one => one.toUpperCase()))],
    ['untitle', ofTexts(text => cased(text, one => one.toLowerCase()))],
    ['nospace', ofTexts(text => text.replace(/\s+/g, ''))],
    ['replace', ofTexts((old, by = '', text = '') => replaced(old, by, text))],
    ['trunc', ofTexts((size, text = '') => cut(Number(size), text))],
    ['substr', ofTexts((from, to, text = '') => between(Number(from), Number(to), text))],
    ['contains', ofTexts((part, text = '') => text.includes(part))],
    ['hasPrefix', ofTexts((head, text = '') => text.startsWith(head))],
    ['hasSuffix', ofTexts((end, text = '') => text.endsWith(end))],
    ['repeat', ofTexts((count, text = '') => repeated(Number(count), text, budget))],
    ['splitList', ofTexts((by, text = '') => parts(text, by, budget))],
    ['split', ofTexts((by, text = '') => numbered(parts(text, by, budget)))],
  ]
}

function joined(by: string, list: Value, budget: Budget): Value {
  if (!isList(list)) return list === UNKNOWN ? UNKNOWN : printed(list)
  const texts = list.map(item => printed(item))
  budget.spend(texts.reduce((sum, text) => sum + text.length + by.length, 0))
  return texts.join(by)
}

function joinedAsPrint(values: readonly Value[]): string {
  // Go's Print puts a blank between two values of which none is a text.
  return values.reduce<string>((text, value, at) => {
    const isApart = at > 0 && typeof value !== 'string' && typeof values[at - 1] !== 'string'
    return `${text}${isApart ? ' ' : ''}${printed(value)}`
  }, '')
}

function quoted(values: readonly Value[], mark: string): Value {
  const texts = values.filter(value => value !== undefined).map(value => printed(value))
  return texts.map(text => (mark === '"' ? JSON.stringify(text) : `'${text}'`)).join(' ')
}

function trimmed(text: string, cut: string, side: 'start' | 'end'): string {
  let from = 0
  let to = text.length
  if (side === 'start') while (from < to && cut.includes(text[from] ?? '')) from++
  else while (to > from && cut.includes(text[to - 1] ?? '')) to--
  return text.slice(from, to)
}

function repeated(count: number, text: string, budget: Budget): Value {
  if (!(count > 0)) return ''
  budget.spend(count * text.length)
  return text.repeat(count)
}

function parts(text: string, by: string, budget: Budget): readonly string[] {
  budget.step(text.length / Math.max(by.length, 1))
  return text.split(by)
}

function integer(value: Value): Value {
  if (value === UNKNOWN) return UNKNOWN
  if (typeof value === 'bigint') return value
  if (typeof value === 'boolean') return value ? 1n : 0n
  const text = printed(value)
  const number = Math.trunc(typeof value === 'number' ? value : /^[-+]?\d+$/.test(text) ? Number(text) : 0)
  return Number.isFinite(number) ? BigInt(number) : 0n
}
