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

/** A command with what stands around it. */
export interface ShellCommand {
  readonly words: SimpleCommand
  /** Keywords, assignments and wrappers such as `sudo` before the program. */
  readonly before: readonly string[]
  /** Whether the output of the command before it is its input. */
  readonly piped: boolean
}

const OPERATORS = new Set([';', '&', '|', '(', ')', '`', '\n'])
const BLANK = /[ \t\r]/
/** Words before the name of a program that do not matter for the rules. */
const BEFORE = new Set(
  '! { if then elif else while until do time exec env sudo command eatmydata nice'.split(' '),
)
const ASSIGNMENT = /^[A-Za-z_]\w*=/

export function simpleCommands(text: string): readonly SimpleCommand[] {
  return shellCommands(text).map(({ words }) => words)
}

export function shellCommands(text: string): readonly ShellCommand[] {
  const parts = new Splitter(text).run()
  // Two bars are "or": the part between them is empty.
  const isPiped = (at: number): boolean =>
    parts[at]?.operator === '|' && (parts[at - 1]?.words.length ?? 0) > 0
  return parts
    .map(({ words }, at) => ({ ...atProgram(words), piped: isPiped(at) }))
    .filter(({ words }) => words.length > 0)
}

function atProgram(words: readonly string[]): Pick<ShellCommand, 'words' | 'before'> {
  const found = words.findIndex(word => !BEFORE.has(word) && !ASSIGNMENT.test(word))
  const start = found < 0 ? words.length : found
  return { words: words.slice(start), before: words.slice(0, start) }
}

/** The name of the program, without its folder. */
export function programOf([path = '']: SimpleCommand): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

interface Part {
  readonly words: string[]
  /** What separates it from the part before it; empty for the first. */
  readonly operator: string
}

class Splitter {
  readonly #text: string
  readonly #parts: Part[] = [{ words: [], operator: '' }]
  #at = 0
  #word: string | undefined

  constructor(text: string) {
    this.#text = text
  }

  run(): readonly Part[] {
    while (this.#at < this.#text.length) this.#step(this.#text.charAt(this.#at))
    this.#endWord()
    return this.#parts
  }

  #step(char: string): void {
    if (OPERATORS.has(char)) this.#endCommand(char)
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

  #endCommand(operator: string): void {
    this.#endWord()
    this.#parts.push({ words: [], operator })
  }

  #endWord(): void {
    if (this.#word) this.#parts.at(-1)?.words.push(this.#word)
    this.#word = undefined
    this.#at++
  }
}
