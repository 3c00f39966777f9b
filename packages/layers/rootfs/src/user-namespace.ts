/**
 * The user namespace of this process.
 *
 * @module
 */
import fs from 'node:fs'
import type { IdMap } from '@pipelayer/records'

type Rows = IdMap['uid']

/** The map in which every id is itself: that of the machine. */
const WHOLE: Rows = [[0, 0, 2 ** 32 - 1]]

/**
 * The id map of this process. Each row has the first id inside, the first id in the namespace outside, and their
 * number. Spec: user_namespaces(7).
 */
export function ownIdMap(): IdMap {
  return { uid: rowsOf('/proc/self/uid_map'), gid: rowsOf('/proc/self/gid_map') }
}

export function isSameMap(a: IdMap, b: IdMap): boolean {
  return JSON.stringify([a.uid, a.gid]) === JSON.stringify([b.uid, b.gid])
}

/** Whether every id maps to itself, as outside of all user namespaces. */
export function isWholeMap(map: IdMap): boolean {
  return isSameMap(map, { uid: WHOLE, gid: WHOLE })
}

function rowsOf(file: string): Rows {
  // A kernel without user namespaces has no such file.
  if (!fs.existsSync(file)) return WHOLE
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .map(line => line.trim().split(/\s+/).map(Number))
    .filter(fields => fields.length === 3)
    .map(([inside = 0, outside = 0, count = 0]) => [inside, outside, count] as const)
}
