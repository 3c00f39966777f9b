/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly first: number
  readonly last: number
}

/**
 * The range of `size` bytes that a Range header asks for. Undefined where the whole is to be sent, as for a header with
 * another unit, with several ranges, or without a meaning.
 *
 * Spec: RFC 9110, 14.1.2 and 14.2. A range that begins inside the content is cut at its end.
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(header?.replace(/\s/g, '') ?? '')
  if (match === null) return undefined
  const [, from = '', to = ''] = match
  if (from === '' && to === '') return undefined
  if (from === '') return Number(to) === 0 || size === 0 ? 'unsatisfiable' : suffix(Number(to), size)
  const first = Number(from)
  if (to !== '' && Number(to) < first) return undefined
  if (first >= size) return 'unsatisfiable'
  return { first, last: to === '' ? size - 1 : Math.min(Number(to), size - 1) }
}

/**
 * The Content-Range of a chunk: `FIRST-LAST`, both included, or RFC 9110's `bytes FIRST-LAST/TOTAL`, which is accepted
 * too. Undefined when it is neither.
 *
 * Spec: distribution-spec v1.1, "Pushing a blob in chunks".
 */
export function parseChunkRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes )?(\d{1,15})-(\d{1,15})(?:\/(?:\d+|\*))?$/.exec(header.trim())
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  return last < first ? undefined : { first, last }
}

function suffix(length: number, size: number): ByteRange {
  return { first: Math.max(0, size - length), last: size - 1 }
}
