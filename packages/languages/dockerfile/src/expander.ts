/**
 * The walk over a word that `expand` describes: quotes, escapes, variables and their modifiers.
 *
 * @module
 */

import {
  type Pattern,
  parseBackwards,
  parsePattern,
  replaceMatches,
  trimPrefix,
  trimSuffix,
} from './pattern.js'
import { fillTemplate } from './replacement.js'
import { quote as quoted } from './source.js'
import type { EscapeCharacter } from './syntax.js'
import { WordList } from './word-list.js'

/** How deep `${a:-${b:-...}}` may nest: each level costs stack. */
const DEPTH_LIMIT = 500

/** How long a result may get, in UTF-16 units: variables that double themselves would fill the memory. */
const LENGTH_LIMIT = 16 * 1024 * 1024

export interface ExpandOptions {
  readonly env: ReadonlyMap<string, string> | Readonly<Record<string, string>>
  /** The escape character of the file; `\` unless said. */
  readonly escape?: EscapeCharacter
  /** `remove` unless said; `keep` leaves quotes in place, `ignore` makes them ordinary characters. */
  readonly quotes?: 'remove' | 'keep' | 'ignore'
  /** `remove` unless said. */
  readonly escapes?: 'remove' | 'keep'
  /** Whether a variable that is not set becomes empty, which is the default, or is kept as it is written. */
  readonly unset?: 'empty' | 'keep'
}

/** An error in the text; `expand` adds which text it is. */
export class Failure extends Error {}

/** The messages for a wrong `${...}`; BuildKit tells these two cases apart. */
const UNCLOSED = 'missing "}"'
const BAD_SUBSTITUTION = 'bad substitution'

export interface Expanded {
  readonly text: string
  readonly words: readonly string[]
}

/** One pass over one text; see `expand` for the grammar. */
export class Expander {
  readonly matched = new Set<string>()
  readonly unmatched = new Set<string>()
  readonly #chars: readonly string[]
  readonly #options: ExpandOptions
  readonly #escape: string
  #at = 0
  #depth = 0
  #length = 0
  #keepEscapes: boolean

  constructor(text: string, options: ExpandOptions) {
    this.#chars = [...text]
    this.#options = options
    this.#escape = options.escape ?? '\\'
    this.#keepEscapes = options.escapes === 'keep'
  }

  run(): Expanded {
    return this.#until(undefined)
  }

