/**
 * Syntax to the fields of an `instruction` record.
 *
 * @module
 */

import type { InstructionFields, TriggerFields } from './instruction.js'
import type { EscapeCharacter, SyntaxNode } from './syntax.js'

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
