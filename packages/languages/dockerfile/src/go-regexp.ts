/**
 * Go's regular expressions, as far as BuildKit makes them from patterns of .dockerignore.
 *
 *     expression  = alternative { "|" alternative }
 *     alternative = { FOLDERS | ".*" | ( item | "^" ) [ repeat ] } [ "$" ]
 *     item        = char | "\" escape | class
 *     repeat      = "*" | "{" number [ "," [ number ] ] "}"
 *     class       = "[" [ "^" ] { char [ "-" char ] | "\" escape | "[:" [ "^" ] name ":]" } "]"
 *     FOLDERS: any characters and a slash, in a group that may be missing
 *
 * Spec: https://pkg.go.dev/regexp/syntax
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { Token } from './states.js'

type Accepts = (char: string) => boolean

const ANY: Accepts = () => true
const FOLDERS = '(.*/)?'
const ANYTHING = '.*'
const REPEAT = /^\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}/
const MAX_REPEAT = 1000

/**
 * The alternatives of an expression. The expression matches where one of them matches the whole text.
 *
 * @throws {@link ToolError} `PATTERN_INVALID`: an invalid escape or class, a range from high to low, a repetition of
 * nothing or of a repetition
 */
export function parseExpression(source: string): readonly (readonly Token[])[] {
  return new Reader(source).expression()
}

const SETS: Readonly<Record<string, Accepts>> = {
  d: char => /[0-9]/.test(char),
  s: char => /[\t\n\f\r ]/.test(char),
  w: char => /[0-9A-Za-z_]/.test(char),
}

/** Classes of POSIX, which stand inside of a class. */
const NAMED: Readonly<Record<string, RegExp>> = {
  alnum: /[0-9A-Za-z]/,
  alpha: /[A-Za-z]/,
  ascii: /[\0-\x7f]/,
  blank: /[\t ]/,
  cntrl: /[\0-\x1f\x7f]/,
  digit: /[0-9]/,
  graph: /[!-~]/,
  lower: /[a-z]/,
  print: /[ -~]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /[\t-\r ]/,
  upper: /[A-Z]/,
  word: /[0-9A-Za-z_]/,
  xdigit: /[0-9A-Fa-f]/,
}

const CONTROLS: Readonly<Record<string, string>> = {
  a: '\x07',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
}

const isWord = (char: string): boolean => /^[0-9A-Za-z_]$/.test(char)

/** Conditions on the place between two characters, by the escape that stands for them. */
const PLACES: Readonly<Record<string, (before: string, after: string) => boolean>> = {
  A: before => before === '',
  z: (_, after) => after === '',
  b: (before, after) => isWord(before) !== isWord(after),
  B: (before, after) => isWord(before) === isWord(after),
}

class Reader {
  readonly #source: string
  #at = 0

  constructor(source: string) {
    this.#source = source
  }

