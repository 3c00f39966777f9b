/**
 * Numbers in header fields: octal digits, or base 256 when the first bit is set.
 *
 *     "0000644\0"              octal, ended or padded by NUL or space, empty means 0
 *     80 00 00 00 00 20 00 00  base 256, big endian, two's complement; the first bit is only the mark
 *
 * @module
 */
import type { Field } from './block.js'
import { FieldError } from './errors.js'

const BASE_256 = 0x80
const ZERO = 0x30
const INT64_MAX = 2n ** 63n - 1n

/**
 * The number in `field`, from -2^63 to 2^63 - 1.
 *
 * @throws FieldError for other digits and for larger numbers.
 */
export function parseNumeric(field: Buffer): bigint {
  const first = field[0] ?? 0
  return first >= BASE_256 ? parseBase256(field) : parseOctal(field.toString('latin1'))
}

/**
 * The number at `field` of a block as a double.
 *
 * @throws FieldError for what {@link parseNumeric} refuses, beyond 2^53, and where digits follow a leading NUL: Go reads
 *   them, libarchive and Python read 0, and if the field is the size they see different archives
 */
export function numberAt(block: Buffer, field: Field, what: string): number {
  const [offset, width] = field
  return (
    commonOctal(block, offset, offset + width) ??
    safe(named(block.subarray(offset, offset + width), what), what)
  )
}

/** `value` as a double, if that is exact. */
export function safe(value: bigint, what: string): number {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new FieldError(`${what} ${value} is beyond 2^53`)
  return number
}

/** Whether `value` fits in a field of `width` bytes as octal digits and a NUL. */
export function fitsInOctal(value: number, width: number): boolean {
  return Number.isInteger(value) && value >= 0 && value < 2 ** (3 * (width - 1))
}

/** Octal digits that fill a field of `width` bytes but for the NUL at its end. */
export function formatOctal(value: number | bigint, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`
}

/** Reads digits, perhaps none, before NULs or spaces, without a string or a bigint. Nearly every field is like that. */
function commonOctal(block: Buffer, start: number, end: number): number | undefined {
  let value = 0
  let at = start
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - ZERO
    if (digit < 0 || digit > 7) break
    value = value * 8 + digit
  }
  for (; at < end; at++) if (block[at] !== 0 && block[at] !== 0x20) return undefined
  return value
}

function named(field: Buffer, what: string): bigint {
  try {
    if (/^ *\0[ \0]*0*[1-7]/.test(field.toString('latin1'))) throw new FieldError('digits after a NUL')
    return parseNumeric(field)
  } catch (error) {
    if (!(error instanceof FieldError)) throw error
    throw new FieldError(`${what} ${JSON.stringify(field.toString('latin1'))}: ${error.message}`)
  }
}

function parseOctal(text: string): bigint {
  const digits =
    text
      .replace(/^[ \0]+/, '')
      .replace(/[ \0]+$/, '')
      .split('\0', 1)[0] ?? ''
  if (digits === '') return 0n
  if (!/^[0-7]+$/.test(digits)) throw new FieldError('not an octal number')
  return withinInt64(BigInt(`0o${digits}`))
}

function parseBase256(field: Buffer): bigint {
  let value = 0n
  for (const byte of field) value = (value << 8n) | BigInt(byte)
  const bits = BigInt(field.length * 8 - 1)
  return withinInt64(BigInt.asIntN(Number(bits), value))
}

function withinInt64(value: bigint): bigint {
  if (value > INT64_MAX || value < -INT64_MAX - 1n) throw new FieldError('more than 63 bits')
  return value
}
