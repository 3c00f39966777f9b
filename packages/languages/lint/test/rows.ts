/**
 * Table rows of files and of the findings that the linter reports for them.
 *
 * @module
 */

import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import t from 'tap'
import { type LintOptions, lint, RULES } from '../src/index.js'

export interface Row {
  readonly text: string
  /** `RULE:LINE`, with severity `!` for error and `?` for info. */
  readonly want: readonly string[]
  readonly why: string
  readonly options?: LintOptions
  readonly origin?: 'buildkit' | 'pipelayer'
}

const MARKS = { error: '!', warning: '', info: '?' }

function found(text: string, options: LintOptions = {}, origin?: string): string[] {
  return lint(fileFields(parseDockerfile(text), 'F'), options)
    .findings.filter(({ rule }) => origin === undefined || RULES[rule].origin === origin)
    .map(({ rule, line, severity }) => `${rule}:${line}${MARKS[severity]}`)
}

export function check(name: string, rows: readonly Row[]): void {
  t.test(name, async t => {
    for (const { text, want, why, options, origin } of rows) t.same(found(text, options, origin), want, why)
  })
}

export const S = 'FROM scratch\n'
