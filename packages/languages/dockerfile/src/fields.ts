/**
 * Turns syntax into the fields of an `instruction` record.
 *
 * @module
 */

import type { InstructionFields, TriggerFields } from './instruction.js'
import { replaceRawBytes } from './source.js'
import type { Dockerfile, EscapeCharacter, SyntaxNode } from './syntax.js'

const PAIRS = new Set(['env', 'label'])
const SHELL_FORMS = new Set(['run', 'cmd', 'entrypoint', 'healthcheck'])

export interface FieldsOptions {
  readonly file: string
  readonly escape: EscapeCharacter
}

/** The fields of one instruction. */
export type SyntaxFields = InstructionFields & Required<Pick<InstructionFields, 'raw' | 'source'>>

export function instructionFields(node: SyntaxNode, options: FieldsOptions): SyntaxFields {
  return {
    ...triggerFields(node),
    ...(node.heredocs.length > 0 ? { heredocs: node.heredocs } : {}),
    source: {
      file: options.file,
      line: node.start,
      endLine: node.end,
      ...(node.column > 1 ? { column: node.column } : {}),
    },
    raw: node.original,
    ...(options.escape === '\\' ? {} : { escape: options.escape }),
  }
}

/**
 * The fields of all instructions of a file, also those that only linters need: comments, empty lines, `# check=`.
 *
 * ```ts
 * const instructions = fileFields(parseDockerfile(source), 'Dockerfile').map(fields => interpret(fields))
 * ```
 */
export function fileFields(parsed: Dockerfile, file: string): readonly SyntaxFields[] {
  const check = parsed.directives.find(directive => directive.name === 'check')?.value
  const gaps = [...parsed.warnings]
  return parsed.instructions.map((node, index) => {
    const gap = (gaps[0]?.line ?? Number.POSITIVE_INFINITY) <= node.end ? gaps.shift() : undefined
    return {
      ...instructionFields(node, { file, escape: parsed.escape }),
      ...(node.comments.length > 0 ? { comments: node.comments.map(replaceRawBytes) } : {}),
      ...(gap === undefined ? {} : { emptyContinuation: gap.line }),
      ...(index > 0 || check === undefined ? {} : { check: replaceRawBytes(check) }),
    }
  })
}

function triggerFields(node: SyntaxNode): TriggerFields {
  return {
    name: node.cmd.toUpperCase(),
    form: formOf(node),
    args: node.args,
    flags: node.flags,
    ...(node.sub === undefined ? {} : { trigger: triggerFields(node.sub) }),
  }
}

function formOf(node: SyntaxNode): InstructionFields['form'] {
  const name = node.cmd.toLowerCase()
  if (node.json) return 'json'
  if (PAIRS.has(name)) return 'pairs'
  return SHELL_FORMS.has(name) ? 'shell' : 'words'
}
