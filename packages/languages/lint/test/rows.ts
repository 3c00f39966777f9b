/**
 * Table rows of files and of the findings that the linter reports for them.
 *
 * @module
 */

import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import t from 'tap'
import { type LintOptions, lint, RULES } from '../src/index.js'
import type { RuleName } from '../src/rules.js'

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

/** @param rules - the rules that the table is about; findings of others do not count */
export function check(name: string, rows: readonly Row[], rules?: readonly RuleName[]): void {
  t.test(name, async t => {
    for (const { text, want, why, options, origin } of rows) {
      const all = found(text, options, origin)
      const own = all.filter(one => rules === undefined || rules.some(rule => one.startsWith(`${rule}:`)))
      t.same(own, want, why)
    }
  })
}

export const S = 'FROM scratch\n'