  expression(): Token[][] {
    const alternatives = [this.#alternative()]
    while (this.#take('|')) alternatives.push(this.#alternative())
    return alternatives
  }

  /**
   * An alternative that is not anchored at the begin or the end of the text allows any characters before or behind it.
   */
  #alternative(): Token[] {
    const isAnchored = /^\^(?!\{)/.test(this.#rest())
    if (isAnchored) this.#at++
    const tokens: Token[] = isAnchored ? [] : [{ type: 'many', accepts: ANY }]
    if (!isAnchored && REPEAT.test(this.#rest())) throw this.#invalid('a repetition of nothing')
    while (this.#at < this.#source.length && this.#source[this.#at] !== '|') {
      if (this.#rest() === '$') {
        this.#at++
        return tokens
      }
      tokens.push(...this.#repeated(this.#tokens()))
    }
    return [...tokens, { type: 'many', accepts: ANY }]
  }

  /** Repeats the last token as often as the braces behind it say; braces without numbers are text. */
  #repeated(tokens: Token[]): Token[] {
    const [text, least = '', comma, most] = REPEAT.exec(this.#rest()) ?? []
    const last = tokens.at(-1)
    if (text === undefined || last === undefined) return tokens
    const min = Number(least)
    const max = comma === undefined ? min : most === undefined ? Number.POSITIVE_INFINITY : Number(most)
    if (min > max || min > MAX_REPEAT || (max > MAX_REPEAT && most !== undefined))
      throw this.#invalid(`"${text}" repeats too often, or its numbers are in the wrong order`)
    this.#at += text.length
    if (last.type === 'many' || last.type === 'folders' || REPEAT.test(this.#rest()))
      throw this.#invalid(`"${text}" repeats a repetition`)
    return [...tokens.slice(0, -1), ...copies(last, min, max)]
  }

  #rest(): string {
    return this.#source.slice(this.#at)
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false
    this.#at += text.length
    return true
  }

  #tokens(): Token[] {
    if (this.#take(FOLDERS)) return [{ type: 'folders' }]
    if (this.#take(ANYTHING)) return [{ type: 'many', accepts: ANY }]
    if (this.#take('^')) return [{ type: 'place', holds: before => before === '' }]
    if (this.#take('\\Q')) return this.#quoted()
    const place = this.#source[this.#at] === '\\' ? PLACES[this.#source[this.#at + 1] ?? ''] : undefined
    if (place !== undefined) {
      this.#at += 2
      return [{ type: 'place', holds: place }]
    }
    const accepts = this.#take('[') ? this.#class() : this.#one()
    return [{ type: this.#take('*') ? 'many' : 'one', accepts }]
  }

  /** Up to `\E`, or to the end, all characters are literal, also the "$" at the end. */
  #quoted(): Token[] {
    const [text = ''] = this.#rest().split('\\E', 1)
    this.#at += text.length
    this.#take('\\E')
    return [...text].map(char => ({ type: 'char', char }))
  }

  #one(): Accepts {
    const set = this.#set()
    if (set !== undefined) return set
    const wanted = this.#char()
    return char => char === wanted
  }

  #class(): Accepts {
    const negated = this.#take('^')
    const parts: Accepts[] = []
    while (this.#source[this.#at] !== ']' || parts.length === 0) {
      if (this.#at >= this.#source.length) throw this.#invalid('a class is not closed')
      parts.push(this.#named() ?? this.#set() ?? this.#range())
    }
    this.#at++
    return char => parts.some(accepts => accepts(char)) !== negated
  }

  /** `[:alpha:]`: only where a `:]` follows. */
  #named(): Accepts | undefined {
    const [text, not = '', name = ''] = /^\[:(\^?)(.*?):\]/s.exec(this.#rest()) ?? []
    if (text === undefined) return undefined
    const named = Object.hasOwn(NAMED, name) ? NAMED[name] : undefined
    if (named === undefined) throw this.#invalid(`there is no class ${text}`)
    this.#at += text.length
    return char => named.test(char) === (not === '')
  }

  /** `\d` and the like, `\pL`. */
  #set(): Accepts | undefined {
    if (this.#source[this.#at] !== '\\') return undefined
    const letter = this.#source[this.#at + 1] ?? ''
    const set = letter.toLowerCase() === 'p' ? this.#category() : SETS[letter.toLowerCase()]
    if (set === undefined) return undefined
    this.#at += 2
    return letter === letter.toLowerCase() ? set : char => !set(char)
  }

  /**
   * A category of Unicode, by the letter behind `\p`. The form with braces cannot occur, since braces are escaped in a
   * pattern.
   */
  #category(): Accepts {
    const letter = this.#source[this.#at + 2] ?? ''
    if (!/[CLMNPSZ]/.test(letter)) throw this.#invalid(`"\\p${letter}" is no class of characters`)
    this.#at++
    const category = new RegExp(`\\p{${letter}}`, 'u')
    return char => category.test(char)
  }

  #range(): Accepts {
    const start = this.#at
    const low = code(this.#char())
    const isRange = this.#source[this.#at] === '-' && !this.#source.startsWith('-]', this.#at)
    if (isRange) this.#at++
    const high = isRange ? code(this.#char()) : low
    if (high < low)
      throw this.#invalid(`the range ${this.#source.slice(start, this.#at)} ends before it begins`)
    return char => low <= code(char) && code(char) <= high
  }

  /** One character, perhaps escaped. */
  #char(): string {
    const char = this.#next()
    if (char !== '\\') return char
    const escaped = this.#next()
    if (Object.hasOwn(CONTROLS, escaped)) return CONTROLS[escaped] ?? ''
    if (/^[0-7]/.test(escaped)) return this.#octal(escaped)
    if (escaped === 'x') return this.#hex()
    if (!/^[\0-\x7f]$/.test(escaped) || /[0-9A-Za-z]/.test(escaped))
      throw this.#invalid(`"\\${escaped}" is no escape`)
    return escaped
  }

  #next(): string {
    const point = this.#source.codePointAt(this.#at)
    if (point === undefined) throw this.#invalid('it ends too early')
    const char = String.fromCodePoint(point)
    this.#at += char.length
    return char
  }

  /** A single digit other than 0 would refer to a group. */
  #octal(first: string): string {
    const [digits = ''] = /^[0-7]{0,2}/.exec(this.#rest()) ?? []
    if (first !== '0' && digits === '') throw this.#invalid(`"\\${first}" is no escape`)
    this.#at += digits.length
    return String.fromCodePoint(Number.parseInt(first + digits, 8))
  }

  #hex(): string {
    const [digits] = /^[0-9A-Fa-f]{2}/.exec(this.#rest()) ?? []
    if (digits === undefined) throw this.#invalid('"\\x" needs two hexadecimal digits')
    this.#at += 2
    return String.fromCodePoint(Number.parseInt(digits, 16))
  }

  #invalid(why: string): ToolError {
    return new ToolError('PATTERN_INVALID', why)
  }
}

function copies(token: Exclude<Token, { type: 'many' | 'folders' }>, min: number, max: number): Token[] {
  // A condition on a place holds or does not hold, so repeating it changes nothing.
  if (token.type === 'place') return min === 0 ? [] : [token]
  const accepts: Accepts = token.type === 'char' ? char => char === token.char : token.accepts
  const more: Token[] =
    max === Number.POSITIVE_INFINITY
      ? [{ type: 'many', accepts }]
      : Array.from({ length: max - min }, () => ({ type: 'maybe', accepts }))
  return [...Array.from({ length: min }, () => token), ...more]
}

function code(char: string): number {
  return char.codePointAt(0) ?? 0
}
