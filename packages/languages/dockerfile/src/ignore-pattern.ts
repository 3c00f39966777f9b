/**
 * One pattern of .dockerignore. A pattern that has only plain text beside a `**` is compared as text. Other patterns
 * are turned into a regular expression of Go as BuildKit does it, which does not treat the inside of a class specially.
 * So some of them have a meaning that nobody would expect: `bin\Debug` has a `\D`, any character but a digit,
 * `src\config` is refused for its `\c`, `[*]` is `[[^/]*]`, any number of `[`, `^` and slashes and a `]`, and `*|a` is
 * `^[^/]*|a$`, which everything matches.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseGlob } from './glob.js'
import { parseExpression } from './go-regexp.js'
import { quote } from './source.js'
import { matches, type Token } from './states.js'

/** Whether a path matches. */
export type PathMatcher = (path: string) => boolean

/**
 * Prepares a pattern that is clean and has no `!`. As with BuildKit an unclosed class is an error at once. A pattern
 * that only the regular expression refuses is an error when the first path is compared, so that a pattern which is
 * never needed fails no build.
 *
 * @throws {@link ToolError} `PATTERN_INVALID`; so does the function that is returned
 */
export function ignorePattern(pattern: string): PathMatcher {
  // The result is not used, only errors count: here "**" has a meaning that filepath.Match does not know.
  parseGlob(pattern)
  let prepared: PathMatcher | undefined
  return path => {
    prepared ??= prepare(pattern)
    return prepared(path)
  }
}

function prepare(pattern: string): PathMatcher {
  const { kind, source } = translate([...pattern])
  if (kind === 'exact') return path => path === pattern
  if (kind === 'prefix') return path => path.startsWith(pattern.slice(0, -2))
  if (kind === 'suffix') return suffix(pattern.slice(2))
  const alternatives = alternativesOf(pattern, source)
  return path => alternatives.some(tokens => matches(tokens, path))
}

/** Matches the text behind the two stars; where it begins with a slash, it matches whole components only. */
function suffix(text: string): PathMatcher {
  return path => path.endsWith(text) || (text.startsWith('/') && path === text.slice(1))
}

function alternativesOf(pattern: string, source: string): readonly (readonly Token[])[] {
  try {
    return parseExpression(`^${source}$`)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    throw new ToolError('PATTERN_INVALID', `pattern ${quote(pattern)}: ${error.message}`, { cause: error })
  }
}

interface Translated {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'expression'
  /** The expression between the `^` and the `$` that every one has. */
  readonly source: string
}

/**
 * Characters that BuildKit escapes to make them literal. Braces and "|" are not among them, though they were meant to
 * be: its table ends before these.
 */
const ESCAPED = /[.+()$]/

function translate(chars: readonly string[]): Translated {
  let kind: Translated['kind'] = 'exact'
  let source = ''
  for (let at = 0; at < chars.length; ) {
    const char = chars[at] ?? ''
    if (char === '*' && chars[at + 1] === '*') {
      const end = at + (chars[at + 2] === '/' ? 3 : 2)
      const isLast = end === chars.length
      if (!isLast || kind !== 'exact') source += isLast ? '.*' : '(.*/)?'
      kind = at === 0 ? 'suffix' : isLast && kind === 'exact' ? 'prefix' : 'expression'
      at = end
      continue
    }
    if ('*?[]\\'.includes(char)) kind = 'expression'
    source += one(char, chars[at + 1])
    at += char === '\\' ? 2 : 1
  }
  return { kind, source }
}

function one(char: string, next = ''): string {
  if (char === '*') return '[^/]*'
  if (char === '?') return '[^/]'
  if (char === '\\') return `\\${next}`
  return ESCAPED.test(char) ? `\\${char}` : char
}
