/**
 * The body of a PAX extended header: records `LENGTH KEY=VALUE\n`, LENGTH counting the whole record with itself.
 *
 * Keys and values are binary strings. A record of another form is an error, since readers that skip such records see
 * another archive than readers that do not.
 *
 * Spec: POSIX.1-2017 pax, "pax Extended Header".
 *
 * @module
 */
import { withoutNul } from './block.js'
import { FieldError } from './errors.js'

/** Bytes that a PAX header, or a GNU long name, may have. As Go archive/tar and libarchive have it. */
export const MAX_SPECIAL_SIZE: number = 1 << 20

/** Shortest record: `5 a=\n`. */
const MIN_RECORD = 5
const NAMES = new Set(['path', 'linkpath', 'uname', 'gname', 'GNU.sparse.name'])
const SPARSE_OFFSET = 'GNU.sparse.offset'
const SPARSE_LENGTH = 'GNU.sparse.numbytes'

export interface PaxRecord {
  readonly key: string
  readonly value: string
  /** Where the next record begins. */
  readonly end: number
}

/**
 * All records of a header body. Of equal keys the last one counts; an empty value removes an earlier one. The pairs of
 * GNU sparse format 0.0, whose keys repeat, are joined to `GNU.sparse.map`.
 *
 * @throws FieldError for a malformed record.
 */
export function parsePax(body: Buffer): Map<string, string> {
  const records = new Map<string, string>()
  const sparse: string[] = []
  for (let start = 0; start < body.length; ) {
    const { key, value, end } = parsePaxRecord(body, start)
    if (key === SPARSE_OFFSET || key === SPARSE_LENGTH) addSparse(sparse, key, value)
    else records.set(key, value)
    start = end
  }
  if (sparse.length > 0) records.set('GNU.sparse.map', sparse.join(','))
  return records
}

/** The record at `start`. */
export function parsePaxRecord(body: Buffer, start: number): PaxRecord {
  const end = recordEnd(body, start)
  const space = body.indexOf(0x20, start)
  const equals = body.indexOf(0x3d, space + 1)
  if (equals < 0 || equals >= end - 1) throw new FieldError('PAX record has no "="')
  const key = withoutNul(body.toString('latin1', space + 1, equals), 'key of a PAX record')
  if (key === '') throw new FieldError('PAX record has no key')
  const value = body.toString('latin1', equals + 1, end - 1)
  if (NAMES.has(key)) withoutNul(value, `PAX ${key}`)
  return { key, value, end }
}

/** One record as it stands in a header body. */
export function formatPaxRecord(key: string, value: string): string {
  if (key === '' || key.includes('=')) throw new FieldError('PAX key is empty or holds "="')
  withoutNul(key, 'PAX key')
  if (NAMES.has(key)) withoutNul(value, `PAX ${key}`)
  const rest = ` ${key}=${value}\n`
  let length = rest.length + String(rest.length).length
  // The digits of the length count too, and may become one more.
  length = rest.length + String(length).length
  return `${length}${rest}`
}

function recordEnd(body: Buffer, start: number): number {
  const space = body.subarray(start, start + 20).indexOf(0x20)
  const digits = body.toString('latin1', start, start + Math.max(space, 0))
  const length = Number(digits)
  if (!/^\d+$/.test(digits) || length < MIN_RECORD)
    throw new FieldError('PAX record does not begin with its length')
  if (length > body.length - start)
    throw new FieldError(`PAX record of ${length} bytes is longer than its header`)
  if (body[start + length - 1] !== 0x0a)
    throw new FieldError(`PAX record of ${length} bytes does not end in a newline`)
  if (space + 1 >= length) throw new FieldError('PAX record has no key')
  return start + length
}

/**
 * Offsets and lengths must alternate. A comma in a value is refused, since it would add a forged pair to the joined
 * map.
 */
function addSparse(sparse: string[], key: string, value: string): void {
  const wanted = sparse.length % 2 === 0 ? SPARSE_OFFSET : SPARSE_LENGTH
  if (key !== wanted || value.includes(','))
    throw new FieldError('GNU.sparse.offset and numbytes do not alternate')
  sparse.push(value)
}
