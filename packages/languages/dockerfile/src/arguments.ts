/**
 * The arguments of an instruction, by the form that its keyword asks for.
 *
 * | form | how |
 * |---|---|
 * | `words` | {@link splitWords}: quoted words, quotes kept |
 * | `blanks` | split at blanks, quotes mean nothing |
 * | `text` | one string |
 * | `json-or-blanks`, `json-or-text` | a JSON array of strings, else as the name says |
 * | `pairs` | `name=value` words, or the old `name value`, whose value is the rest of the line |
 * | `word-and-command` | one word, then `json-or-text` |
 *
 * A JSON array that holds anything but strings is an error; text that is no JSON is taken as it is.
 *
 * @module
 */

import { parseJSONForm } from './json-form.js'
import { quote } from './source.js'
import { isSpace, splitBlanks, splitFirstBlanks, trimStart } from './spaces.js'
import type { EscapeCharacter } from './syntax.js'
import { splitWords } from './words.js'

export type ArgumentForm =
  | 'words'
  | 'blanks'
  | 'text'
  | 'json-or-blanks'
  | 'json-or-text'
  | 'pairs'
  | 'word-and-command'

export interface ArgumentContext {
  /** The keyword, for messages. */
  readonly name: string
  readonly escape: EscapeCharacter
  readonly trailing: 'refuse' | 'ignore'
  /** Throws an error at `offset`, which is counted from the start of the arguments. */
  readonly fail: (message: string, offset: number) => never
}

export interface Arguments {
  readonly args: readonly string[]
  readonly json: boolean
}

export function parseArguments(form: ArgumentForm, text: string, context: ArgumentContext): Arguments {
  switch (form) {
    case 'words':
      return plain(splitWords(text, context.escape).map(word => word.text))
    case 'blanks':
      return plain(text === '' ? [] : splitBlanks(text))
    case 'text':
      return plain(text === '' ? [] : [text])
    case 'json-or-blanks':
      return jsonArguments(text, context) ?? parseArguments('blanks', text, context)
    case 'json-or-text':
      return jsonArguments(text, context) ?? parseArguments('text', text, context)
    case 'pairs':
      return plain(parsePairs(text, context))
    case 'word-and-command':
      return parseWordAndCommand(text, context)
  }
}

function plain(args: readonly string[]): Arguments {
  return { args, json: false }
}

function jsonArguments(text: string, context: ArgumentContext): Arguments | undefined {
  const args = parseJSONForm(text, context.trailing)
  if (args === 'other') return undefined
  if (args === 'mixed')
    return context.fail(`the JSON array of ${context.name} holds something that is no string`, 0)
  return { args, json: true }
}

function parsePairs(text: string, context: ArgumentContext): string[] {
  const words = splitWords(text, context.escape)
  const first = words[0]
  if (first === undefined) return []
  if (!first.text.includes('=')) {
    const halves = splitFirstBlanks(text)
    if (halves === undefined) return context.fail(`${context.name} ${quote(first.text)} needs a value`, 0)
    return [halves.first, halves.rest, '']
  }
  return words.flatMap(word => {
    const sign = word.text.indexOf('=')
    if (sign < 0)
      return context.fail(`no "=" in ${quote(word.text)}, which has to be name=value`, word.offset)
    return [word.text.slice(0, sign), word.text.slice(sign + 1), '=']
  })
}

function parseWordAndCommand(text: string, context: ArgumentContext): Arguments {
  let end = 0
  while (end < text.length && !isSpace(text.charAt(end))) end++
  if (end === 0) return plain([])
  const rest = trimStart(text.slice(end))
  const base = text.length - rest.length
  const fail = (message: string, offset: number): never => context.fail(message, base + offset)
  const command = parseArguments('json-or-text', rest, { ...context, fail })
  return { args: [text.slice(0, end), ...command.args], json: command.json }
}
