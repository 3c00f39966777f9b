import type { Budget } from './budget.js'
import type { TemplateFunction } from './evaluate.js'
import { isMap, printed, UNKNOWN, type Value } from './value.js'

type Entry = readonly [string, TemplateFunction]
type Table = ReadonlyMap<string, Value>

const MAX_DEPTH = 50

/** A function whose first value is a map; unknown if it is none. */
function ofMap(work: (map: Table, rest: readonly Value[]) => Value): TemplateFunction {
  return ([map, ...rest]) => (isMap(map) ? work(map, rest) : UNKNOWN)
}

/** Maps. Each result is paid for by its size. */
export function mapFunctions(budget: Budget): readonly Entry[] {
  const paid = (map: Table): Table => {
    budget.step(map.size)
    return map
  }
  const names = (rest: readonly Value[]): readonly string[] => rest.map(name => printed(name))
  const mergedInto = (all: readonly Value[], { overwrites }: Pick<Merging, 'overwrites'>): Value => {
    const [target, ...sources] = all
    if (!isMap(target)) return UNKNOWN
    for (const source of sources) if (isMap(source)) merge(target, source, { overwrites, budget, depth: 0 })
    return target
  }
  return [
    ['dict', values => paid(pairsOf(values))],
    ['get', ofMap((map, [key]) => map.get(printed(key)) ?? '')],
    ['set', ofMap((map, [key, value]) => changed(map, copy => copy.set(printed(key), value)))],
    ['unset', ofMap((map, [key]) => changed(map, copy => copy.delete(printed(key))))],
    ['hasKey', ofMap((map, [key]) => map.has(printed(key)))],
    ['keys', ofMap(map => [...map.keys()])],
    ['values', ofMap(map => [...map.values()])],
    ['pick', ofMap((map, rest) => paid(new Map([...map].filter(([key]) => names(rest).includes(key)))))],
    ['omit', ofMap((map, rest) => paid(new Map([...map].filter(([key]) => !names(rest).includes(key)))))],
    ['merge', all => mergedInto(all, { overwrites: false })],
    ['mustMerge', all => mergedInto(all, { overwrites: false })],
    ['mergeOverwrite', all => mergedInto(all, { overwrites: true })],
    ['mustMergeOverwrite', all => mergedInto(all, { overwrites: true })],
    ['deepCopy', ([value]) => copied(value, budget, 0)],
    [
      'pluck',
      ([key, ...all]) =>
        all.filter(isMap).flatMap(map => (map.has(printed(key)) ? [map.get(printed(key))] : [])),
    ],
    ['dig', values => dug(values)],
  ]
}

function pairsOf(values: readonly Value[]): Table {
  const map = new Map<string, Value>()
  for (let at = 0; at < values.length; at += 2) map.set(printed(values[at]), values[at + 1])
  return map
}

/** Sprig changes the map itself, which others see. */
function changed(map: Table, work: (map: Map<string, Value>) => unknown): Value {
  if (map instanceof Map) work(map)
  return map
}

interface Merging {
  readonly overwrites: boolean
  readonly budget: Budget
  readonly depth: number
}

function merge(target: Table, source: Table, { overwrites, budget, depth }: Merging): void {
  if (depth > MAX_DEPTH || !(target instanceof Map) || target === source) return
  for (const [key, value] of source) {
    budget.step()
    const own: Value = target.get(key)
    if (isMap(own) && isMap(value)) merge(own, value, { overwrites, budget, depth: depth + 1 })
    else if (own === undefined || own === '' || overwrites) target.set(key, copied(value, budget, depth))
  }
}

function copied(value: Value, budget: Budget, depth: number): Value {
  budget.step()
  if (!isMap(value) || depth > MAX_DEPTH) return value
  return new Map([...value].map(([key, item]) => [key, copied(item, budget, depth + 1)]))
}

/** `dig "a" "b" default map`. */
function dug(values: readonly Value[]): Value {
  const map = values.at(-1)
  const fallback = values.at(-2)
  let at: Value = map
  for (const key of values.slice(0, -2)) {
    if (!isMap(at) || !at.has(printed(key))) return at === UNKNOWN ? UNKNOWN : fallback
    at = at.get(printed(key))
  }
  return at
}
