/**
 * Finds the lines on which a quoted text goes on.
 *
 * A text that begins behind `key: `, behind `- ` or at the start of a line is found without parsing; block scalars, whose
 * lines may look like that, are skipped by their indentation. So a document with thousands of such texts is read twice,
 * and not once for each of their lines.
 *
 * @module
 */

const QUOTED_KEY = '"[^"]*"|\'[^\']*\''
const PLAIN_KEY = '(?![-?] )[^\\s"\'#{}[\\],&*!|>%@`][^#]*?'
/** What may stand before a quoted text on its line: dashes, a key, an anchor, a tag. It matches in one pass. */
const OPENING = new RegExp(`^ *(?:[-?] +)*(?:(?:${QUOTED_KEY}|${PLAIN_KEY}) *: +)?(?:[&!]\\S+ +)*(["'])`)
/** A line whose value is a block scalar. */
const BLOCK = /(?:^|\s)[|>][-+\d]{0,2}[ \r]*(?: #.*)?$/
const BLANK = /^[ \t\r]*$/

/**
 * The text with more blanks before each line that continues a quoted text, at most `limit` of them. It has the same
 * lines, and the same values.
 */
export function padContinuations(text: string, limit: number): string {
  const parts: string[] = []
  let done = 0
  for (let at = 0; at < text.length; ) {
    const end = lineEnd(text, at)
    const line = text.slice(at, end)
    const [opening = '', quote = ''] = OPENING.exec(line) ?? []
    const close = quote === '' ? -1 : closing(text, at + opening.length, quote)
    if (close > end) {
      const pad = ' '.repeat(Math.min(opening.length, limit))
      parts.push(text.slice(done, end), text.slice(end, close).replaceAll('\n', `\n${pad}`))
      done = close
      at = lineEnd(text, close) + 1
    } else at = BLOCK.test(line) ? behindBlock(text, end + 1, indentOf(line)) : end + 1
  }
  return parts.length === 0 ? text : parts.join('') + text.slice(done)
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\n', from)
  return end < 0 ? text.length : end
}

/** The place of the quote that ends a text; -1 if none does. */
function closing(text: string, from: number, quote: string): number {
  for (let at = text.indexOf(quote, from); at >= 0; at = text.indexOf(quote, at + 1)) {
    if (quote === "'" && text[at + 1] === "'") at++
    else if (quote === "'" || !isEscaped(text, at, from)) return at
  }
  return -1
}

function isEscaped(text: string, at: number, from: number): boolean {
  let count = 0
  while (at - count - 1 >= from && text[at - count - 1] === '\\') count++
  return count % 2 === 1
}

/** The lines of a block scalar are indented more than the line that begins it, or blank. */
function behindBlock(text: string, from: number, indent: number): number {
  let at = from
  while (at < text.length) {
    const end = lineEnd(text, at)
    const line = text.slice(at, end)
    if (!BLANK.test(line) && indentOf(line) <= indent) break
    at = end + 1
  }
  return at
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}
