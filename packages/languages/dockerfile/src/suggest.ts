/**
 * "Did you mean": the known word nearest to a misspelt one.
 *
 * @module
 */

/** No word with more letters is compared: the table below is quadratic. */
const LENGTH_LIMIT = 40

/** At most this many letters may be inserted, dropped or replaced, and no more than a third of the word. */
const DISTANCE_LIMIT = 3

/** The nearest of `known`, if any is near; letters compare in any case. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  if (word.length > LENGTH_LIMIT) return undefined
  let nearest: string | undefined
  let least = Math.min(DISTANCE_LIMIT, Math.ceil(word.length / 3)) + 1
  for (const candidate of known) {
    const far = distance(word.toLowerCase(), candidate.toLowerCase())
    if (far < least) {
      least = far
      nearest = candidate
    }
  }
  return nearest
}

/** Levenshtein distance: letters inserted, dropped or replaced. Time is the product of the lengths. */
export function distance(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = (above[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1)
      row.push(Math.min(replaced, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[to.length] ?? 0
}
