/**
 * Variables, quotes and escapes in the words of an instruction, and splitting after that.
 *
 *     word      = { quoted | variable | ESC char | char }
 *     quoted    = "'" { char } "'"  |  '"' { variable | ESC ( '"' | "$" | ESC ) | char } '"'
 *     variable  = "$" NAME  |  "${" NAME [ modifier ] "}"
 *     modifier  = [ ":" ] ( "-" | "+" | "?" ) word
 *               | ( "#" | "##" | "%" | "%%" ) pattern
 *               | ( "/" | "//" ) pattern "/" replacement
 *     NAME      = letter or "_", then letters, digits, "_"  |  digits  |  one of @ * # ? - $ !
 *
 * A variable that is not set is empty. A `$` that begins no variable is an ordinary character. After the variables in
 * the replacement of `//` are expanded, it is a template: see `fillTemplate`. Other than in BuildKit, nesting and
 * length are limited.
 *
 * Spec: https://docs.docker.com/reference/dockerfile/#environment-replacement
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { Expander, type ExpandOptions, Failure } from './expander.js'
import { quote as quoted } from './source.js'

export interface Expansion {
  readonly word: string
  /** The word split at blanks that were not quoted, also at blanks in the values of variables. */
  readonly words: readonly string[]
  /** The names that were looked up and found; `unmatched` has those that were not found. */
  readonly matched: ReadonlySet<string>
  readonly unmatched: ReadonlySet<string>
}

/**
 * Expands `text`.
 *
 * @throws {@link ToolError} `EXPANSION_FAILED` for a wrong substitution, an open quote, and `${x:?message}`
 */
export function expand(text: string, options: ExpandOptions): Expansion {
  const expander = new Expander(text, options)
  try {
    const { text: word, words } = expander.run()
    return { word, words, matched: expander.matched, unmatched: expander.unmatched }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new ToolError('EXPANSION_FAILED', `cannot expand ${quoted(text)}: ${error.message}`)
  }
}

/**
 * As {@link expand}, but returns only the word.
 *
 * ```ts
 * expandWord('${HOME:-/root}/bin', { env: {} }) // '/root/bin'
 * ```
 */
export function expandWord(text: string, options: ExpandOptions): string {
  return expand(text, options).word
}

/** As {@link expand}, but returns only the words. */
export function expandWords(text: string, options: ExpandOptions): readonly string[] {
  return expand(text, options).words
}
