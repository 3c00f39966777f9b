/**
 * COPY and ADD.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { flagValues } from './flag-values.js'
import { chompHeredoc, type HeredocWord, parseHeredocWord } from './heredoc.js'
import type { AddInstruction, CopyInstruction, InlineSource } from './instruction.js'
import type { Subject } from './subject.js'
import type { Heredoc } from './syntax.js'

interface Paths {
  readonly sources: readonly string[]
  readonly heredocs: readonly InlineSource[]
  readonly dest: string
}

/** BuildKit's test for a variable, which disregards quotes and escapes. */
const VARIABLE = /\$./

export function interpretCopy(subject: Subject): CopyInstruction {
  const flags = flagValues(subject, {
    from: 'text',
    chown: 'text',
    chmod: 'text',
    link: 'boolean',
    parents: 'boolean',
    exclude: 'list',
  })
  if (flags.from !== undefined && VARIABLE.test(flags.from))
    subject.fail(
      `--from=${flags.from}: variables do not count there: name a stage, FROM takes ARGs before it`,
    )
  return {
    kind: 'copy',
    ...readPaths(subject),
    ...given('from', flags.from),
    ...given('chown', flags.chown),
    ...given('chmod', flags.chmod),
    link: flags.link ?? false,
    parents: flags.parents ?? false,
    excludes: flags.exclude,
  }
}

export function interpretAdd(subject: Subject): AddInstruction {
  const flags = flagValues(subject, {
    chown: 'text',
    chmod: 'text',
    link: 'boolean',
    'keep-git-dir': 'boolean',
    checksum: 'text',
    unpack: 'boolean',
    exclude: 'list',
  })
  return {
    kind: 'add',
    ...readPaths(subject),
    ...given('chown', flags.chown),
    ...given('chmod', flags.chmod),
    link: flags.link ?? false,
    ...(flags['keep-git-dir'] === undefined ? {} : { keepGitDir: flags['keep-git-dir'] }),
    ...given('checksum', flags.checksum),
    ...(flags.unpack === undefined ? {} : { unpack: flags.unpack }),
    excludes: flags.exclude,
  }
}

/** A flag with an empty value counts as not given. */
function given<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { [P in K]: string })
}

function readPaths(subject: Subject): Paths {
  const dest = subject.args.at(-1)
  if (dest === undefined || subject.args.length < 2) {
    return subject.fail(`${subject.name} needs at least two arguments: sources and a destination`)
  }
  const words = subject.args.slice(0, -1)
  if (subject.fields.form === 'json') return { sources: words, heredocs: [], dest }
  if (heredocOf(dest) !== undefined)
    return subject.fail(`a heredoc cannot be the destination of ${subject.name}`, dest)
  const bodies = [...(subject.fields.heredocs ?? [])]
  const heredocs = words.flatMap(word => {
    const opened = heredocOf(word)
    return opened === undefined ? [] : [inlineSource(subject, opened, bodies)]
  })
  return { sources: words.filter(word => heredocOf(word) === undefined), heredocs, dest }
}

/** The heredoc that a word opens, if any. A word with an open quote is a path. */
function heredocOf(word: string): HeredocWord | undefined {
  if (!word.includes('<<')) return undefined
  try {
    return parseHeredocWord(word)
  } catch (error) {
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** Removes the first body with that name from the list, since two heredocs may have the same name. */
function inlineSource(subject: Subject, opened: HeredocWord, bodies: Heredoc[]): InlineSource {
  const index = bodies.findIndex(body => body.name === opened.name)
  const [body] = index < 0 ? [] : bodies.splice(index, 1)
  if (body === undefined)
    return subject.fail(`the heredoc ${subject.quote(opened.name)} has no content`, opened.name)
  const { name: path, chomp, expand, digest, size } = body
  if (digest !== undefined && size !== undefined) return { path, chomp, expand, stored: { digest, size } }
  return { path, chomp, expand, ...chompHeredoc(body) }
}
