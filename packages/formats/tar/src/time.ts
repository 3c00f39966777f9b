/**
 * Times as PAX writes them: decimal seconds with a fraction of any length.
 *
 * @module
 */
import type { TarTime } from './entry.js'
import { FieldError } from './errors.js'
import { safe } from './numeric.js'

const NANO = 1_000_000_000

/**
 * `-1.5` is half a second before -1: seconds -2, nanoseconds 500 000 000. Digits after the ninth are dropped.
 *
 * @throws FieldError for anything else than a sign, digits, and a point with digits.
 */
export function parsePaxTime(text: string): TarTime {
  const match = /^([+-]?\d+)(?:\.(\d*))?$/.exec(text)
  if (match === null)
    throw new FieldError(`time ${JSON.stringify(text.slice(0, 64))} is not a decimal number`)
  const [, whole = '', fraction = ''] = match
  const seconds = safe(BigInt(whole.replace('+', '')), 'time')
  const nanoseconds = Number(fraction.slice(0, 9).padEnd(9, '0'))
  if (!whole.startsWith('-') || nanoseconds === 0) return { seconds: seconds + 0, nanoseconds }
  return { seconds: seconds - 1, nanoseconds: NANO - nanoseconds }
}

/** The shortest text that {@link parsePaxTime} reads as `time`. */
export function formatPaxTime(time: TarTime): string {
  const { seconds, nanoseconds } = time
  if (nanoseconds === 0) return String(seconds)
  const negative = seconds < 0
  const whole = negative ? -(seconds + 1) : seconds
  const fraction = String(negative ? NANO - nanoseconds : nanoseconds).padStart(9, '0')
  return `${negative ? '-' : ''}${whole}.${fraction.replace(/0+$/, '')}`
}
