/**
 * The ids that users may map into a user namespace.
 *
 * @module
 */
import type { IdMap } from '@pipelayer/records'

/** Rows of an id map: the first id inside, the first id outside, and how many. */
export type IdRows = IdMap['uid']

/** A range of ids in the parent namespace: the first id, and how many. */
export type IdRange = readonly [first: number, count: number]

/** The kernel takes at most this many rows, in one write of less than a page. Spec: user_namespaces(7). */
const MAX_ROWS = 340
const MAX_BYTES = 4095

/** How many ids there can be: the id -1 does not exist, because it means "leave as it is". */
const MAX_COUNT = 2 ** 32 - 1

export function holdsID(rows: IdRows, id: number): boolean {
  return rows.some(([inside, , count]) => id >= inside && id < inside + count)
}

/** The hint for an id that is not mapped. */
export const RANGES = '/etc/subuid and /etc/subgid give a user ranges of ids, root has all'

/**
 * The ranges that a file names for a user: lines `WHO:FIRST:COUNT`, where WHO is the name or the number. Other lines
 * are ignored. Spec: subuid(5).
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
 * The map in which `own` is 0, and the ranges, in order, are 1 and above. Ranges that the kernel would refuse are left
 * out: those that overlap an earlier range or `own`, those that are not in `parent`, the map of the namespace we are
 * in, and those beyond the largest number of rows.
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

/** The length of the map in bytes, as newuidmap writes it. */
function sizeOf(rows: IdRows): number {
  return rows.reduce((sum, row) => sum + row.join(' ').length + 1, 0)
}
