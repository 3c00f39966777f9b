import { distance } from '@pipelayer/dockerfile'

/** A misspelling has at most this many letters inserted, dropped or replaced. */
const DISTANCE_LIMIT = 2
/** No longer name is compared: the time is quadratic. */
const LENGTH_LIMIT = 100

/**
 * The known variable that a misspelt one was meant to be. Upper and lower case differ; of several equally near ones the
 * first is taken.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > LENGTH_LIMIT) return undefined
  let least = DISTANCE_LIMIT + 1
  let found: string | undefined
  for (const candidate of known) {
    if (candidate === '' || Math.abs(candidate.length - name.length) > DISTANCE_LIMIT) continue
    const far = distance(name, candidate)
    if (far === 0) return undefined
    if (far < least) {
      least = far
      found = candidate
    }
  }
  return found
}

/** ` (did you mean X?)`, or nothing. `sign` stands before the name. */
export function hint(meant: string | undefined, sign = ''): string {
  return meant === undefined ? '' : ` (did you mean ${sign}${meant}?)`
}
