/**
 * Collects the words of an expansion from text that is split at white space and text that is not.
 *
 * @module
 */

import { isSpace } from './spaces.js'

export class WordList {
  readonly #words: string[] = []
  #word = ''

  /** Adds text that is not split, as it comes from quotes and escapes. Returns it. */
  add(text: string): string {
    this.#word += text
    return text
  }

  /** Adds text that splits at white space. Returns it. */
  addSplit(text: string): string {
    for (const char of text) {
      if (!isSpace(char)) this.#word += char
      else this.#close()
    }
    return text
  }

  finish(): readonly string[] {
    this.#close()
    return this.#words
  }

  /** An empty word is dropped, quoted or not. */
  #close(): void {
    if (this.#word === '') return
    this.#words.push(this.#word)
    this.#word = ''
  }
}
