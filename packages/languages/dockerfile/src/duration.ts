/**
 * Durations as Go writes them: `1m30s`, `1.5h`, `500ms`.
 *
 *     duration = [ "+" | "-" ] ( "0" | number UNIT { number UNIT } )
 *     UNIT     = "ns" | "us" | "µs" | "ms" | "s" | "m" | "h"
 *
 * @module
 */

const NANOSECONDS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

const PART = /(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y

/** Go's time.Duration is a 64-bit integer. */
const LIMIT = 2n ** 63n

/** The nanoseconds of `text`; undefined when it is no duration or does not fit 64 bits. */
export function parseDuration(text: string): bigint | undefined {
  const negative = text.startsWith('-')
  const body = negative || text.startsWith('+') ? text.slice(1) : text
  const length = body === '0' ? 0n : sumParts(body)
  if (length === undefined || length > (negative ? LIMIT : LIMIT - 1n)) return undefined
  return negative ? -length : length
}

function sumParts(body: string): bigint | undefined {
  let sum = 0n
  let at = 0
  do {
    PART.lastIndex = at
    const [part = '', whole = '', fraction = '', unit = ''] = PART.exec(body) ?? []
    const each = NANOSECONDS[unit]
    if (each === undefined || (whole === '' && fraction === '')) return undefined
    sum += BigInt(whole === '' ? 0 : whole) * each
    // Fractions of a nanosecond are dropped; 18 digits suffice even for a fraction of an hour.
    const digits = fraction.slice(0, 18)
    if (digits !== '') sum += (BigInt(digits) * each) / 10n ** BigInt(digits.length)
    at += part.length
  } while (at < body.length)
  return sum
}
