/**
 * The 512-byte blocks that an archive is made of, and the fields of a header block.
 *
 * Spec: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format".
 *
 * @module
 */
import { FieldError } from './errors.js'

/** Bytes of a block. */
export const BLOCK_SIZE = 512

/** The two zero blocks that end an archive. */
export const END_BLOCKS: Buffer = Buffer.alloc(2 * BLOCK_SIZE)

/** A field: first byte and width. */
export type Field = readonly [offset: number, width: number]

export const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  typeflag: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  uname: [265, 32],
  gname: [297, 32],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
  starPrefix: [345, 131],
  starAtime: [476, 12],
  starCtime: [488, 12],
  starTrailer: [508, 4],
  gnuAtime: [345, 12],
  gnuCtime: [357, 12],
  /** Four pairs of offset and length, then a flag: an extension block follows. */
  gnuSparse: [386, 97],
  gnuRealSize: [483, 12],
} as const satisfies Record<string, Field>

/**
 * It is written with the version `00` behind it. Some programs write NULs there, so reading compares the magic alone.
 */
export const USTAR_MAGIC = 'ustar\0'
export const USTAR_VERSION = '00'
export const GNU_MAGIC = 'ustar  \0'
export const STAR_TRAILER = 'tar\0'

const SPACE = 0x20
const ZERO_BLOCK = Buffer.alloc(BLOCK_SIZE)

/** Bytes of zeros after `size` bytes of content, up to the next block. */
export function paddingSize(size: number): number {
  const over = size % BLOCK_SIZE
  return over === 0 ? 0 : BLOCK_SIZE - over
}

/** The zeros after `size` bytes of content. Shared memory: not to be written to. */
export function padding(size: number): Buffer {
  return ZERO_BLOCK.subarray(0, paddingSize(size))
}

export function isZeroBlock(block: Buffer): boolean {
  return block.equals(ZERO_BLOCK)
}

/** The bytes of a field before the first NUL. */
export function textAt(block: Buffer, [offset, width]: Field): string {
  const text = block.toString('latin1', offset, offset + width)
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}

/** The bytes of a field, NULs included. */
export function rawAt(block: Buffer, [offset, width]: Field): string {
  return block.toString('latin1', offset, offset + width)
}

/** Sum of the block's bytes, the checksum field itself counted as spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * SPACE
  for (let i = 0; i < FIELDS.checksum[0]; i++) sum += block[i] ?? 0
  for (let i = FIELDS.typeflag[0]; i < BLOCK_SIZE; i++) sum += block[i] ?? 0
  return sum
}

/** Whether `stated` is the block's sum of unsigned bytes or, as some old programs wrote it, of signed ones. */
export function isChecksum(block: Buffer, stated: number): boolean {
  return stated === checksumOf(block) || stated === signedSum(block)
}

function signedSum(block: Buffer): number {
  let sum = checksumOf(block)
  for (let i = 0; i < BLOCK_SIZE; i++) if (!isInChecksum(i) && (block[i] ?? 0) >= 0x80) sum -= 0x100
  return sum
}

function isInChecksum(i: number): boolean {
  return i >= FIELDS.checksum[0] && i < FIELDS.typeflag[0]
}

/** Refuses a binary string with a NUL, at which readers in C would cut it. */
export function withoutNul(text: string, what: string): string {
  if (text.includes('\0')) throw new FieldError(`${what} holds a NUL`)
  return text
}
