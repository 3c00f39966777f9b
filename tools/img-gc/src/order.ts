/**
 * The items in an order in which each comes before all that it names, and else in their own order as far as that
 * allows. Items that name each other in a circle come in any order. The time is linear in the items and names.
 *
 * @param namedBy - what an item names
 */
export function namersFirst<T>(items: Iterable<T>, namedBy: (item: T) => readonly T[]): T[] {
  const begun = new Set<T>()
  const named: T[] = []
  const waiting = [...items].map(item => ({ item, isDone: false }))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { item, isDone } = next
    if (isDone) named.push(item)
    if (isDone || begun.has(item)) continue
    begun.add(item)
    waiting.push({ item, isDone: true })
    for (const each of namedBy(item)) waiting.push({ item: each, isDone: false })
  }
  // Each was added after all that it names.
  return named.reverse()
}