  /** Reads up to `stop`, or to the end. */
  #until(stop: string | undefined): Expanded {
    const words = new WordList()
    let text = ''
    for (let char = this.#chars[this.#at]; char !== undefined; char = this.#chars[this.#at]) {
      if (char === stop) {
        this.#at++
        return { text, words: words.finish() }
      }
      const part = this.#special(char, words) ?? this.#plain(words)
      this.#count(part)
      text += part
    }
    if (stop !== undefined) throw new Failure(`missing "${stop}"`)
    return { text, words: words.finish() }
  }

  #special(char: string, words: WordList): string | undefined {
    if (char === '$') return words.addSplit(this.#variable())
    if (char === '<') return words.add(this.#heredocMark())
    if (this.#options.quotes === 'ignore') return undefined
    if (char === "'") return words.add(this.#singleQuoted())
    return char === '"' ? words.add(this.#doubleQuoted()) : undefined
  }

  #plain(words: WordList): string {
    const char = this.#next()
    if (char !== this.#escape) return words.addSplit(char)
    const kept = this.#keepEscapes ? char : ''
    return words.add(kept + this.#next())
  }

  /** The character here; empty at the end. */
  #peek(): string {
    return this.#chars[this.#at] ?? ''
  }

  #next(): string {
    return this.#chars[this.#at++] ?? ''
  }

  #count(part: string): void {
    this.#length += part.length
    if (this.#length > LENGTH_LIMIT) throw new Failure(`the result has more than ${LENGTH_LIMIT} characters`)
  }

  /** `<<` and `<<-` keep the blanks behind them, so that `<< EOF` stays one word. */
  #heredocMark(): string {
    let mark = this.#next()
    if (this.#peek() !== '<') return mark
    mark += this.#next()
    if (this.#peek() === '-') mark += this.#next()
    while (/[ \t\r]/.test(this.#peek())) mark += this.#next()
    return mark
  }

  #singleQuoted(): string {
    const start = this.#at++
    while (this.#peek() !== "'") {
      if (this.#at >= this.#chars.length) throw new Failure('a single quote is not closed')
      this.#at++
    }
    this.#at++
    const inner = this.#options.quotes === 'keep' ? 0 : 1
    return this.#chars.slice(start + inner, this.#at - inner).join('')
  }

  #doubleQuoted(): string {
    const mark = this.#options.quotes === 'keep' ? '"' : ''
    let text = mark
    for (this.#at++; this.#peek() !== '"'; ) {
      if (this.#at >= this.#chars.length) throw new Failure('a double quote is not closed')
      const part = this.#peek() === '$' ? this.#variable() : this.#quotedChar()
      this.#count(part)
      text += part
    }
    this.#at++
    return text + mark
  }

  #quotedChar(): string {
    const char = this.#next()
    if (char !== this.#escape) return char
    const kept = this.#keepEscapes ? char : ''
    const following = this.#peek()
    if (following === '') return kept
    return following === '"' || following === '$' || following === this.#escape
      ? kept + this.#next()
      : kept + char
  }

  #variable(): string {
    this.#at++
    if (this.#peek() !== '{') {
      const name = this.#name()
      if (name === '') return '$'
      return this.#lookup(name) ?? (this.#options.unset === 'keep' ? `$${name}` : '')
    }
    this.#at++
    if (this.#depth >= DEPTH_LIMIT) throw new Failure(`variables nest deeper than ${DEPTH_LIMIT}`)
    this.#depth++
    const value = this.#braced()
    this.#depth--
    return value
  }

  #braced(): string {
    const first = this.#peek()
    if (first === '') throw new Failure(UNCLOSED)
    if (first === '{' || first === '}' || first === ':') throw new Failure(BAD_SUBSTITUTION)
    const name = this.#name()
    const operator = this.#next()
    switch (operator) {
      case '':
        throw new Failure(UNCLOSED)
      case '}':
        return this.#lookup(name) ?? (this.#options.unset === 'keep' ? `\${${name}}` : '')
      case ':':
      case '-':
      case '+':
      case '?':
        return this.#conditional(name, operator)
      case '#':
      case '%':
        return this.#trimmed(name, operator)
      case '/':
        return this.#replaced(name)
      default:
        throw new Failure(`unknown modifier "${operator}"`)
    }
  }

  #conditional(name: string, first: string): string {
    const operator = first === ':' ? this.#next() : first
    const signs = first === ':' ? first + operator : operator
    if (operator === '') throw new Failure(UNCLOSED)
    if (!['-', '+', '?'].includes(operator)) throw new Failure(`unknown modifier "${signs}"`)
    const word = this.#inner('}', { keepEscapes: false })
    const value = this.#lookup(name)
    if (value === undefined && this.#options.unset === 'keep') return `\${${name}${signs}${word}}`
    const usable = value !== undefined && !(first === ':' && value === '')
    if (operator === '+') return usable ? word : ''
    if (usable) return value
    if (operator === '-') return word
    const why = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty'
    throw new Failure(`${name}: ${word === '' ? why : word}`)
  }

  #trimmed(name: string, operator: string): string {
    const word = this.#inner('}', { keepEscapes: true })
    const value = this.#lookup(name)
    if (value === undefined && this.#options.unset === 'keep') return `\${${name}${operator}${word}}`
    const longest = word.startsWith(operator)
    const text = longest ? word.slice(1) : word
    const length = longest ? 'longest' : 'shortest'
    return operator === '#'
      ? trimPrefix(value ?? '', checked(text, parsePattern), length)
      : trimSuffix(value ?? '', checked(text, parseBackwards), length)
  }

  #replaced(name: string): string {
    const all = this.#peek() === '/'
    if (all) this.#at++
    const pattern = this.#inner('/', { keepEscapes: true })
    const word = this.#inner('}', { keepEscapes: true })
    const value = this.#lookup(name)
    if (value === undefined && this.#options.unset === 'keep') return `\${${name}/${pattern}/${word}}`
    const replacement = (match: () => string): string => (all ? fillTemplate(word, match) : word)
    return replaceMatches(value ?? '', checked(pattern, parsePattern), { replacement, all })
  }

  #inner(stop: string, { keepEscapes }: { keepEscapes: boolean }): string {
    const before = this.#keepEscapes
    this.#keepEscapes = keepEscapes
    const { text } = this.#until(stop)
    this.#keepEscapes = before
    return text
  }

  #name(): string {
    const start = this.#at
    if (/\p{Nd}/u.test(this.#peek())) {
      while (/\p{Nd}/u.test(this.#peek())) this.#at++
    } else if (/[@*#?\-$!]/.test(this.#peek())) this.#at++
    else while (/[\p{L}\p{Nd}_]/u.test(this.#peek())) this.#at++
    return this.#chars.slice(start, this.#at).join('')
  }

  #lookup(name: string): string | undefined {
    const { env } = this.#options
    const value =
      env instanceof Map ? env.get(name) : Object.hasOwn(env, name) ? Reflect.get(env, name) : undefined
    const found = typeof value === 'string' ? value : undefined
    ;(found === undefined ? this.unmatched : this.matched).add(name)
    return found
  }
}

function checked(text: string, parse: (text: string) => Pattern | string): Pattern {
  const pattern = parse(text)
  if (typeof pattern === 'string') throw new Failure(`pattern ${quoted(text)}: ${pattern}`)
  return pattern
}
