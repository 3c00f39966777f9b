/**
 * Collects the words of an expansion: characters that split at white space, and text that does not.
 *
 * @module
 */

import { isSpace } from './spaces.js'

export class WordList {
  readonly #words: string[] = []
  #word = ''

  /** Adds text as it is, white space included, as quotes and escapes give it. Returns it. */
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

  /** An empty word is none, quoted or not. */
  #close(): void {
    if (this.#word === '') return
    this.#words.push(this.#word)
    this.#word = ''
  }
}
