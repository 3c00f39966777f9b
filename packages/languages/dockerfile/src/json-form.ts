/**
 * The JSON form of arguments: `["a", "b"]`.
 *
 * @module
 */

import { trimStart } from './spaces.js'

/**
 * The strings of a JSON array.
 *
 * @param trailing - `'ignore'` takes the first array and drops the text behind it
 * @returns `'other'` for text that is no JSON array, `'mixed'` for an array that does not hold only strings
 */
export function parseJSONForm(
  text: string,
  trailing: 'refuse' | 'ignore' = 'refuse',
): string[] | 'other' | 'mixed' {
  const start = trimStart(text)
  if (!start.startsWith('[')) return 'other'
  const values = parseArray(trailing === 'ignore' ? start.slice(0, endOfArray(start)) : start)
  if (values === undefined) return 'other'
  const strings = values.filter(value => typeof value === 'string')
  // A lone surrogate such as \ud800 is no character; Go decodes it as U+FFFD.
  return strings.length < values.length
    ? 'mixed'
    : strings.map(value => value.replace(/\p{Surrogate}/gu, '\ufffd'))
}

function parseArray(text: string): unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The offset behind the bracket that closes the first one. */
function endOfArray(text: string): number {
  let depth = 0
  let quoted = false
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quoted) {
      if (char === '\\') at++
      else if (char === '"') quoted = false
    } else if (char === '"') quoted = true
    else if (char === '[') depth++
    else if (char === ']' && --depth === 0) return at + 1
  }
  return text.length
}
