import { printed, UNKNOWN, type Value } from './value.js'

const VERB = /%([-+# 0]*)(\d{0,3})(?:\.(\d{0,3}))?([a-zA-Z%])/g

/**
 * Go's Sprintf. A number is printed for `%s` as well, where Go would say that the verb is wrong: charts that do so work
 * with the values that their authors had in mind.
 */
export function formatted(format: string, values: readonly Value[]): string {
  let used = 0
  return format.replace(VERB, (...[, flags, width, precision, verb]: readonly string[]) => {
    if (verb === '%') return '%'
    const text = verbText(verb ?? '', values[used++], precision)
    const fill = flags?.includes('0') && verb !== 's' ? '0' : ' '
    return flags?.includes('-') ? text.padEnd(Number(width)) : text.padStart(Number(width), fill)
  })
}

function verbText(verb: string, value: Value, precision: string | undefined): string {
  if (value === UNKNOWN) return printed(value)
  const isNumber = typeof value === 'number' || typeof value === 'bigint'
  if (verb === 'q') return JSON.stringify(printed(value))
  if (isNumber && verb === 'f') return Number(value).toFixed(precision === undefined ? 6 : Number(precision))
  if (isNumber && verb === 'd') return Math.trunc(Number(value)).toLocaleString('en', { useGrouping: false })
  if (isNumber && verb === 'x') return BigInt(Math.trunc(Number(value))).toString(16)
  return printed(value)
}
