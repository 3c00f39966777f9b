/**
 * Reads `.dockerignore` and decides which paths it leaves out.
 *
 *     line    = "#" comment | [ "!" ] pattern | blank
 *     pattern = filepath.Match, and "**" for any number of folders
 *
 * Patterns begin at the root of the context. They are applied in order, first to a folder and then to the paths in it.
 * Only a pattern that would change the result so far is compared with the path; the last one that matches decides, and
 * one with `!` includes the path again. A pattern that matched a folder matches all that is in it. A pattern that was
 * not compared with the folder, since it would have changed nothing there, is compared with the path itself alone:
 * `!docs` behind a pattern that leaves out a file in `docs`, but not `docs`, does not include that file again.
 *
 * Spec: https://docs.docker.com/build/concepts/context/#dockerignore-files, moby/patternmatcher
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { ignorePattern, type PathMatcher } from './ignore-pattern.js'
import { decodeSource } from './source.js'
import { trim } from './spaces.js'

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

/** Go's filepath.Clean: removes empty and `.` components, and each `..` together with the component before it. */
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
  /**
   * Whether the path, or a folder above it, is left out. The path is relative to the context, without `./`. The context
   * itself, `.`, is matched as any other name is; that leaves out nothing in it.
   */
  readonly ignores: (path: string) => boolean
  /**
   * Whether a file that is not left out comes without its content. BuildKit's client asks twice: for the list of files
   * as {@link IgnoreMatcher.ignores} does, and, to open one, whether the last pattern that matches it or a folder above
   * it leaves it out. With `a`, `!a/b` and `a` once more the file `a/b/c` is in the list, and cannot be opened: it is empty.
   */
  readonly empties: (path: string) => boolean
  /** Some pattern begins with `!`, so a folder that is left out may contain paths that are not. */
  readonly hasExceptions: boolean
}

interface Rule {
  readonly exception: boolean
  readonly matches: PathMatcher
}

/**
 * Prepares patterns, as {@link parseIgnore} gives them, for many paths.
 *
 * ```ts
 * const matcher = ignoreMatcher(parseIgnore('*.log\n!keep.log\n'))
 * matcher.ignores('a.log') // true
 * matcher.ignores('keep.log') // false
 * ```
 *
 * @throws {@link ToolError} `PATTERN_INVALID` for a malformed pattern and for a lone `!`
 */
export function ignoreMatcher(patterns: readonly string[]): IgnoreMatcher {
  const rules = patterns
    .map(trim)
    .filter(pattern => pattern !== '')
    .map(readRule)
  const judge = new Judge(rules)
  const hasExceptions = rules.some(rule => rule.exception)
  return {
    ignores: path => judge.ignores(path),
    // Without exceptions the first pattern that matches decides for both questions.
    empties: path => hasExceptions && !judge.ignores(path) && isClosed(rules, path),
    hasExceptions,
  }
}

/** As {@link ignoreMatcher}, for a single path; the context itself is never left out. */
export function isIgnored(patterns: readonly string[], path: string): boolean {
  const { ignores } = ignoreMatcher(patterns)
  return path !== '.' && ignores(path)
}

function readRule(text: string): Rule {
  const clean = cleanPath(text)
  const exception = clean.startsWith('!')
  const pattern = exception ? clean.slice(1) : clean
  if (pattern === '') throw new ToolError('PATTERN_INVALID', 'pattern "!" excludes nothing')
  return { exception, matches: ignorePattern(pattern) }
}

/** For each rule, in order, whether it matches a folder. Such a rule matches all that is in the folder, too. */
type Matched = readonly boolean[]

const NOTHING: Matched = []

/** Applies the rules to a path, given their results for its folder. */
function judge(rules: readonly Rule[], path: string, above: Matched): { ignored: boolean; matched: Matched } {
  let ignored = false
  const matched = rules.map((rule, index) => {
    const isMatch = above[index] === true || (rule.exception === ignored && rule.matches(path))
    if (isMatch) ignored = !rule.exception
    return isMatch
  })
  return { ignored, matched }
}

/**
 * Applies the rules to paths, and keeps their results for the folders above the last path, since a walk asks for one
 * path after the other in a folder.
 */
class Judge {
  readonly #rules: readonly Rule[]
  readonly #above: { readonly folder: string; readonly matched: Matched }[] = []

  constructor(rules: readonly Rule[]) {
    this.#rules = rules
  }

  ignores(path: string): boolean {
    return judge(this.#rules, path, this.#foldersOf(path)).ignored
  }

  #foldersOf(path: string): Matched {
    const above = this.#above
    while (above.length > 0 && !path.startsWith(above.at(-1)?.folder ?? '')) above.pop()
    let matched = above.at(-1)?.matched ?? NOTHING
    const known = above.at(-1)?.folder.length ?? 0
    for (let slash = path.indexOf('/', known); slash >= 0; slash = path.indexOf('/', slash + 1)) {
      matched = judge(this.#rules, path.slice(0, slash), matched).matched
      above.push({ folder: path.slice(0, slash + 1), matched })
    }
    return matched
  }
}

/** Whether the last rule that matches the path or a folder above it leaves it out. */
function isClosed(rules: readonly Rule[], path: string): boolean {
  const parts = path.split('/')
  const paths = parts.map((_, index) => parts.slice(0, index + 1).join('/'))
  let closed = false
  for (const rule of rules)
    if (rule.exception === closed && paths.some(rule.matches)) closed = !rule.exception
  return closed
}
