/**
 * CRC-32 as gzip has it.
 *
 * @module
 */
import zlib from 'node:zlib'

/** Node 20.15 and later have it, at memory speed; before that a table does, at some 300 MB/s. */
const native = (zlib as { readonly crc32?: (bytes: Buffer, start: number) => number }).crc32

/** The checksum of `bytes` after others whose checksum is `start`. */
export function crc32(bytes: Buffer, start: number): number {
  return native === undefined ? tableCrc32(bytes, start) : native(bytes, start)
}

/** The same without Node's. */
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
