/**
 * Judges the linter by BuildKit's tests: the warnings, and whether the build fails.
 *
 * @module
 */

import { fileFields, parseDockerfile, parseIgnore } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { type Finding, type LintResult, lint, RULES } from '@pipelayer/lint'

type Verdict = 'pass' | { fail: string }

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any }

const BUILD_ARG = 'build-arg:'

function lintRow(row: Row): LintResult {
  const attributes: Record<string, string> = row.in.FrontendAttrs ?? row.in.frontendAttrs ?? {}
  const given = Object.entries(attributes).filter(([name]) => name.startsWith(BUILD_ARG))
  const buildArgs = new Map(given.map(([name, value]) => [name.slice(BUILD_ARG.length), value]))
  for (const [name, value] of Object.entries(row.in.BuildArgs ?? {})) buildArgs.set(name, String(value))
  try {
    const list = fileFields(parseDockerfile(row.in.dockerfile), 'Dockerfile')
    const ignore = parseIgnore(row.in.DockerIgnore ?? '')
    return lint(list, { buildArgs, ignore })
  } catch (error) {
    if (error instanceof ToolError) return { findings: [], error }
    throw error
  }
}

/** BuildKit has the same level for all of its rules. */
function warning({ rule, message, description, line }: Finding): string {
  return JSON.stringify([rule, description, message, line, 1])
}

// biome-ignore lint/suspicious/noExplicitAny: see Row
function wantedWarning({ RuleName, Description, Detail, Line, Level }: any): string {
  return JSON.stringify([RuleName, Description, Detail, Line, Level])
}

function lintCheck(row: Row): Verdict {
  const { findings, error } = lintRow(row)
  const got = findings.filter(({ rule }) => RULES[rule].origin === 'buildkit')
  const lines = got.map(warning).sort().join('\n')
  const wanted = (row.want.Warnings ?? []).map(wantedWarning).sort().join('\n')
  if (lines !== wanted)
    return { fail: `got ${lines || 'nothing'} (${error?.message}) want ${wanted || 'nothing'}` }
  return wrongError(row, got, error)
}

/**
 * A linter does not know errors that only files, registries or commands cause; but errors of the Dockerfile must be
 * reported.
 */
function wrongError({ want }: Row, findings: readonly Finding[], error: ToolError | undefined): Verdict {
  if (Object.values(want).some(text => String(text).includes('lint violation found'))) {
    return findings.length > 0 && findings.every(({ severity }) => severity === 'error')
      ? 'pass'
      : { fail: 'no finding is an error' }
  }
  if (error !== undefined && !Object.keys(want).some(key => /err/i.test(key))) return { fail: error.message }
  return 'pass'
}

export const adapters: Record<string, (row: Row) => Verdict> = {
  'buildkit/lint-check': lintCheck,
}
