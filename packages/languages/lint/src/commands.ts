/**
 * The simple commands of a shell text, as far as rules on package managers need them.
 *
 *     text    = { command | operator }
 *     operator = ";" | "&" | "|" | "(" | ")" | "`" | newline         "&&" and "||" are two
 *     command = { KEYWORD | NAME "=" word | wrapper } program { word }
 *
 * Quotes and backslashes are removed from words. This is no shell: values of variables and substitutions are not known,
 * and bodies of functions and loops count as commands that run once.
 *
 * @module
 */

/** A program and its arguments. */
export type SimpleCommand = readonly string[]

const OPERATORS = new Set([';', '&', '|', '(', ')', '`', '\n'])
const BLANK = /[ \t\r]/
/** Words before the name of a program that do not matter for the rules. */
const BEFORE = new Set(
  '! { if then elif else while until do time exec env sudo command eatmydata nice'.split(' '),
)
const ASSIGNMENT = /^[A-Za-z_]\w*=/

export function simpleCommands(text: string): readonly SimpleCommand[] {
  return new Splitter(text)
    .run()
    .map(program)
    .filter(words => words.length > 0)
}

function program(words: readonly string[]): SimpleCommand {
  const start = words.findIndex(word => !BEFORE.has(word) && !ASSIGNMENT.test(word))
  return start < 0 ? [] : words.slice(start)
}

class Splitter {
  readonly #text: string
  readonly #commands: string[][] = [[]]
  #at = 0
  #word: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  run(): readonly (readonly string[])[] {
    while (this.#at < this.#text.length) this.#step(this.#text.charAt(this.#at))
    this.#endWord()
    return this.#commands
  }

  #step(char: string): void {
    if (OPERATORS.has(char)) this.#endCommand()
    else if (BLANK.test(char)) this.#endWord()
    else if (char === '#' && this.#word === undefined) this.#comment()
    else this.#letter(char)
  }

  #letter(char: string): void {
    this.#word ??= ''
    if (char === "'" || char === '"') this.#quoted(char)
    else if (char === '\\') this.#escaped()
    else this.#take()
  }

  /** A backslash before a newline takes both away. */
  #escaped(): void {
    this.#at++
    if (this.#text.charAt(this.#at) === '\n') this.#at++
    else this.#take()
  }

  #take(): void {
    this.#word += this.#text.charAt(this.#at++)
  }

  #quoted(mark: string): void {
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const char = this.#text.charAt(this.#at)
      if (char === mark) break
      if (char === '\\' && mark === '"') this.#at++
      this.#word += this.#text.charAt(this.#at)
    }
    this.#at++
  }

  #comment(): void {
    const end = this.#text.indexOf('\n', this.#at)
    this.#at = end < 0 ? this.#text.length : end
  }

  #endCommand(): void {
    this.#endWord()
    this.#commands.push([])
  }

  #endWord(): void {
    if (this.#word) this.#commands.at(-1)?.push(this.#word)
    this.#word = undefined
    this.#at++
  }
}
