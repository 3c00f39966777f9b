/**
 * Converts the bytes of a source file to text and back without loss, and makes errors that point into it.
 *
 * A byte that is no part of valid UTF-8 becomes one code unit U+DC80 to U+DCFF, which no valid text holds. So a Latin-1
 * name in a comment does no harm, the body of a heredoc keeps its bytes, and an error for such a byte elsewhere can
 * give its place.
 *
 * @module
 */

import { isUtf8 } from 'node:buffer'
import { ToolError } from '@pipelayer/errors'

const RAW_BYTE = /[\udc80-\udcff]/u
const RAW_BYTES = /[\udc80-\udcff]/gu
const BYTE_ORDER_MARK = Buffer.from('\ufeff')

/** How long a piece of the file may get in a message, in characters. */
const QUOTED_LENGTH = 80

export interface Place {
  readonly file: string
  /** From 1. */
  readonly line: number
  /** From 1, in characters. */
  readonly column: number
}

/**
 * An error in a source file: `FILE:LINE:COLUMN: message`.
 *
 * Codes: `DOCKERFILE_INVALID` and `KUBEFILE_INVALID`; the user corrects the file at that place.
 */
export function invalidAt(code: string, place: Place, message: string): ToolError {
  return new ToolError(code, `${place.file}:${place.line}:${place.column}: ${message}`)
}

/** A piece of the file for a message: quoted, on one line, not too long. */
export function quote(text: string): string {
  const shown = text.length > QUOTED_LENGTH ? `${text.slice(0, QUOTED_LENGTH)}...` : text
  return JSON.stringify(shown.replace(RAW_BYTES, '\ufffd'))
}

/** The text of `bytes`, without a byte order mark at its head. */
export function decodeSource(bytes: Uint8Array): string {
  return decodeBytes(withoutMark(bytes))
}

/** The text of `bytes`, all of them. */
export function decodeBytes(bytes: Buffer): string {
  return isUtf8(bytes) ? bytes.toString('utf8') : decodeInvalid(bytes)
}

/** A view of `bytes` that begins after a byte order mark. */
export function withoutMark(bytes: Uint8Array): Buffer {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isMarked = buffer.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  return isMarked ? buffer.subarray(BYTE_ORDER_MARK.length) : buffer
}

function decodeInvalid(bytes: Buffer): string {
  const parts: string[] = []
  for (let at = 0; at < bytes.length; ) {
    const width = widthOf(bytes[at] ?? 0)
    const char = bytes.subarray(at, at + width)
    const valid = char.length === width && isUtf8(char)
    parts.push(valid ? char.toString('utf8') : String.fromCharCode(0xdc00 + (bytes[at] ?? 0)))
    at += valid ? width : 1
  }
  return parts.join('')
}

/** The number of bytes of a character whose first byte is `byte`. */
function widthOf(byte: number): number {
  if (byte < 0xc0) return 1
  if (byte < 0xe0) return 2
  return byte < 0xf0 ? 3 : 4
}

/** The bytes that {@link decodeSource} read. */
export function encodeSource(text: string): Buffer {
  if (!RAW_BYTE.test(text)) return Buffer.from(text, 'utf8')
  const parts: Buffer[] = []
  let done = 0
  for (const match of text.matchAll(RAW_BYTES)) {
    parts.push(Buffer.from(text.slice(done, match.index), 'utf8'), Buffer.of(match[0].charCodeAt(0) - 0xdc00))
    done = match.index + 1
  }
  parts.push(Buffer.from(text.slice(done), 'utf8'))
  return Buffer.concat(parts)
}

/** Whether `text` holds bytes that are not UTF-8. */
export function hasRawBytes(text: string): boolean {
  return RAW_BYTE.test(text)
}

/** The text with U+FFFD in place of each byte that is not UTF-8. */
export function replaceRawBytes(text: string): string {
  return text.replace(RAW_BYTES, '\ufffd')
}

/** The first character of `text` that no instruction may contain, and its place; undefined when there is none. */
export function firstUnprintable(
  text: string,
): { readonly offset: number; readonly message: string } | undefined {
  const offset = text.search(/[\0\udc80-\udcff]/u)
  if (offset < 0) return undefined
  const code = text.charCodeAt(offset)
  if (code === 0) return { offset, message: 'a NUL byte; is the file UTF-16? it has to be UTF-8' }
  const byte = code - 0xdc00
  // The byte order marks of UTF-16 begin with these two.
  const hint = byte >= 0xfe ? '; is the file UTF-16?' : ''
  return { offset, message: `byte 0x${byte.toString(16)} is not UTF-8${hint}` }
}
