/**
 * Turns a RUN instruction into the command that is executed.
 *
 * @module
 */

import { shellWord } from '@pipelayer/containers'
import type { Heredoc, RunInstruction } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { type InlineContent, SCRIPT_DIR } from '@pipelayer/steps'
import { type BlobStore, type Body, beginningOf, contentOf } from './heredoc-body.js'
import { type RuntimeConfig, shellOf } from './image-config.js'

/** The arguments of a RUN, and, if its heredoc is a script of its own, that script. */
export interface RunCommand {
  readonly argv: readonly string[]
  readonly script?: InlineContent & { readonly name: string }
}

/**
 * How many bytes the kernel takes in one argument, without the zero at its end: MAX_ARG_STRLEN of Linux,
 * linux/binfmts.h.
 */
const ARGUMENT_LIMIT = 131_071
const SCRIPT_MARK = '#!'

/**
 * The command of a RUN. If the whole command is one heredoc, its text is the command of the shell, or, if it begins
 * with `#!`, a script of its own. Heredocs inside a command are passed to the shell, which knows them too.
 *
 * @throws {ToolError} `ARGUMENT_TOO_LONG`, and those of {@link contentOf}
 */
export async function runCommand(
  run: RunInstruction,
  config: RuntimeConfig,
  store: BlobStore,
): Promise<RunCommand> {
  const shell = shellOf(config)
  const [command = ''] = run.command
  const [first] = run.files
  if (!run.shell) return checked({ argv: run.command })
  if (first === undefined) return checked({ argv: [...shell, run.command.join(' ')] })
  if (!isOnlyHeredoc(command)) {
    const bodies = await Promise.all(run.files.map(file => reassembled(file, store)))
    return checked({ argv: [...shell, [command, ...bodies].join('\n')] })
  }
  const content = await contentOf(bodyOf(first, { chomp: first.chomp }), { store })
  const beginning = await beginningOf(content, SCRIPT_MARK.length, store)
  if (beginning.equals(Buffer.from(SCRIPT_MARK)))
    return checked({
      argv: [...shell, scriptWord(`${SCRIPT_DIR}/${first.name}`)],
      script: { name: first.name, ...content },
    })
  return checked({ argv: [...shell, textOf(content)] })
}

// The name is quoted, because the shell would expand `$N` in it, and the name of the file has it unexpanded.
function scriptWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : shellWord(text)
}

function isOnlyHeredoc(command: string): boolean {
  return /^\d*<<-?\s*[^<\s]+$/.test(command.trim())
}

// The text in a record still has its tabs, and so has a stored one.
function bodyOf(heredoc: Heredoc, { chomp }: { readonly chomp: boolean }): Body {
  const { digest, size, content, contentRaw } = heredoc
  if (digest !== undefined && size !== undefined) return { stored: { digest, size }, chomp }
  const text = contentRaw === undefined ? Buffer.from(content ?? '') : Buffer.from(contentRaw, 'base64')
  const plain = chomp ? text.toString('latin1').replace(/^\t+/gm, '') : text.toString('latin1')
  return { chomp, content: '', contentRaw: Buffer.from(plain, 'latin1').toString('base64') }
}

// Tabs are not removed here, because the shell does that.
async function reassembled(heredoc: Heredoc, store: BlobStore): Promise<string> {
  if (heredoc.digest === undefined) return `${heredoc.content ?? ''}${heredoc.name}`
  return `${textOf(await contentOf(bodyOf(heredoc, { chomp: false }), { store }))}${heredoc.name}`
}

function textOf(content: InlineContent): string {
  if ('content' in content) return Buffer.from(content.content, 'base64').toString('utf8')
  throw tooLong(content.size)
}

function checked(command: RunCommand): RunCommand {
  for (const argument of command.argv) {
    const length = Buffer.byteLength(argument)
    if (length > ARGUMENT_LIMIT) throw tooLong(length)
  }
  return command
}

function tooLong(length: number): ToolError {
  return new ToolError(
    'ARGUMENT_TOO_LONG',
    `the command has an argument of ${length} bytes, the kernel takes ${ARGUMENT_LIMIT}: ` +
      'let the heredoc begin with #!, as #!/bin/sh, to have it run as a file',
  )
}
