/**
 * CRC-32 as gzip uses it.
 *
 * @module
 */
import zlib from 'node:zlib'

/** Node's own crc32, from 20.15 on, at memory speed. Older versions of Node use the table below, at some 300 MB/s. */
const native = (zlib as { readonly crc32?: (bytes: Buffer, start: number) => number }).crc32

/** The checksum of bytes whose checksum is `start`, followed by `bytes`. */
export function crc32(bytes: Buffer, start: number): number {
  return native === undefined ? tableCrc32(bytes, start) : native(bytes, start)
}

/** The same as {@link crc32}, computed by a table. */
export function tableCrc32(bytes: Buffer, start: number): number {
  let crc = ~start
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0)
  return ~crc >>> 0
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value
})
