/**
 * Words of an instruction, quotes and escapes kept: `a "b c" d\ e` has three.
 *
 * A quote may open inside a word. Within single quotes ESC has no meaning; elsewhere the character behind it belongs to
 * the word, whatever it is. An ESC at the very end is dropped; a quote that is not closed ends with the text.
 *
 * @module
 */

import { isSpace } from './spaces.js'
import type { EscapeCharacter } from './syntax.js'

export interface Word {
  readonly text: string
  /** Where it begins, in UTF-16 units. */
  readonly offset: number
}

export function splitWords(text: string, escapeChar: EscapeCharacter): Word[] {
  const words: Word[] = []
  let at = 0
  while (at < text.length) {
    if (isSpace(text.charAt(at))) {
      at++
      continue
    }
    const { end, dangling } = endOfWord(text, at, escapeChar)
    const word = text.slice(at, dangling ? -1 : end)
    if (word !== '') words.push({ text: word, offset: at })
    at = end
  }
  return words
}

/** `dangling` means that the text ends with an escape character, with nothing to escape. */
function endOfWord(
  text: string,
  start: number,
  escapeChar: EscapeCharacter,
): { end: number; dangling: boolean } {
  let quote = ''
  let at = start
  while (at < text.length) {
    const char = text.charAt(at)
    if (quote === '' && isSpace(char)) break
    if (char === escapeChar && quote !== "'") at++
    else if (char === quote) quote = ''
    else if (quote === '' && (char === '"' || char === "'")) quote = char
    at++
  }
  return { end: Math.min(at, text.length), dangling: at > text.length }
}
