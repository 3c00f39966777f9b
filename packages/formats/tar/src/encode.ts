/**
 * Writes header blocks as Docker's layers have them: byte for byte what Go archive/tar writes in its PAX format.
 *
 * An entry has a ustar header, and before it a PAX header with just those records that ustar cannot hold, sorted by
 * key. Names over 100 bytes or beyond ASCII go to PAX; the prefix field stays empty. There is one addition to what Go
 * writes: a name that is not UTF-8 is marked by `hdrcharset=BINARY`, as POSIX demands.
 *
 * @module
 */
import { isUtf8 } from 'node:buffer'
import { BLOCK_SIZE, checksumOf, FIELDS, type Field, padding, USTAR_MAGIC, USTAR_VERSION } from './block.js'
import { FLAG_OF_TYPE, type TarEntry, type TarTime } from './entry.js'
import { FieldError, unrepresentable } from './errors.js'
import { fitsInOctal, formatOctal } from './numeric.js'
import { formatPaxRecord, MAX_SPECIAL_SIZE } from './pax.js'
import { formatPaxTime } from './time.js'
import { xattrKey } from './xattr.js'

const SPACE = 0x20
const ZERO = 0x30

/**
 * The header of `entry`: 512 bytes, or with a PAX header a multiple of that. The caller adds the content, and
 * {@link padding} after it. A directory's name gets its `/`; the size of what is not a file is written as 0.
 *
 * ```ts
 * const mtime = { seconds: 0, nanoseconds: 0 }
 * const entry: TarEntry = { name: 'a', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 3, mtime }
 * const archive = Buffer.concat([encodeHeader(entry), Buffer.from('abc'), padding(3), END_BLOCKS])
 * ```
 *
 * @throws ToolError TAR_UNREPRESENTABLE for a NUL in a name, a device number over 2 097 151, PAX records over 1 MiB,
 *   and the type `other`.
 */
export function encodeHeader(entry: TarEntry): Buffer {
  try {
    const whole = normalized(entry)
    const records = paxRecords(whole)
    const main = headerBlock(whole)
    return records.size === 0 ? main : Buffer.concat([paxHeader(whole.name, records), main])
  } catch (error) {
    if (error instanceof FieldError) throw unrepresentable(entry.name, error.message)
    throw error
  }
}

/**
 * The PAX records that `entry` needs, in the order they are written.
 *
 * @throws FieldError for a value that a PAX record cannot hold either.
 */
