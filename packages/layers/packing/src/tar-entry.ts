/**
 * The tar entry that a change becomes.
 *
 * @module
 */

import type { PlacedChange } from '@pipelayer/change-set'
import { ToolError } from '@pipelayer/errors'
import { type EntryFields, nameOf } from '@pipelayer/records'
import { joined, OPAQUE_NAME, quoted, WHITEOUT_PREFIX } from '@pipelayer/rootfs'
import { parsePaxTime, type TarEntry, type TarTime } from '@pipelayer/tar'

/** How times are written. */
export interface TimeRules {
  readonly sourceDateEpoch?: number
  readonly mtimeNs?: boolean
}

/** The fields of a whiteout's header apart from its name. They are the same for all whiteouts. */
const MARKER = {
  type: 'file',
  mode: 0,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: { seconds: 0, nanoseconds: 0 },
} as const

/** @throws ToolError `CHANGE_INVALID` for a time that is not valid */
export function tarEntryOf({ change, path }: PlacedChange, rules: TimeRules): TarEntry {
  if (change.op === 'opaque') return { ...MARKER, name: joined(path, OPAQUE_NAME) }
  const { entry } = change
  if (entry === undefined) return { ...MARKER, name: whiteoutOf(path) }
  const link = nameOf(entry, 'linkname')
  const { devmajor, devminor, uid, gid } = entry
  return {
    name: path === '' ? './' : path,
    type: entry.type,
    mode: Number.parseInt(entry.mode, 8),
    uid,
    gid,
    size: entry.type === 'file' ? (entry.size ?? 0) : 0,
    mtime: timeOf(entry, path, rules),
    ...(link === undefined ? {} : { linkname: link }),
    ...(devmajor === undefined ? {} : { devmajor }),
    ...(devminor === undefined ? {} : { devminor }),
    ...(entry.xattrs === undefined ? {} : { xattrs: xattrsOf(entry.xattrs) }),
  }
}

function whiteoutOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return `${path.slice(0, slash + 1)}${WHITEOUT_PREFIX}${path.slice(slash + 1)}`
}

function timeOf(entry: EntryFields, path: string, { sourceDateEpoch, mtimeNs }: TimeRules): TarTime {
  const time = parsed(entry.mtime, path)
  if (sourceDateEpoch !== undefined && time.seconds >= sourceDateEpoch)
    return { seconds: sourceDateEpoch, nanoseconds: 0 }
  return mtimeNs === true ? time : { seconds: time.seconds, nanoseconds: 0 }
}

function parsed(text: string, path: string): TarTime {
  try {
    return parsePaxTime(text)
  } catch (cause) {
    throw new ToolError('CHANGE_INVALID', `cannot pack ${quoted(path)}: its mtime ${text} is out of range`, {
      cause,
    })
  }
}

function xattrsOf(xattrs: Readonly<Record<string, string>>): Map<string, Buffer> {
  const decoded = new Map<string, Buffer>()
  for (const [name, value] of Object.entries(xattrs))
    decoded.set(Buffer.from(name).toString('latin1'), Buffer.from(value, 'base64'))
  return decoded
}
