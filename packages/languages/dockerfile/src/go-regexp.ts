/**
 * Go's regular expressions, as far as patterns of .dockerignore lead to them.
 *
 *     expression = { FOLDERS | ".*" | item [ "*" ] | "^" } [ "$" ]
 *     item       = char | "\" escape | class
 *     class      = "[" [ "^" ] { char [ "-" char ] | "\" escape | "[:" [ "^" ] name ":]" } "]"
 *     FOLDERS: any characters and a slash, in a group that may be missing
 *
 * Spec: https://pkg.go.dev/regexp/syntax
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { Token } from './states.js'

type Accepts = (char: string) => boolean

/** What an expression has between its anchors, and whether it must reach to the end of a text. */
export interface Expression {
  readonly tokens: readonly Token[]
  readonly toEnd: boolean
}

const ANY: Accepts = () => true
const FOLDERS = '(.*/)?'
const ANYTHING = '.*'

/** @throws {@link ToolError} `PATTERN_INVALID`: an escape or a class that is none, a range from high to low */
export function parseExpression(source: string): Expression {
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

/** Places between characters that an escape stands for. */
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

  expression(): Expression {
    const tokens: Token[] = []
    while (this.#at < this.#source.length) {
      if (this.#rest() === '$') return { tokens, toEnd: true }
      tokens.push(...this.#tokens())
    }
    return { tokens, toEnd: false }
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

  /** Up to `\E`, or to the end, all characters are themselves: the "$" of the end, too. */
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

  /** Of Unicode, by the letter behind `\p`. Braces, which would name others, are escaped in a pattern. */
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

  /** One digit that is not 0 would be a reference to a group. */
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

function code(char: string): number {
  return char.codePointAt(0) ?? 0
}