export function paxRecords(entry: TarEntry): Map<string, string> {
  const records = new Map<string, string>()
  addText(records, ['path', FIELDS.name], entry.name)
  addText(records, ['linkpath', FIELDS.linkname], entry.linkname ?? '')
  addText(records, ['uname', FIELDS.uname], entry.uname ?? '')
  addText(records, ['gname', FIELDS.gname], entry.gname ?? '')
  addNumber(records, ['uid', FIELDS.uid], entry.uid)
  addNumber(records, ['gid', FIELDS.gid], entry.gid)
  addNumber(records, ['size', FIELDS.size], entry.size)
  if (!isUstarTime(entry.mtime)) records.set('mtime', formatPaxTime(entry.mtime))
  if (entry.atime) records.set('atime', formatPaxTime(entry.atime))
  if (entry.ctime) records.set('ctime', formatPaxTime(entry.ctime))
  for (const [name, value] of entry.xattrs ?? []) records.set(xattrKey(name), value.toString('latin1'))
  if (records.size === 0) return records
  if (!isAllUtf8(records)) records.set('hdrcharset', 'BINARY')
  return new Map([...records].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function normalized(entry: TarEntry): TarEntry {
  if (entry.type === 'dir' && !entry.name.endsWith('/')) return { ...entry, name: `${entry.name}/`, size: 0 }
  return entry.type === 'file' ? entry : { ...entry, size: 0 }
}

/** A key of PAX, and the field of the header that it stands for. */
type KeyedField = readonly [key: string, field: Field]

function addText(records: Map<string, string>, [key, [, width]]: KeyedField, text: string): void {
  if (text.includes('\0')) throw new FieldError(`${key} holds a NUL`)
  if (text.length > width || !isAscii(text)) records.set(key, text)
}

function addNumber(records: Map<string, string>, [key, [, width]]: KeyedField, value: number): void {
  if (!Number.isSafeInteger(value)) throw new FieldError(`${key} ${value} is no integer below 2^53`)
  if (key === 'size' && value < 0) throw new FieldError(`size ${value} is negative`)
  if (!fitsInOctal(value, width)) records.set(key, String(value))
}

function isUstarTime(time: TarTime): boolean {
  return time.nanoseconds === 0 && fitsInOctal(time.seconds, FIELDS.mtime[1])
}

function isAllUtf8(records: ReadonlyMap<string, string>): boolean {
  return ['path', 'linkpath', 'uname', 'gname'].every(key => {
    const text = records.get(key)
    return text === undefined || isUtf8(Buffer.from(text, 'latin1'))
  })
}

function paxHeader(name: string, records: ReadonlyMap<string, string>): Buffer {
  const text = [...records].map(([key, value]) => formatPaxRecord(key, value)).join('')
  if (text.length > MAX_SPECIAL_SIZE) throw new FieldError(`PAX records of ${text.length} bytes`)
  const block = Buffer.from(EMPTY_HEADER)
  putText(block, FIELDS.name, paxName(name))
  putText(block, FIELDS.typeflag, 'x')
  block.fill(0, FIELDS.devmajor[0], FIELDS.prefix[0])
  putNumber(block, FIELDS.size, text.length)
  return Buffer.concat([sealed(block, checksumOf(block)), Buffer.from(text, 'latin1'), padding(text.length)])
}

/**
 * The name of a PAX header: `dir/PaxHeaders.0/base`, its path cleaned, in ASCII, at most 100 bytes. Readers ignore it.
 */
function paxName(name: string): string {
  const slash = name.lastIndexOf('/') + 1
  const joined = cleaned(`${name.slice(0, slash)}/PaxHeaders.0/${name.slice(slash)}`, {
    isRooted: name.startsWith('/'),
  })
  return ascii(joined).slice(0, FIELDS.name[1]).replace(/\/+$/, '')
}

/** The path without empty parts, `.` and `..`, as Go's path.Join makes it. */
function cleaned(path: string, { isRooted }: { readonly isRooted: boolean }): string {
  const parts: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') parts.push(part)
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop()
    else if (!isRooted) parts.push(part)
  }
  return (isRooted ? '/' : '') + parts.join('/') || '.'
}

/** The entry's own header. A value that does not fit is cut or written as 0, since the PAX header has it. */
function headerBlock(entry: TarEntry): Buffer {
  if (entry.type === 'other') throw new FieldError('a tar has no entries of its type')
  const block = Buffer.from(EMPTY_HEADER)
  const sum =
    EMPTY_SUM +
    putText(block, FIELDS.name, withoutSlashAtCut(ascii(entry.name))) +
    putText(block, FIELDS.linkname, withoutSlashAtCut(ascii(entry.linkname ?? ''))) +
    putText(block, FIELDS.typeflag, FLAG_OF_TYPE[entry.type]) +
    putNumber(block, FIELDS.mode, entry.mode & 0o7777) +
    putNumber(block, FIELDS.uid, entry.uid) +
    putNumber(block, FIELDS.gid, entry.gid) +
    putNumber(block, FIELDS.size, entry.size) +
    putNumber(block, FIELDS.mtime, entry.mtime.seconds) +
    putText(block, FIELDS.uname, ascii(entry.uname ?? '')) +
    putText(block, FIELDS.gname, ascii(entry.gname ?? '')) +
    putDevice(block, FIELDS.devmajor, entry.devmajor ?? 0) +
    putDevice(block, FIELDS.devminor, entry.devminor ?? 0)
  return sealed(block, sum)
}

/**
 * The block that every header is a copy of, so that only fields that are not 0 or empty are written. The checksum is
 * the sum of this block plus what each field adds. This matters, since a tree may have 80,000 files.
 */
const EMPTY_HEADER = emptyHeader()
const EMPTY_SUM = checksumOf(EMPTY_HEADER)

function emptyHeader(): Buffer {
  const { magic, mode, uid, gid, size, mtime, devmajor, devminor } = FIELDS
  const block = Buffer.alloc(BLOCK_SIZE)
  block.write(USTAR_MAGIC + USTAR_VERSION, magic[0], 'latin1')
  for (const [offset, width] of [mode, uid, gid, size, mtime, devmajor, devminor])
    block.write(formatOctal(0, width), offset, 'latin1')
  return block
}

/** Writes the block's checksum: six digits, NUL, space. */
function sealed(block: Buffer, sum: number): Buffer {
  const [offset, width] = FIELDS.checksum
  putOctal(block, [offset, width - 2], sum)
  block[offset + width - 2] = 0
  block[offset + width - 1] = SPACE
  return block
}

/** Writes ASCII, cut to its field, over NULs. Returns what that adds to the checksum. */
function putText(block: Buffer, [offset, width]: Field, text: string): number {
  let sum = 0
  const length = Math.min(text.length, width)
  for (let i = 0; i < length; i++) sum += block[offset + i] = text.charCodeAt(i)
  return sum
}

/** Writes a number over zeros, or nothing where it does not fit. Returns what that adds to the checksum. */
function putNumber(block: Buffer, [offset, width]: Field, value: number): number {
  return value !== 0 && fitsInOctal(value, width) ? putOctal(block, [offset, width - 1], value) : 0
}

/** Writes octal digits, the last one first. Returns what they add to the checksum. */
function putOctal(block: Buffer, [offset, digits]: Field, value: number): number {
  let sum = 0
  for (let at = offset + digits - 1, left = value; at >= offset; at--) {
    const digit = left % 8
    block[at] = ZERO + digit
    sum += digit
    left = (left - digit) / 8
  }
  return sum
}

function putDevice(block: Buffer, field: Field, value: number): number {
  if (!fitsInOctal(value, field[1])) throw new FieldError(`device number ${value} does not fit`)
  return putNumber(block, field, value)
}

/** Old readers would take a cut name that ends in a slash for a directory. */
function withoutSlashAtCut(name: string): string {
  const width = FIELDS.name[1]
  if (name.length <= width || name[width - 1] !== '/') return name
  const end = name.slice(0, width).replace(/\/+$/, '').length
  return `${name.slice(0, end)}\0${name.slice(end + 1)}`
}

function ascii(text: string): string {
  return isAscii(text) ? text : text.replace(/[^\x01-\x7f]/g, '')
}

function isAscii(text: string): boolean {
  return !/[\x80-\xff]/.test(text)
}
