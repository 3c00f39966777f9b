/**
 * From a RUN instruction to the command that is executed.
 *
 * @module
 */

import type { Heredoc, RunInstruction } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { type InlineContent, SCRIPT_DIR } from '@pipelayer/steps'
import { quote } from './go-format.js'
import { type BlobStore, type Body, beginningOf, contentOf } from './heredoc-body.js'
import { type RuntimeConfig, shellOf } from './image-config.js'

/** The argv of a RUN, and the script it is to find in the container, if its heredoc is one. */
export interface RunCommand {
  readonly argv: readonly string[]
  readonly script?: InlineContent & { readonly name: string }
}

/** Bytes that the kernel takes in one argument, without the zero at its end: MAX_ARG_STRLEN of Linux, linux/binfmts.h. */
const ARGUMENT_LIMIT = 131_071
const SCRIPT_MARK = '#!'

/**
 * The command of a RUN. One heredoc as the whole command is the shell's input text, or a script of its own when it
 * begins with `#!`; heredocs inside a command are given back to the shell, which knows them too.
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
      argv: [...shell, shellWord(`${SCRIPT_DIR}/${first.name}`)],
      script: { name: first.name, ...content },
    })
  return checked({ argv: [...shell, textOf(content)] })
}

// The shell would expand `$N` in the name, and the file has it.
function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : quote(text)
}

function isOnlyHeredoc(command: string): boolean {
  return /^\d*<<-?\s*[^<\s]+$/.test(command.trim())
}

// A text comes with its tabs, what is stored does, too.
function bodyOf(heredoc: Heredoc, { chomp }: { readonly chomp: boolean }): Body {
  const { digest, size, content, contentRaw } = heredoc
  if (digest !== undefined && size !== undefined) return { stored: { digest, size }, chomp }
  const text = contentRaw === undefined ? Buffer.from(content ?? '') : Buffer.from(contentRaw, 'base64')
  const plain = chomp ? text.toString('latin1').replace(/^\t+/gm, '') : text.toString('latin1')
  return { chomp, content: '', contentRaw: Buffer.from(plain, 'latin1').toString('base64') }
}

// The shell drops tabs itself.
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
