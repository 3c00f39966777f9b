/**
 * Extended attributes in PAX records.
 *
 *     SCHILY.xattr.NAME=VALUE        bytes as they are (star, GNU tar, Docker, libarchive)
 *     LIBARCHIVE.xattr.NAME=VALUE    NAME URL-encoded, VALUE in base64 (libarchive)
 *
 * @module
 */
import { FieldError } from './errors.js'

const SCHILY = 'SCHILY.xattr.'
const LIBARCHIVE = 'LIBARCHIVE.xattr.'

/** The PAX key of the attribute `name`. */
export function xattrKey(name: string): string {
  return SCHILY + name
}

/**
 * The attributes in `pax`. Where a name occurs in both forms, libarchive has written the same value twice, and the
 * first form counts.
 */
export function paxXattrs(pax: ReadonlyMap<string, string>): Map<string, Buffer> {
  const xattrs = new Map<string, Buffer>()
  for (const [key, value] of pax) {
    if (key.startsWith(LIBARCHIVE)) xattrs.set(urlDecoded(key.slice(LIBARCHIVE.length)), base64Decoded(value))
  }
  for (const [key, value] of pax) {
    if (key.startsWith(SCHILY)) xattrs.set(key.slice(SCHILY.length), Buffer.from(value, 'latin1'))
  }
  return xattrs
}

function urlDecoded(name: string): string {
  return name.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

function base64Decoded(value: string): Buffer {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) throw new FieldError('LIBARCHIVE.xattr value is not base64')
  return Buffer.from(value, 'base64')
}
