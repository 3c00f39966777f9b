import type { TemplateFunction } from './evaluate.js'
import { printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]

const MAX_PATTERN = 100
const MAX_TEXT = 1000
/** More repetitions could take more than the square of the text's length. */
const MAX_REPETITIONS = 2

/**
 * Functions of regular expressions. Go's take linear time; those of JavaScript do so only without groups and with few
 * repetitions, so the results of all others are unknown.
 */
export function patternFunctions(): readonly Entry[] {
  const found: TemplateFunction = values => withPattern(values, (pattern, [text = '']) => pattern.test(text))
  const first: TemplateFunction = values =>
    withPattern(values, (pattern, [text = '']) => pattern.exec(text)?.[0] ?? '')
  const replaced: TemplateFunction = values =>
    withPattern(values, (pattern, [text = '', by = '']) =>
      by.includes('$') ? UNKNOWN : text.replace(pattern, () => by),
    )
  return [
    ['regexMatch', found],
    ['mustRegexMatch', found],
    ['regexFind', first],
    ['regexReplaceAll', replaced],
    ['mustRegexReplaceAll', replaced],
    ['regexReplaceAllLiteral', replaced],
  ]
}

function withPattern(
  values: readonly Value[],
  work: (pattern: RegExp, texts: readonly string[]) => Value,
): Value {
  if (values.includes(UNKNOWN)) return UNKNOWN
  const [source = '', ...texts] = values.map(value => printed(value))
  const repetitions = source.match(/[*+?{]/g)?.length ?? 0
  const isPlain = source.length <= MAX_PATTERN && !/[()|]/.test(source) && repetitions <= MAX_REPETITIONS
  if (!isPlain || texts.some(text => text.length > MAX_TEXT)) return UNKNOWN
  try {
    return work(new RegExp(source, 'g'), texts)
  } catch {
    return UNKNOWN
  }
}
