/**
 * The JSON form of arguments: `["a", "b"]`.
 *
 * @module
 */

import { trimStart } from './spaces.js'

/**
 * The strings of a JSON array.
 *
 * @param trailing - `'ignore'` takes the first array and drops what stands behind it
 * @returns `'other'` for what is no JSON array at all, `'mixed'` for an array that holds more than strings
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
  // An escape like \ud800 alone is no character; Go decodes it as U+FFFD.
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

/** Where the bracket stands that closes the first one, plus one. */
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
