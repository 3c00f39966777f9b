/**
 * White space by the two definitions that BuildKit's parser uses.
 *
 * JavaScript's `\s` is neither of them: it contains U+FEFF and lacks U+0085.
 *
 * @module
 */

/** Go's unicode.IsSpace. */
const SPACE = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]'

const ONE_SPACE = new RegExp(`^${SPACE}$`)
const LEADING = new RegExp(`^${SPACE}+`)

/**
 * The characters that separate the keyword from the rest, and the words of most instructions: a narrower set, ASCII
 * only.
 */
const BLANKS = /[\t\v\f\r ]+/

export function isSpace(char: string): boolean {
  return ONE_SPACE.test(char)
}

export function trimStart(text: string): string {
  return text.replace(LEADING, '')
}

/** This is a loop, since a pattern anchored at the end would try every run of spaces, in quadratic time. */
export function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && isSpace(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

export function trim(text: string): string {
  return trimEnd(trimStart(text))
}

/** All words between blanks; an empty text is one empty word. */
export function splitBlanks(text: string): string[] {
  return text.split(BLANKS)
}

export interface Halves {
  readonly first: string
  readonly rest: string
  /** Where `rest` begins in the text. */
  readonly offset: number
}

/** The text before and after the first blanks; undefined without any. */
export function splitFirstBlanks(text: string): Halves | undefined {
  const found = BLANKS.exec(text)
  if (found === null) return undefined
  const offset = found.index + found[0].length
  return { first: text.slice(0, found.index), rest: text.slice(offset), offset }
}
