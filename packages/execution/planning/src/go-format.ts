/**
 * Formats values as Go's fmt does. BuildKit writes histories with it, and ours compare equal to them only if every
 * quote and bracket is the same.
 *
 * @module
 */

/** The characters that `%q` escapes by a letter. */
const LETTERS: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

/** `%q` of a string. Spec: Go strconv.Quote. */
export function goQuote(text: string): string {
  return `"${Array.from(text, escape).join('')}"`
}

/** `%q` of a list of strings: `["a" "b"]`. */
export function quoteList(list: readonly string[]): string {
  return `[${list.map(goQuote).join(' ')}]`
}

/** `%v` of a list of strings: `[a b]`. */
export function plainList(list: readonly string[]): string {
  return `[${list.join(' ')}]`
}

/** `%q` of a whole number below 0x110000: Go takes it for a character. */
export function quoteRune(value: number): string {
  const inner = value === 39 ? "\\'" : value === 34 ? '"' : escape(String.fromCodePoint(value))
  return `'${inner}'`
}

const UNITS: readonly (readonly [name: string, ns: number])[] = [
  ['ns', 1],
  ['µs', 1e3],
  ['ms', 1e6],
]

/** A time.Duration as its String method writes it: `1h0m30s`, `1.5s`, `100ms`, `0s`. */
export function duration(ns: number): string {
  if (ns === 0) return '0s'
  if (ns < 1e9) {
    const [name, unit] = UNITS.findLast(([, size]) => ns >= size) ?? ['ns', 1]
    return `${ns / unit}${name}`
  }
  const seconds = Math.floor(ns / 1e9)
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  const fraction = String(ns % 1e9)
    .padStart(9, '0')
    .replace(/0+$/, '')
  const rest = `${seconds % 60}${fraction === '' ? '' : `.${fraction}`}s`
  if (hours > 0) return `${hours}h${minutes}m${rest}`
  return minutes > 0 ? `${minutes}m${rest}` : rest
}

function escape(char: string): string {
  const letter = LETTERS[char]
  if (letter !== undefined) return letter
  if (PRINTABLE.test(char)) return char
  const code = char.codePointAt(0) ?? 0
  const hex = code.toString(16)
  if (code < 0x80) return `\\x${hex.padStart(2, '0')}`
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}
