/**
 * Makes logical lines of physical ones: drops comments and joins continuations.
 *
 *     file     = { comment | blank | logical }
 *     comment  = { space } "#" text
 *     logical  = { line ESC { " " | TAB } NEWLINE { comment | blank } } line
 *
 * ESC continues a line when it stands at its end, blanks after it allowed, and the character before it is not ESC.
 * Pieces are joined with nothing between them; only the first loses its leading white space.
 *
 * @module
 */

import { decodeBytes, invalidAt, type Place } from './source.js'
import { trim, trimStart } from './spaces.js'
import type { EscapeCharacter } from './syntax.js'

/** The longest line that BuildKit reads, in bytes, without its newline. */
const LINE_LIMIT = 65_535
const NEWLINE = 0x0a

/** Reads line by line and counts the lines. Only the current line is decoded, so memory is that of the file's bytes. */
export class LineReader {
  /** Number of the line that was read last, from 1. */
  line = 0
  readonly #source: Buffer
  readonly #file: string
  readonly #code: string
  #at = 0

  constructor(source: Buffer, options: { file: string; code: string }) {
    this.#source = source
    this.#file = options.file
    this.#code = options.code
  }

  /** The next line with its line end; undefined at the end of the file. */
  read(): string | undefined {
    if (this.#at >= this.#source.length) return undefined
    const newline = this.#source.indexOf(NEWLINE, this.#at)
    const end = newline < 0 ? this.#source.length : newline + 1
    const line = this.#source.subarray(this.#at, end)
    this.#at = end
    this.line++
    if (line.length > LINE_LIMIT + (newline < 0 ? 0 : 1)) {
      throw this.error(`a line has more than ${LINE_LIMIT} bytes`)
    }
    return decodeBytes(line)
  }

  /** Where the next line begins, in bytes. */
  get offset(): number {
    return this.#at
  }

  /** The bytes between two offsets: a view, not a copy. */
  bytes(from: number, to: number): Buffer {
    return this.#source.subarray(from, to)
  }

  /** An error at the line read last. */
  error(message: string, place: Partial<Place> = {}): Error {
    return invalidAt(
      this.#code,
      { file: this.#file, line: Math.max(this.line, 1), column: 1, ...place },
      message,
    )
  }
}

/** The physical line that a part of a logical line comes from. */
interface Piece {
  /** Offset in the logical line. */
  readonly offset: number
  readonly line: number
  /** Column of its first character, from 1. */
  readonly column: number
}

export interface LogicalLine {
  readonly text: string
  readonly start: number
  readonly end: number
  readonly pieces: readonly Piece[]
  /** Whether its first physical line is continued. */
  readonly continued: boolean
  /** Whether it has an empty line inside, which BuildKit warns of. */
  readonly gap: boolean
}

/** The line and column of a character of a logical line. */
export function locate(line: LogicalLine, offset: number): { line: number; column: number } {
  const piece = line.pieces.findLast(one => one.offset <= offset) ?? {
    offset: 0,
    line: line.start,
    column: 1,
  }
  return { line: piece.line, column: piece.column + [...line.text.slice(piece.offset, offset)].length }
}

/** Strips the newline, and CRs before it. */
export function chop(line: string): string {
  let end = line.length
  while (end > 0 && (line[end - 1] === '\n' || line[end - 1] === '\r')) end--
  return line.slice(0, end)
}

/** The text of a comment line without `#` and blanks around; undefined for any other line. */
export function commentOf(line: string): string | undefined {
  const text = trimStart(line)
  return text.startsWith('#') ? trim(text.slice(1)) : undefined
}

/**
 * The logical line that begins with the physical line `first`, which the caller has just read.
 *
 * For a blank line or a comment `text` is empty.
 */
export function joinLines(first: string, reader: LineReader, escapeChar: EscapeCharacter): LogicalLine {
  const start = reader.line
  const whole = chop(first)
  const body = commentOf(whole) === undefined ? trimStart(whole) : ''
  const pieces: Piece[] = [{ offset: 0, line: start, column: [...whole].length - [...body].length + 1 }]
  let { text, open } = dropContinuation(body, escapeChar)
  const continued = open
  let gap = false
  while (open) {
    const read = reader.read()
    if (read === undefined) break
    const line = chop(read)
    if (commentOf(line) !== undefined) continue
    if (trimStart(line) === '') {
      gap = true
      continue
    }
    pieces.push({ offset: text.length, line: reader.line, column: 1 })
    const next = dropContinuation(line, escapeChar)
    text += next.text
    open = next.open
  }
  return { text, start, end: reader.line, pieces, continued, gap }
}

function dropContinuation(line: string, escapeChar: EscapeCharacter): { text: string; open: boolean } {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--
  const open = line[end - 1] === escapeChar && line[end - 2] !== escapeChar
  return { text: open ? line.slice(0, end - 1) : line, open }
}
