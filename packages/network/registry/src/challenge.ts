/**
 * The WWW-Authenticate header.
 *
 * ```
 * header    = #challenge
 * challenge = scheme [ 1*SP ( token68 / #param ) ]
 * param     = token "=" ( token / quoted-string )
 * ```
 *
 * Text of another form is skipped, and a parameter without a value counts as absent. This is safe, since the realm is
 * checked before use.
 *
 * Spec: RFC 9110, section 11.6.1.
 *
 * @module
 */

export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string
  /** Names in lower case. */
  readonly params: ReadonlyMap<string, string>
}

const WORD = /"((?:[^"\\]|\\.)*)"|([^\s,="]+)/y
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))/y
const EQUALS = /\s*=[ \t]*/y
const SPACE = /\s*/y
const COMMAS = /[\s,]*/y
const VALUE = /"((?:[^"\\]|\\.)*)"|([^\s,"]+)/y

/** Reads the challenges of one or several headers. */
export function parseChallenges(header: string | readonly string[]): Challenge[] {
  const text = typeof header === 'string' ? header : header.join(', ')
  const challenges: { scheme: string; params: Map<string, string> }[] = []
  const scan = new Scanner(text)
  while (scan.skip(COMMAS)) {
    const word = scan.word(WORD)
    const current = challenges.at(-1)
    if (word === undefined) scan.skipRest()
    else if (scan.take(EQUALS)) {
      const value = scan.word(VALUE)
      if (current !== undefined && value) current.params.set(word.toLowerCase(), value)
    } else if (word !== '') {
      // An empty string in quotes names no scheme.
      challenges.push({ scheme: word.toLowerCase(), params: new Map() })
      scan.skip(SPACE)
      scan.take(TOKEN68)
    }
  }
  return challenges
}

class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Skips text that matches; false at the end of the text. */
  skip(pattern: RegExp): boolean {
    this.take(pattern)
    return this.#at < this.#text.length
  }

  take(pattern: RegExp): boolean {
    return this.#match(pattern) !== null
  }

  /** A token, or a quoted string without its quotes and escapes. */
  word(pattern: RegExp): string | undefined {
    const match = this.#match(pattern)
    return match?.[2] ?? match?.[1]?.replace(/\\(.)/gs, '$1')
  }

  /** Skips the rest of the text, since an open quote makes one broken string of all that follows. */
  skipRest(): void {
    this.#at = this.#text[this.#at] === '"' ? this.#text.length : this.#at + 1
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match !== null) this.#at = pattern.lastIndex
    return match
  }
}
