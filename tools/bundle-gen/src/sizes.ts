import { optionError } from './option-error.js'

const UNITS = 'kmgtp'

/**
 * Parses an amount as Docker does: a number with an optional unit, `512m`, `1.5g`, `64KiB`; a unit is 1024 times the
 * one before.
 *
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseBytes(text: string, option: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?(?:([kmgtp])(?:i?b)?|b)?$/i.exec(text)
  const unit = match?.[2]?.toLowerCase()
  const bytes = Math.floor(
    Number(match?.[1] ?? Number.NaN) * 1024 ** (unit === undefined ? 0 : UNITS.indexOf(unit) + 1),
  )
  if (!Number.isSafeInteger(bytes))
    throw optionError(option, text, 'it takes bytes, or an amount such as 512m or 1g')
  return bytes
}
