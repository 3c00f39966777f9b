/**
 * From a RUN instruction to what is executed: pure.
 *
 * @module
 */
import type { Heredoc, RunInstruction } from '@pipelayer/dockerfile'
import { type RuntimeConfig, shellOf } from './image-config.js'

/** The argv of a RUN, and the script it is to find in the container, if its heredoc is one. */
export interface RunCommand {
  readonly argv: readonly string[]
  readonly script?: { readonly name: string; readonly content: Buffer }
}

/** Where a heredoc that begins with `#!` lies while it runs. */
export const SCRIPT_DIR = '/dev/pipes'

/**
 * The argv of a RUN. One heredoc as the whole command is the shell's input text, or a script of its own when it
 * begins with `#!`; heredocs inside a command are given back to the shell, which knows them too.
 */
export function runCommand(run: RunInstruction, config: RuntimeConfig): RunCommand {
  const shell = shellOf(config)
  const [command = ''] = run.command
  const [first] = run.files
  if (!run.shell) return { argv: run.command }
  if (first === undefined) return { argv: [...shell, run.command.join(' ')] }
  if (!isOnlyHeredoc(command)) return { argv: [...shell, [command, ...run.files.map(reassemble)].join('\n')] }
  const content = first.chomp ? withoutTabs(contentOf(first)) : contentOf(first)
  if (!content.subarray(0, 2).equals(Buffer.from('#!'))) return { argv: [...shell, content.toString('utf8')] }
  return { argv: [...shell, `${SCRIPT_DIR}/${first.name}`], script: { name: first.name, content } }
}

/** The bytes of a heredoc. */
export function contentOf(heredoc: { readonly content: string; readonly contentRaw?: string }): Buffer {
  return heredoc.contentRaw === undefined
    ? Buffer.from(heredoc.content)
    : Buffer.from(heredoc.contentRaw, 'base64')
}

function isOnlyHeredoc(command: string): boolean {
  return /^\d*<<-?\s*[^<\s]+$/.test(command.trim())
}

function reassemble(heredoc: Heredoc): string {
  return `${heredoc.content}${heredoc.name}`
}

function withoutTabs(content: Buffer): Buffer {
  return Buffer.from(content.toString('latin1').replace(/^\t+/gm, ''), 'latin1')
}
