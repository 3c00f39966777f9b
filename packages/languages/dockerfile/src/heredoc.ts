/**
 * Finds the heredocs that a line opens, and reads their bodies.
 *
 *     heredoc = [ FD ] "<<" [ "-" ] { space } WORD         FD digits, WORD without "<"
 *
 * WORD is a shell word. With a quote anywhere in it that is not escaped, the body is not expanded. An escape does not
 * have this effect: with `<<E\OF` the body ends at `EOF` and is expanded, other than in a shell. A body ends with a
 * line that is WORD and nothing else, behind leading tabs if it was `<<-`. Bodies follow in the order of their words.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { expandWords } from './expand.js'
import type { ExpandOptions } from './expander.js'
import { chop, type LineReader } from './lines.js'
import { decodeBytes, hasRawBytes, replaceRawBytes } from './source.js'
import type { Heredoc, HeredocText } from './syntax.js'

const HEREDOC = /^(\d*)<<(-?)[\t\n\v\f\r ]*([^<]*)$/
const LEADING_TABS = /^\t+/gm

/** The escape directive does not count in heredocs: the escape character is always the backslash. */
const KEEP_NAMES: ExpandOptions = { env: {}, unset: 'keep' }
const KEEP_QUOTES: ExpandOptions = { ...KEEP_NAMES, quotes: 'keep' }
const KEEP_ALL: ExpandOptions = { ...KEEP_QUOTES, escapes: 'keep' }

export type HeredocWord = Pick<Heredoc, 'name' | 'expand' | 'chomp' | 'fd'>

/**
 * The heredoc that one word opens; undefined when it opens none.
 *
 * @throws {@link ToolError} `EXPANSION_FAILED` when a quote in it is not closed
 */
export function parseHeredocWord(word: string): HeredocWord | undefined {
  const [, fd = '', dash = '', rest = ''] = HEREDOC.exec(word) ?? []
  if (rest === '') return undefined
  const names = expandWords(rest, KEEP_NAMES)
  const quoted = expandWords(rest, KEEP_QUOTES)
  const [name] = names
  if (name === undefined || names.length !== 1 || quoted.length !== 1) return undefined
  return { name, expand: name === quoted[0], chomp: dash === '-', fd: fd === '' ? 0 : Number(fd) }
}

/** The heredocs that a line opens, in order. A line whose quotes do not match opens none. */
export function findHeredocs(line: string): HeredocWord[] {
  if (!line.includes('<<')) return []
  try {
    return expandWords(line, KEEP_ALL).flatMap(word => parseHeredocWord(word) ?? [])
  } catch (error) {
    // An open quote is an error only for the shell: `RUN echo it's <<X`.
    if (error instanceof ToolError) return []
    throw error
  }
}

/**
 * Reads the body of `word` from the lines that follow.
 *
 * @returns undefined when the file ends before the heredoc does
 */
export function readHeredoc(word: HeredocWord, reader: LineReader): Buffer | undefined {
  const start = reader.offset
  let end = start
  for (let line = reader.read(); line !== undefined; line = reader.read()) {
    const text = chop(line)
    if ((word.chomp ? text.replace(/^\t+/, '') : text) === word.name) return reader.bytes(start, end)
    end = reader.offset
  }
  return undefined
}

/** The body of a heredoc as text. */
export function heredocText(body: Buffer): HeredocText {
  const text = decodeBytes(body)
  if (!hasRawBytes(text)) return { content: text }
  return { content: replaceRawBytes(text), contentRaw: body.toString('base64') }
}

/** The text of a heredoc without the tabs at the head of each line, where it was written `<<-`. */
export function chompHeredoc(heredoc: Heredoc): HeredocText {
  const { chomp, content = '', contentRaw } = heredoc
  if (!chomp) return contentRaw === undefined ? { content } : { content, contentRaw }
  const chomped = content.replace(LEADING_TABS, '')
  if (contentRaw === undefined) return { content: chomped }
  const bytes = Buffer.from(contentRaw, 'base64').toString('latin1').replace(LEADING_TABS, '')
  return { content: chomped, contentRaw: Buffer.from(bytes, 'latin1').toString('base64') }
}
