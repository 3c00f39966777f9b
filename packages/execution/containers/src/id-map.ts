/**
 * The ids that users may map into a user namespace.
 *
 * @module
 */
import type { IdMap } from '@pipelayer/records'

/** Runs of ids: the first inside, the first outside, how many. */
export type IdRows = IdMap['uid']

/** Ids of a parent namespace: the first, and how many. */
export type IdRange = readonly [first: number, count: number]

/** The kernel takes so many rows, in one write of less than a page. Spec: user_namespaces(7). */
const MAX_ROWS = 340
const MAX_BYTES = 4095

/** The kernel has no id -1: it means "leave as it is". */
const MAX_COUNT = 2 ** 32 - 1

export function holdsID(rows: IdRows, id: number): boolean {
  return rows.some(([inside, , count]) => id >= inside && id < inside + count)
}

/** What to do where an id is not mapped. */
export const RANGES = '/etc/subuid and /etc/subgid give a user ranges of ids, root has all'

/**
 * The ranges that a file names for a user: lines `WHO:FIRST:COUNT`, where WHO is the name or the number. What is no such
 * line counts for nobody. Spec: subuid(5).
 */
export function parseSubIDs(
  text: string,
  user: { readonly id: number; readonly name?: string | undefined },
): IdRange[] {
  return text.split('\n').flatMap(line => {
    const match = /^([^:#]+):(\d{1,10}):(\d{1,10})\s*$/.exec(line)
    if (match === null || (match[1] !== user.name && match[1] !== String(user.id))) return []
    const [first, count] = [Number(match[2]), Number(match[3])]
    return count > 0 && first + count <= MAX_COUNT ? [[first, count] as const] : []
  })
}

/**
 * The map in which 0 is `own`, and 1 and above are the ranges, in order. Left out is what the kernel would refuse: ranges
 * that meet an earlier one or `own`, those that `parent`, the map of the namespace we are in, does not hold, and too many.
 */
export function mapOf(own: number, ranges: readonly IdRange[], parent: IdRows): IdRows {
  const rows: (readonly [number, number, number])[] = [[0, own, 1]]
  let next = 1
  for (const [first, count] of ranges) {
    const isFree = rows.every(([, outside, many]) => first + count <= outside || outside + many <= first)
    const isHeld = parent.some(([inside, , many]) => first >= inside && first + count <= inside + many)
    if (!isFree || !isHeld || next + count > MAX_COUNT) continue
    const row = [next, first, count] as const
    if (rows.length === MAX_ROWS || sizeOf([...rows, row]) > MAX_BYTES) break
    rows.push(row)
    next += count
  }
  return rows
}

/** Bytes of the map as newuidmap writes it. */
function sizeOf(rows: IdRows): number {
  return rows.reduce((sum, row) => sum + row.join(' ').length + 1, 0)
}
