import type { Budget } from './budget.js'
import type { TemplateFunction } from './evaluate.js'
import { isList, isMap, isTrue, printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]

const MAX_COUNT = 10_000

/** A function of a list, which is the last of its values; unknown if that is no list. */
function ofList(work: (list: readonly Value[], values: readonly Value[]) => Value): TemplateFunction {
  return values => {
    const list = values.at(-1)
    return isList(list) ? work(list, values) : UNKNOWN
  }
}

/** Lists. Each result is paid for by its length. */
export function listFunctions(budget: Budget): readonly Entry[] {
  const paid = (list: readonly Value[]): readonly Value[] => {
    budget.step(list.length)
    return list
  }
  const headed = (work: (list: readonly Value[], rest: readonly Value[]) => Value): TemplateFunction => {
    return ([list, ...rest]) => (isList(list) ? work(list, rest) : UNKNOWN)
  }
  return [
    ['list', values => paid(values)],
    ['tuple', values => paid(values)],
    ['first', ofList(list => list[0])],
    ['last', ofList(list => list.at(-1))],
    ['rest', ofList(list => paid(list.slice(1)))],
    ['initial', ofList(list => paid(list.slice(0, -1)))],
    ['reverse', ofList(list => paid([...list].reverse()))],
    ['uniq', ofList(list => paid([...new Map(list.map(item => [printed(item), item] as const)).values()]))],
    ['compact', ofList(list => paid(list.filter(item => isTrue(item) !== false)))],
    ['sortAlpha', ofList(list => paid(list.map(item => printed(item)).sort()))],
    ['toStrings', ofList(list => paid(list.map(item => printed(item))))],
    ['has', ofList((list, [item]) => list.some(one => printed(one) === printed(item)))],
    ['append', headed((list, rest) => paid([...list, ...rest]))],
    ['push', headed((list, rest) => paid([...list, ...rest]))],
    ['prepend', headed((list, rest) => paid([...rest, ...list]))],
    [
      'without',
      headed((list, rest) => paid(list.filter(item => !rest.some(one => printed(one) === printed(item))))),
    ],
    ['concat', lists => paid(lists.flatMap(list => (isList(list) ? list : [])))],
    [
      'slice',
      headed((list, [from, to]) =>
        paid(list.slice(Number(from ?? 0), to === undefined ? undefined : Number(to))),
      ),
    ],
    ['index', ([value, ...keys]) => keys.reduce(itemAt, value)],
    ['len', ([value]) => lengthOf(value)],
    ['until', ([count]) => paid(counted([0n, count]))],
    ['untilStep', values => paid(counted(values))],
  ]
}

function itemAt(value: Value, key: Value): Value {
  if (isMap(value) && typeof key === 'string') return value.get(key)
  return isList(value) && (typeof key === 'bigint' || typeof key === 'number') ? value[Number(key)] : UNKNOWN
}

function lengthOf(value: Value): Value {
  if (isMap(value)) return BigInt(value.size)
  if (isList(value)) return BigInt(value.length)
  return typeof value === 'string' ? BigInt(Buffer.byteLength(value)) : UNKNOWN
}

function counted([from, to, step = 1n]: readonly Value[]): readonly Value[] {
  const [start, end, by] = [Number(printed(from)), Number(printed(to)), Number(printed(step))]
  const count = Math.ceil((end - start) / by)
  if (!(count > 0) || count > MAX_COUNT) return []
  return Array.from({ length: count }, (_, at) => BigInt(Math.trunc(start + at * by)))
}
