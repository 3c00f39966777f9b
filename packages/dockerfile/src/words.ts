/**
 * Words of an instruction, quotes and escapes kept: `a "b c" d\ e` has three.
 *
 * A quote opens inside a word too. Within single quotes ESC means nothing, elsewhere it takes the next character
 * along, whatever that is. An ESC at the very end is dropped; a quote that nothing closes ends with the text.
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
    const end = endOfWord(text, at, escapeChar)
    const word = dropLastEscape(text.slice(at, end), escapeChar)
    if (word !== '') words.push({ text: word, offset: at })
    at = end
  }
  return words
}

function endOfWord(text: string, start: number, escapeChar: EscapeCharacter): number {
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
  return Math.min(at, text.length)
}

/** An escape character with nothing behind it, which only the end of the text can cut off. */
function dropLastEscape(word: string, escapeChar: EscapeCharacter): string {
  let quote = ''
  for (let at = 0; at < word.length; at++) {
    const char = word.charAt(at)
    if (char === escapeChar && quote !== "'") {
      if (at === word.length - 1) return word.slice(0, -1)
      at++
    } else if (char === quote) quote = ''
    else if (quote === '' && (char === '"' || char === "'")) quote = char
  }
  return word
}
