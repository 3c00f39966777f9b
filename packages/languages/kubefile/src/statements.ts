/**
 * The lines of a file in any language that shares the Dockerfile's lexer, before its language is known.
 *
 * @module
 */

import { type Grammar, parseDockerfile, parseJSONForm, type SyntaxNode } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

/** One instruction: its keyword, and the text behind it. */
export interface Statement {
  /** Upper case. */
  readonly name: string
  readonly line: number
  readonly column: number
  /** The text behind the keyword and the flags. */
  readonly text: string
  /** The words of {@link Statement.text}, split at blanks. */
  readonly words: readonly string[]
  readonly flags: readonly string[]
  readonly isArray: boolean
  readonly hasHeredoc: boolean
}

/** A grammar that finds lines and keywords and accepts any arguments. */
const PROBE: Grammar = {
  code: 'KUBEFILE_INVALID',
  forms: new Map(),
  heredocs: new Set(['add', 'copy', 'run']),
  directives: true,
  trailing: 'refuse',
}

/** @throws ToolError `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...` */
export function statementsOf(source: string | Uint8Array, file: string): readonly Statement[] {
  return nodesOf(source, file).map(statementOf)
}

// The classic dialect has no heredocs: there, `<<E` without a line `E` is a text of the shell.
function nodesOf(source: string | Uint8Array, file: string): readonly SyntaxNode[] {
  try {
    return parseDockerfile(source, { file, grammar: PROBE }).instructions
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return parseDockerfile(source, { file, grammar: { ...PROBE, heredocs: new Set() } }).instructions
  }
}

function statementOf({ cmd, flags, original, start, column, heredocs }: SyntaxNode): Statement {
  const rest = original.slice(cmd.length).trim()
  const text = flags.reduce(
    (left, flag) => (left.startsWith(flag) ? left.slice(flag.length).trim() : left),
    rest,
  )
  return {
    name: cmd.toUpperCase(),
    line: start,
    column,
    text,
    words: text.split(/\s+/).filter(word => word !== ''),
    flags,
    isArray: parseJSONForm(text, 'ignore') !== 'other',
    hasHeredoc: heredocs.length > 0,
  }
}
