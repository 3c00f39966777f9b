/**
 * Translates between the ids of the image and the ids on disk.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { IdMap } from '@pipelayer/records'

type Rows = IdMap['uid']

/** The largest valid id. 2^32 - 1 tells chown not to change the owner. */
const MAX_ID = 2 ** 32 - 2

/** Translates owners; without a map an id stands for itself. */
export interface OwnerMap {
  uid(id: number): number
  gid(id: number): number
}

/**
 * Translates ids on disk to ids of the image. @throws ToolError `ID_UNMAPPED` for an id that no row of the map holds
 */
export function toImage(map: IdMap | undefined): OwnerMap {
  return owners(map, ([image, disk, count]) => [disk, image, count])
}

/**
 * Translates ids of the image to ids on disk.
 *
 * @throws ToolError `ID_UNMAPPED` for an id that no row of the map holds; `ID_INVALID` for one that no system has
 *   (CVE-2024-40635): the layer is hostile or broken
 */
export function toDisk(map: IdMap | undefined): OwnerMap {
  const { uid, gid } = owners(map, row => row)
  return { uid: id => uid(checked(id, 'uid')), gid: id => gid(checked(id, 'gid')) }
}

/** Gives every entry the same owner. */
export function always({ uid, gid }: { readonly uid: number; readonly gid: number }): OwnerMap {
  return { uid: () => uid, gid: () => gid }
}

function checked(id: number, kind: 'uid' | 'gid'): number {
  if (id >= 0 && id <= MAX_ID) return id
  throw new ToolError('ID_INVALID', `${kind} ${id} is not from 0 to ${MAX_ID}`)
}

function owners(map: IdMap | undefined, turn: (row: Rows[number]) => Rows[number]): OwnerMap {
  if (map === undefined) return { uid: id => id, gid: id => id }
  const [uids, gids] = [map.uid.map(turn), map.gid.map(turn)]
  return { uid: id => translate(uids, id, 'uid'), gid: id => translate(gids, id, 'gid') }
}

function translate(rows: Rows, id: number, kind: 'uid' | 'gid'): number {
  for (const [from, to, count] of rows) if (id >= from && id < from + count) return to + id - from
  throw new ToolError('ID_UNMAPPED', `${kind} ${id} is not in the id map`)
}
