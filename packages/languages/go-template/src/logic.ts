import type { TemplateFunction } from './evaluate.js'
import { isList, isMap, isTrue, printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]

/** Comparisons, defaults and types. */
export function logicFunctions(): readonly Entry[] {
  return [
    ['not', ([value]) => opposite(isTrue(value))],
    ['and', values => firstThat(values, 'false')],
    ['or', values => firstThat(values, 'true')],
    ['eq', ([first, ...rest]) => anyEqual(first, rest)],
    ['ne', ([first, second]) => opposite(known(anyEqual(first, [second])))],
    ['lt', values => ordered(values, sign => sign < 0)],
    ['le', values => ordered(values, sign => sign <= 0)],
    ['gt', values => ordered(values, sign => sign > 0)],
    ['ge', values => ordered(values, sign => sign >= 0)],
    ['default', ([fallback, value]) => chosen(value, fallback)],
    ['coalesce', values => firstThat(values, 'true')],
    ['any', values => outcome(isTrue(firstThat(values, 'true')))],
    ['all', values => outcome(values.length === 0 || isTrue(firstThat(values, 'false')))],
    ['ternary', ([yes, no, test]) => byTest(isTrue(test), yes, no)],
    ['empty', ([value]) => opposite(isTrue(value))],
    ['required', ([, value]) => (value === undefined || value === '' ? UNKNOWN : value)],
    ['fail', () => ''],
    ['lookup', () => new Map()],
    ['kindIs', ([kind, value]) => (value === UNKNOWN ? UNKNOWN : kindOf(value) === kind)],
    ['kindOf', ([value]) => kindOf(value)],
    ['typeIs', ([type, value]) => (value === UNKNOWN ? UNKNOWN : typeOf(value) === type)],
    ['typeOf', ([value]) => typeOf(value)],
    ['deepEqual', ([first, second]) => anyEqual(first, [second])],
  ]
}

function outcome(holds: boolean | undefined): Value {
  return holds ?? UNKNOWN
}

function opposite(holds: boolean | undefined): Value {
  return holds === undefined ? UNKNOWN : !holds
}

function known(value: Value): boolean | undefined {
  return value === UNKNOWN ? undefined : value === true
}

/** The first value that is true, or false, else the last one; unknown if that depends on what is not known. */
function firstThat(values: readonly Value[], wanted: 'true' | 'false'): Value {
  for (const value of values) {
    const holds = isTrue(value)
    if (holds === undefined) return UNKNOWN
    if (holds === (wanted === 'true')) return value
  }
  return values.at(-1)
}

function chosen(value: Value, fallback: Value): Value {
  return byTest(isTrue(value), value, fallback)
}

function byTest(holds: boolean | undefined, yes: Value, no: Value): Value {
  if (holds === undefined) return UNKNOWN
  return holds ? yes : no
}

function anyEqual(first: Value, rest: readonly Value[]): Value {
  if (first === UNKNOWN) return UNKNOWN
  if (rest.some(one => one !== UNKNOWN && isSame(first, one))) return true
  return rest.includes(UNKNOWN) ? UNKNOWN : false
}

function isSame(a: Value, b: Value): boolean {
  if (isNumber(a) && isNumber(b)) return Number(a) === Number(b)
  if ((isMap(a) && isMap(b)) || (isList(a) && isList(b))) return printed(a) === printed(b)
  return a === b
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function ordered([a, b]: readonly Value[], fits: (sign: number) => boolean): Value {
  if (isNumber(a) && isNumber(b)) return fits(Number(a) - Number(b))
  if (typeof a === 'string' && typeof b === 'string') return fits(a === b ? 0 : a < b ? -1 : 1)
  return UNKNOWN
}

function kindOf(value: Value): Value {
  if (value === UNKNOWN) return UNKNOWN
  if (value === undefined) return 'invalid'
  if (isMap(value)) return 'map'
  if (isList(value)) return 'slice'
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'bigint') return 'int'
  if (typeof value === 'number') return 'float64'
  return typeof value === 'string' ? 'string' : 'func'
}

function typeOf(value: Value): Value {
  const kind = kindOf(value)
  if (kind === 'map') return 'map[string]interface {}'
  if (kind === 'slice') return '[]interface {}'
  return kind === 'invalid' ? '<nil>' : kind
}
