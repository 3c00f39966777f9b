/**
 * Cuts a template into texts and actions, and actions into words, in one pass.
 *
 *     template = { text | action }
 *     action   = "{{" [ "- " ] { word } [ " -" ] "}}"
 *     word     = string | character | number | variable | field | name | ":=" | "=" | "|" | "(" | ")" | ","
 *
 * Spec: Go 1.23, text/template, "Text and spaces", "Actions"
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'

export type Word = {
  readonly kind: 'text' | 'character' | 'number' | 'variable' | 'field' | 'name' | 'sign'
  /** As written; of a `text`, what it stands for. */
  readonly text: string
  /** It follows the word before it without a blank. */
  readonly isClose: boolean
}

export type Piece =
  | { readonly kind: 'text'; readonly text: string; readonly line: number }
  | { readonly kind: 'action'; readonly words: readonly Word[]; readonly line: number }

const LEFT = '{{'
const WORD =
  /"(?:[^"\\\n]|\\.)*"|`[^`]*`|'(?:[^'\\\n]|\\.)+'|[-+]?(?:\d[\w.]*|\.\d[\w]*)(?:(?<=[eEpP])[-+]\d+)?|\$[\p{L}\p{N}_]*(?:\.[\p{L}_][\p{L}\p{N}_]*)*|(?:\.[\p{L}_][\p{L}\p{N}_]*)+|\.|[\p{L}_][\p{L}\p{N}_]*|:=|[=|(),]/uy
const BLANKS = /[ \t\r\n]*/y
const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  t: '\t',
  r: '\r',
  '\\': '\\',
  '"': '"',
  "'": "'",
}

/**
 * @param file - its name in messages
 * @throws ToolError `TEMPLATE_INVALID` as `FILE:LINE: ...` for an action that does not end, or of which a part is no
 *   word
 */
export function* pieces(text: string, file: string): Generator<Piece, void, void> {
  const lines = new LineCounter(text)
  let at = 0
  let trims = false
  for (;;) {
    const start = text.indexOf(LEFT, at)
    const end = start < 0 ? text.length : start
    const isTrimmed = start >= 0 && text[start + 2] === '-' && /\s/.test(text[start + 3] ?? '')
    yield* textPiece(text.slice(at, end), { line: lines.at(at), left: trims, right: isTrimmed })
    if (start < 0) return
    const line = lines.at(start)
    const action = readAction(text, start + (isTrimmed ? 3 : 2), `${file}:${line}`)
    if (action.words !== undefined) yield { kind: 'action', words: action.words, line }
    at = action.end
    trims = action.trims
  }
}

function* textPiece(
  text: string,
  { line, left, right }: { readonly line: number; readonly left: boolean; readonly right: boolean },
): Generator<Piece, void, void> {
  const rest = left ? text.trimStart() : text
  const kept = right ? rest.trimEnd() : rest
  const skipped = text.slice(0, text.length - rest.length)
  if (kept !== '') yield { kind: 'text', text: kept, line: line + breaks(skipped) }
}

interface Action {
  /** Undefined for a comment. */
  readonly words: readonly Word[] | undefined
  readonly end: number
  /** The blanks behind it are left out. */
  readonly trims: boolean
}

function readAction(text: string, start: number, place: string): Action {
  const first = start + matched(BLANKS, text, start).length
  if (text.startsWith('/*', first)) return readComment(text, first, place)
  const words: Word[] = []
  let at = start
  for (;;) {
    const blanks = matched(BLANKS, text, at).length
    at += blanks
    if (text.startsWith('}}', at)) return { words, end: at + 2, trims: false }
    if (blanks > 0 && text.startsWith('-}}', at)) return { words, end: at + 3, trims: true }
    const word = matched(WORD, text, at)
    if (word === '') throw invalid(place, at >= text.length ? 'an action does not end' : wrongWord(text, at))
    words.push({ ...wordOf(word), isClose: blanks === 0 })
    at += word.length
  }
}

function readComment(text: string, start: number, place: string): Action {
  const end = text.indexOf('*/', start + 2)
  const close = end < 0 ? null : /^\s*(-?)\}\}/.exec(text.slice(end + 2, end + 100))
  if (close === null) throw invalid(place, 'a comment does not end')
  return { words: undefined, end: end + 2 + close[0].length, trims: close[1] === '-' }
}

function wordOf(text: string): Omit<Word, 'isClose'> {
  const [head = ''] = text
  if (head === '"') return { kind: 'text', text: unescaped(text.slice(1, -1)) }
  if (head === '`') return { kind: 'text', text: text.slice(1, -1) }
  if (head === "'") return { kind: 'character', text: unescaped(text.slice(1, -1)) }
  if (/^[-+\d]|^\.\d/.test(text)) return { kind: 'number', text }
  if (head === '$') return { kind: 'variable', text }
  if (head === '.') return { kind: 'field', text }
  return { kind: /^[\p{L}_]/u.test(head) ? 'name' : 'sign', text }
}

function unescaped(text: string): string {
  return text.replace(/\\(?:u[\da-fA-F]{4}|x[\da-fA-F]{2}|.)/g, escape => {
    const [, kind = '', ...digits] = escape
    if (digits.length > 0) return String.fromCharCode(Number.parseInt(digits.join(''), 16))
    return ESCAPES[kind] ?? escape
  })
}

function wrongWord(text: string, at: number): string {
  return `${JSON.stringify(text.slice(at, at + 10))} is no part of an action`
}

function matched(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(text)?.[0] ?? ''
}

/** Counts lines forwards, so that the whole text is read once. */
class LineCounter {
  readonly #text: string
  #at = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  at(offset: number): number {
    for (let next = this.#text.indexOf('\n', this.#at); next >= 0 && next < offset; ) {
      this.#line++
      this.#at = next + 1
      next = this.#text.indexOf('\n', this.#at)
    }
    return this.#line
  }
}

function breaks(text: string): number {
  return text.split('\n').length - 1
}

function invalid(place: string, why: string): ToolError {
  return new ToolError('TEMPLATE_INVALID', `${place}: ${why}`)
}
