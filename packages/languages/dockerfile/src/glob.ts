/**
 * The wildcards of COPY and ADD: Go's filepath.Match.
 *
 *     pattern = { "*" | "?" | class | "\" char | char }
 *     class   = "[" [ "^" ] range { range } "]"        range = item [ "-" item ], item = char | "\" char
 *
 * `*` and `?` do not match a slash; a class may. A `-` or `]` as an item needs a backslash.
 *
 * Spec: https://pkg.go.dev/path/filepath#Match
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { quote } from './source.js'
import { matches, type Token } from './states.js'

/** Any character but a slash. */
const NOT_SLASH = (char: string): boolean => char !== '/'

/**
 * Whether the pattern matches the whole name.
 *
 * @throws {@link ToolError} `PATTERN_INVALID` for an open class, an empty range, a backslash at the end
 */
export function matchGlob(pattern: string, name: string): boolean {
  return matches(parseGlob(pattern), name)
}

/** Whether a path has a character that {@link matchGlob} treats specially. */
export function hasWildcards(path: string): boolean {
  return /[*?[\\]/.test(path)
}

/** @throws {@link ToolError} `PATTERN_INVALID` */
export function parseGlob(pattern: string): Token[] {
  const chars = [...pattern]
  const tokens: Token[] = []
  for (let at = 0; at < chars.length; ) {
    const { token, end } = readToken(pattern, chars, at)
    tokens.push(token)
    at = end
  }
  return tokens
}

interface Read {
  readonly token: Token
  readonly end: number
}

/** One token of a pattern that begins at `at`. */
function readToken(pattern: string, chars: readonly string[], at: number): Read {
  const char = chars[at] ?? ''
  if (char === '*') return { token: { type: 'many', accepts: NOT_SLASH }, end: at + 1 }
  if (char === '?') return { token: { type: 'one', accepts: NOT_SLASH }, end: at + 1 }
  if (char === '[') return readClass(pattern, chars, at + 1)
  if (char !== '\\') return { token: { type: 'char', char }, end: at + 1 }
  const escaped = chars[at + 1]
  if (escaped === undefined) throw invalid(pattern, 'a backslash stands at its end')
  return { token: { type: 'char', char: escaped }, end: at + 2 }
}

function invalid(pattern: string, why: string): ToolError {
  return new ToolError('PATTERN_INVALID', `pattern ${quote(pattern)}: ${why}`)
}

function readClass(pattern: string, chars: readonly string[], start: number): Read {
  const negated = chars[start] === '^'
  const ranges: { low: number; high: number }[] = []
  let at = negated ? start + 1 : start
  while (chars[at] !== ']' || ranges.length === 0) {
    const low = readItem(pattern, chars, at)
    const high = chars[low.end] === '-' ? readItem(pattern, chars, low.end + 1) : low
    ranges.push({ low: low.code, high: high.code })
    at = high.end
  }
  const accepts = (char: string): boolean => {
    const code = char.codePointAt(0) ?? 0
    return ranges.some(({ low, high }) => low <= code && code <= high) !== negated
  }
  return { token: { type: 'one', accepts }, end: at + 1 }
}

function readItem(pattern: string, chars: readonly string[], at: number): { code: number; end: number } {
  const escaped = chars[at] === '\\'
  const char = chars[escaped ? at + 1 : at]
  if (char === undefined) throw invalid(pattern, 'a class is not closed')
  if (!escaped && (char === '-' || char === ']'))
    throw invalid(pattern, `"${char}" in a class needs a backslash`)
  return { code: char.codePointAt(0) ?? 0, end: at + (escaped ? 2 : 1) }
}
