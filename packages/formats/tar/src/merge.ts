/**
 * Makes an entry from a header block and from the PAX records and GNU long names before it.
 *
 * @module
 */

import { withoutNul } from './block.js'
import { isHeaderOnly, type ReadEntry, type TarFormat, type TarTime, typeOfFlag } from './entry.js'
import { FieldError } from './errors.js'
import type { RawHeader } from './header.js'
import { safe } from './numeric.js'
import { parsePaxTime } from './time.js'
import { paxXattrs } from './xattr.js'

/** The values that PAX and GNU headers set for the header that follows them. */
export interface Overrides {
  readonly pax?: ReadonlyMap<string, string>
  /** GNU `L` and `K`; they win over PAX, as in Go archive/tar. */
  readonly longName?: string
  readonly longLink?: string
}

const NO_PAX: ReadonlyMap<string, string> = new Map()
const NO_XATTRS: ReadonlyMap<string, Buffer> = new Map()

/**
 * The entry. `size` is that of the stored content; a sparse map may replace it afterwards.
 *
 * @throws FieldError for records that make no sense: a negative size, a time that is no number.
 */
export function mergeEntry(header: RawHeader, overrides: Overrides, offset: number): ReadEntry {
  const { pax = NO_PAX } = overrides
  const name = withoutNul(overrides.longName ?? (pax.get('path') || header.name), 'name')
  const typeflag = trueFlag(header.typeflag, name)
  const type = typeOfFlag(typeflag)
  const size = paxInteger(pax, 'size') ?? header.size
  if (size < 0) throw new FieldError(`size ${size} is negative`)
  return {
    name,
    type,
    typeflag,
    mode: header.mode & 0o7777,
    uid: paxInteger(pax, 'uid') ?? header.uid,
    gid: paxInteger(pax, 'gid') ?? header.gid,
    size: isHeaderOnly(typeflag) ? 0 : size,
    statedSize: size,
    mtime: paxTime(pax, 'mtime') ?? header.mtime,
    atime: paxTime(pax, 'atime') ?? header.atime,
    ctime: paxTime(pax, 'ctime') ?? header.ctime,
    linkname: withoutNul(overrides.longLink ?? (pax.get('linkpath') || header.linkname), 'link target'),
    uname: pax.get('uname') || header.uname,
    gname: pax.get('gname') || header.gname,
    devmajor: header.devmajor,
    devminor: header.devminor,
    xattrs: pax === NO_PAX ? NO_XATTRS : paxXattrs(pax),
    format: formatOf(header, overrides),
    pax,
    offset,
  }
}

/**
 * Refuses an entry whose name is ambiguous, or that cannot be created.
 *
 * @throws FieldError
 */
export function checkEntry(entry: ReadEntry): void {
  // A directory without a name is the root, for Go, GNU tar and bsdtar; some producers write the root so.
  const mayLackName = entry.type === 'dir' || entry.type === 'other'
  if (entry.name === '' && !mayLackName) throw new FieldError('the entry has no name')
  const link = entry.type === 'symlink' || entry.type === 'hardlink'
  if (link && entry.linkname === '') throw new FieldError(`the ${entry.type} has no target`)
}

/** An integer record. An empty one does not change the header's value. */
export function paxInteger(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key)
  if (text === undefined || text === '') return undefined
  if (!/^[+-]?\d{1,4096}$/.test(text))
    throw new FieldError(`PAX ${key} ${JSON.stringify(text.slice(0, 64))} is no number`)
  return safe(BigInt(text.replace('+', '')), `PAX ${key}`)
}

function paxTime(pax: ReadonlyMap<string, string>, key: string): TarTime | undefined {
  const text = pax.get(key)
  return text ? parsePaxTime(text) : undefined
}

/** Before POSIX a directory was a file whose name ends in a slash. Only the flag NUL is of that time. */
function trueFlag(flag: string, name: string): string {
  if (flag !== '\0') return flag
  return name.endsWith('/') ? '5' : '0'
}

function formatOf(header: RawHeader, overrides: Overrides): TarFormat {
  const gnu = overrides.longName !== undefined || overrides.longLink !== undefined || header.typeflag === 'S'
  if (overrides.pax !== undefined) return header.format === 'ustar' && !gnu ? 'pax' : 'unknown'
  return gnu && header.format !== 'gnu' ? 'unknown' : header.format
}
