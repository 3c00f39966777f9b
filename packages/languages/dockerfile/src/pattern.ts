/**
 * The patterns of `${name#pattern}` and its kin: `*` and `?` and literals, no brackets.
 *
 * `\` stands before `*`, `?` and `\` to take them literally, and before `}` and `/` to keep them from ending the
 * substitution; before anything else it is an error. Wildcards do not match a newline, as in BuildKit, which makes
 * regular expressions of them.
 *
 * A pattern for the end of a value is matched and therefore read backwards. So a lone `\` at its end escapes the
 * character before it; at the end of any other pattern it is an error.
 *
 * @module
 */

import { accepts, enter, step, type Token } from './states.js'

type PatternToken = Exclude<Token, { type: 'folders' | 'place' | 'maybe' }>

export type Pattern = readonly PatternToken[]

const NOT_NEWLINE = (char: string): boolean => char !== '\n'

/** @returns a string that says what is wrong, when the pattern is not valid */
export function parsePattern(text: string): Pattern | string {
  return parseChars([...text])
}

/** The pattern as {@link trimSuffix} takes it: its last token first. */
export function parseBackwards(text: string): Pattern | string {
  const pairs = text.match(/\\.|./gsu) ?? []
  return parseChars([...pairs.reverse().join('')])
}

function parseChars(chars: readonly string[]): Pattern | string {
  const tokens: PatternToken[] = []
  for (let at = 0; at < chars.length; at++) {
    let char = chars[at] ?? ''
    if (char === '*' || char === '?') {
      tokens.push({ type: char === '*' ? 'many' : 'one', accepts: NOT_NEWLINE })
      continue
    }
    if (char === '\\') {
      char = chars[++at] ?? ''
      if (!['*', '?', '\\', '}', '/'].includes(char)) return `invalid escape "\\${char}"`
    }
    tokens.push({ type: 'char', char })
  }
  return tokens
}

/** The end of the shortest or longest match that begins at `start`. */
function matchAt(
  pattern: Pattern,
  [chars, start]: readonly [chars: readonly string[], start: number],
  length: Length,
): number | undefined {
  let states = enter(pattern, new Set<number>(), 0)
  let end: number | undefined
  for (let at = start; ; at++) {
    if (states.has(pattern.length)) {
      end = at
      if (length === 'shortest') return end
    }
    const char = chars[at]
    if (char === undefined || states.size === 0) return end
    states = step(pattern, states, char)
  }
}

type Length = 'shortest' | 'longest'

/** `value` without the match at its head. */
export function trimPrefix(value: string, pattern: Pattern, length: Length): string {
  const chars = [...value]
  return chars.slice(matchAt(pattern, [chars, 0], length) ?? 0).join('')
}

/** `value` without the match at its end; the pattern is that of {@link parseBackwards}. */
export function trimSuffix(value: string, pattern: Pattern, length: Length): string {
  const chars = [...value].reverse()
  const end = matchAt(pattern, [chars, 0], length) ?? 0
  return chars.slice(end).reverse().join('')
}

/** `value` with its first match, or all, replaced. */
export function replaceMatches(value: string, pattern: Pattern, options: ReplaceOptions): string {
  const chars = [...value]
  const begins = matchBegins(pattern, chars)
  const out: string[] = []
  let at = 0
  let lastEnd = -1
  while (at <= chars.length) {
    const end = begins[at] === 1 ? matchAt(pattern, [chars, at], 'longest') : undefined
    // An empty match right behind another match does not count.
    if (end !== undefined && !(end === at && at === lastEnd)) {
      out.push(options.replacement(() => chars.slice(at, end).join('')))
      lastEnd = end
      if (!options.all) return out.join('') + chars.slice(end).join('')
    }
    if (end !== undefined && end > at) at = end
    else out.push(chars[at++] ?? '')
  }
  return out.join('')
}

export interface ReplaceOptions {
  /** Gives the replacement of a match; it calls `match` for the matched text only where it needs that. */
  readonly replacement: (match: () => string) => string
  readonly all: boolean
}

/**
 * Marks the characters at which a match can begin. They are found from the end backwards, so that no later search is in
 * vain.
 */
function matchBegins(pattern: Pattern, chars: readonly string[]): Uint8Array {
  const begins = new Uint8Array(chars.length + 1)
  let below = new Uint8Array(pattern.length + 1)
  for (let at = chars.length; at >= 0; at--) {
    const row = new Uint8Array(pattern.length + 1)
    row[pattern.length] = 1
    for (let state = pattern.length - 1; state >= 0; state--) {
      row[state] = canMatch(pattern[state], chars[at], { row, below, state }) ? 1 : 0
    }
    begins[at] = row[0] ?? 0
    below = row
  }
  return begins
}

function canMatch(
  token: PatternToken | undefined,
  char: string | undefined,
  { row, below, state }: { row: Uint8Array; below: Uint8Array; state: number },
): boolean {
  if (token?.type === 'many' && row[state + 1] === 1) return true
  if (token === undefined || char === undefined || !accepts(token, char)) return false
  return below[token.type === 'many' ? state : state + 1] === 1
}
