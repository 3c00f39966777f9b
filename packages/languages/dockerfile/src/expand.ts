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
 * A name that is not set is empty. `$` before anything else is itself. The replacement of `//` is a template once its
 * variables are in, see `fillTemplate`. What differs from BuildKit: nesting and length are bounded.
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
  /** The word split at blanks that were not quoted; those that came from variables split too. */
  readonly words: readonly string[]
  /** Names that were looked up and found, and those not found. */
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

/** {@link expand}, the word alone. */
export function expandWord(text: string, options: ExpandOptions): string {
  return expand(text, options).word
}

/** {@link expand}, the words alone. */
export function expandWords(text: string, options: ExpandOptions): readonly string[] {
  return expand(text, options).words
}
