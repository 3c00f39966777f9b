/**
 * Values of templates, and how Go prints them.
 *
 * @module
 */

/** A value that cannot be known without a cluster, a clock or a function that is not here. */
export const UNKNOWN: unique symbol = Symbol('unknown')

/** A function that is found in a field, such as `.Capabilities.APIVersions.Has`. */
export type Method = (values: readonly Value[]) => Value

/** `bigint` is an integer of Go, `number` a float: all numbers of YAML are floats. Nil is `undefined`. */
export type Value =
  | string
  | number
  | bigint
  | boolean
  | undefined
  | typeof UNKNOWN
  | Method
  | readonly Value[]
  | ReadonlyMap<string, Value>

/** Stands in a text for what is not known. */
export const HOLE = '\uFFFC'

const MAX_DEPTH = 50
/** How many lists and maps of a value are printed, and how many characters of the texts in them. */
const MAX_ITEMS = 10_000
const MAX_CHARACTERS = 4 * 1024 * 1024

export function isMap(value: Value): value is ReadonlyMap<string, Value> {
  return value instanceof Map
}

export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

/** Whether a condition holds; undefined if that is not known. */
export function isTrue(value: Value): boolean | undefined {
  if (value === UNKNOWN) return undefined
  if (isMap(value)) return value.size > 0
  if (isList(value)) return value.length > 0
  return Boolean(value)
}

/** The text of a value, as an action prints it; Helm prints nothing for nil. */
export function printed(value: Value): string {
  if (typeof value === 'string') return value
  return value === undefined ? '' : inner(value, { left: MAX_ITEMS, characters: MAX_CHARACTERS, depth: 0 })
}

/** Templates can put a map into itself, or a long text many times into a list. */
interface Bounds {
  left: number
  characters: number
  depth: number
}

function inner(value: Value, bounds: Bounds): string {
  if (value === undefined) return '<nil>'
  if (value === UNKNOWN || typeof value === 'function') return HOLE
  if (typeof value === 'number') return float(value)
  if (!isList(value) && !isMap(value)) {
    const text = String(value)
    bounds.characters -= text.length
    return bounds.characters < 0 ? HOLE : text
  }
  if (bounds.depth > MAX_DEPTH || bounds.left-- <= 0) return HOLE
  bounds.depth++
  const text = isList(value)
    ? `[${value.map(item => inner(item, bounds)).join(' ')}]`
    : `map[${[...value.keys()]
        .sort()
        .map(key => `${key}:${inner(value.get(key), bounds)}`)
        .join(' ')}]`
  bounds.depth--
  return text
}

/** Go writes a float with an exponent below 1e-04 and from 1e+06 on. */
function float(value: number): string {
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e')
  const power = Number(exponent)
  if (value === 0 || (power >= -4 && power < 6)) return String(value)
  const padded = String(Math.abs(power)).padStart(2, '0')
  return `${mantissa}e${power < 0 ? '-' : '+'}${padded}`
}
