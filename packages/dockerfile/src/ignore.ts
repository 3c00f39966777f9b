/**
 * `.dockerignore`: reading it, and which paths it leaves out.
 *
 *     line    = "#" comment | [ "!" ] pattern | blank
 *     pattern = filepath.Match, and "**" for any number of folders
 *
 * Patterns begin at the root of the context. The last one that matches a path, or a folder above it, decides; `!`
 * takes a path back in. What differs from BuildKit: a backslash before a letter is that letter, and `|` and `^` are
 * themselves, where beside a wildcard Go's regexp would see a class such as `\d`, an alternative, the beginning.
 *
 * Spec: https://docs.docker.com/build/concepts/context/#dockerignore-files, moby/patternmatcher
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseGlob, readToken } from './glob.js'
import { decodeSource } from './source.js'
import { trim } from './spaces.js'
import { matches, type Token } from './states.js'

/** The patterns of an ignore file: comments and blank lines dropped, paths cleaned, a leading slash removed. */
export function parseIgnore(source: string | Uint8Array): readonly string[] {
  const text = typeof source === 'string' ? source.replace(/^\ufeff/, '') : decodeSource(source)
  return text
    .split(/\r?\n/)
    .filter(line => !line.startsWith('#'))
    .map(trim)
    .filter(line => line !== '')
    .map(cleanPattern)
}

function cleanPattern(line: string): string {
  const sign = line.startsWith('!') ? '!' : ''
  const pattern = trim(line.slice(sign.length))
  if (pattern === '') return sign
  const path = cleanPath(pattern)
  return sign + (path.length > 1 && path.startsWith('/') ? path.slice(1) : path)
}

/** Go's filepath.Clean: no empty and `.` parts, `..` taken back where a part stands before it. */
export function cleanPath(path: string): string {
  const absolute = path.startsWith('/')
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    const before = parts.at(-1)
    if (part !== '..') parts.push(part)
    else if (before !== undefined && before !== '..') parts.pop()
    else if (!absolute) parts.push(part)
  }
  return (absolute ? '/' : '') + parts.join('/') || '.'
}

export interface IgnoreMatcher {
  /** Whether the path, or a folder above it, is left out. The path is relative to the context, without `./`. */
  readonly ignores: (path: string) => boolean
  /** Some pattern takes paths back in: a folder that is left out may hold one. */
  readonly hasExceptions: boolean
}

interface Rule {
  readonly exception: boolean
  readonly tokens: readonly Token[]
}

/**
 * Prepares patterns, as {@link parseIgnore} gives them, for many paths.
 *
 * @throws {@link ToolError} `PATTERN_INVALID` for a malformed pattern and for a lone `!`
 */
export function ignoreMatcher(patterns: readonly string[]): IgnoreMatcher {
  const rules = patterns
    .map(trim)
    .filter(pattern => pattern !== '')
    .map(readRule)
  return {
    ignores: path => path !== '.' && ignores(rules, path),
    hasExceptions: rules.some(rule => rule.exception),
  }
}

/** {@link ignoreMatcher} for a single path. */
export function isIgnored(patterns: readonly string[], path: string): boolean {
  return ignoreMatcher(patterns).ignores(path)
}

function readRule(text: string): Rule {
  const clean = cleanPath(text)
  const exception = clean.startsWith('!')
  const pattern = exception ? clean.slice(1) : clean
  if (pattern === '') throw new ToolError('PATTERN_INVALID', 'pattern "!" excludes nothing')
  // Only for its errors: here "**" and what follows mean more.
  parseGlob(pattern)
  return { exception, tokens: parsePattern(pattern) }
}

function parsePattern(pattern: string): Token[] {
  const chars = [...pattern]
  const tokens: Token[] = []
  for (let at = 0; at < chars.length; ) {
    if (chars[at] === '*' && chars[at + 1] === '*') {
      const end = chars[at + 2] === '/' ? at + 3 : at + 2
      tokens.push(doubleStar(chars, at, end))
      at = end
    } else {
      const { token, end } = readToken(pattern, chars, at)
      tokens.push(token)
      at = end
    }
  }
  return tokens
}

const ANYTHING: Token = { type: 'many', accepts: () => true }

/** At the end it takes everything; at the head of plain text (`**.txt`) any beginning; else whole folders. */
function doubleStar(chars: readonly string[], start: number, end: number): Token {
  const plainEnd = start === 0 && end === 2 && !chars.slice(end).some(char => '*?[]\\'.includes(char))
  return end === chars.length || plainEnd ? ANYTHING : { type: 'folders' }
}

function ignores(rules: readonly Rule[], path: string): boolean {
  const paths = [path, ...foldersAbove(path)]
  let ignored = false
  for (const rule of rules) {
    if (rule.exception === ignored && paths.some(one => matches(rule.tokens, one))) ignored = !rule.exception
  }
  return ignored
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/')
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'))
}
