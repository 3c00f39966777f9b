/**
 * Reads the options in `# check=`.
 *
 *     check  = option { ";" option }
 *     option = "skip" "=" rules  |  "experimental" "=" rules  |  "error" "=" BOOLEAN
 *     rules  = "all"  |  RULE { "," RULE }
 *
 * The directive at the head of the file holds for all of it, a comment `# check=...` right above an instruction for
 * that one. Names of rules are not checked: other linters read the same line.
 *
 * Spec: https://docs.docker.com/build/checks/
 *
 * @module
 */

import { parseGoBoolean, quote, readDirectives } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

export interface CheckOptions {
  readonly skip: ReadonlySet<string> | 'all'
  readonly experimental: ReadonlySet<string> | 'all'
  /** Whether every finding is an error. */
  readonly error: boolean
}

export const NO_OPTIONS: CheckOptions = { skip: new Set(), experimental: new Set(), error: false }

/**
 * Reads the value of `# check=`.
 *
 * @throws {@link ToolError} `CHECK_INVALID`: the user corrects the directive
 */
export function parseCheckOptions(text: string): CheckOptions {
  if (text.trim() === '') return NO_OPTIONS
  return Object.assign({}, NO_OPTIONS, ...text.split(';').map(parseOption))
}

function parseOption(text: string): Partial<CheckOptions> {
  const sign = text.indexOf('=')
  const name = text.slice(0, Math.max(sign, 0)).trim()
  const value = text.slice(sign + 1).trim()
  if (name === 'skip') return { skip: parseRules(value) }
  if (name === 'experimental') return { experimental: parseRules(value) }
  const error = name === 'error' ? parseGoBoolean(value) : undefined
  if (error !== undefined) return { error }
  throw new ToolError(
    'CHECK_INVALID',
    `cannot read "# check=": ${quote(text)} is none of skip=RULES, experimental=RULES, error=BOOLEAN`,
  )
}

function parseRules(text: string): CheckOptions['skip'] {
  return text === 'all' ? 'all' : new Set(text.split(',').map(rule => rule.trim()))
}

/** A comment of ours right above an instruction: `# kf-lint ignore=RULE,..`. */
const IGNORE = /^\s*kf-lint\s+ignore=(.*)$/

/**
 * The options in the comments above an instruction: the first `check=...`, and all of `kf-lint ignore=...`. A malformed
 * one is an ordinary comment.
 */
export function commentOptions(comments: readonly string[]): CheckOptions {
  const ignored = comments.flatMap(comment => IGNORE.exec(comment)?.[1] ?? [])
  const options = ignored.map((rules): CheckOptions => ({ ...NO_OPTIONS, skip: parseRules(rules.trim()) }))
  return options.reduce(mergeOptions, checkComment(comments))
}

function checkComment(comments: readonly string[]): CheckOptions {
  const comment = comments.find(isCheckComment)
  const value = comment === undefined ? '' : (readDirectives(`#${comment}`)[0]?.value ?? '')
  try {
    return parseCheckOptions(value.split(' ', 1)[0] ?? '')
  } catch (error) {
    if (error instanceof ToolError) return NO_OPTIONS
    throw error
  }
}

export function isCheckComment(comment: string): boolean {
  return readDirectives(`#${comment}`)[0]?.name === 'check'
}

/** Joins two options: a rule that either of them skips is skipped. */
export function mergeOptions(one: CheckOptions, other: CheckOptions): CheckOptions {
  return {
    skip: union(one.skip, other.skip),
    experimental: union(one.experimental, other.experimental),
    error: one.error || other.error,
  }
}

function union(one: CheckOptions['skip'], other: CheckOptions['skip']): CheckOptions['skip'] {
  return one === 'all' || other === 'all' ? 'all' : new Set([...one, ...other])
}

export function holds(rules: CheckOptions['skip'], name: string): boolean {
  return rules === 'all' || rules.has(name)
}
