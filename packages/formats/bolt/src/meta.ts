/**
 * The two meta pages of a database, pages 0 and 1. They are written in turn, so the newer valid one counts.
 *
 * | offset | bytes | |
 * |---|---|---|
 * | 0 | 16 | the header of a page |
 * | 16 | 4 | magic, 0xED0CDAED |
 * | 20 | 4 | version, 2 |
 * | 24 | 4 | bytes of a page |
 * | 28 | 4 | flags, unused |
 * | 32 | 16 | the root bucket: its root page, a sequence |
 * | 48 | 8 | page of the list of free pages |
 * | 56 | 8 | number of pages |
 * | 64 | 8 | number of the transaction |
 * | 72 | 8 | FNV-1a, 64 bits, of bytes 16 to 71 |
 *
 * Numbers have the byte order of the machine that wrote the file: little-endian on all that containers commonly run on.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

/** Reads bytes of the database from a position on: fewer only where the file ends. */
export type ReadAt = (position: number, length: number) => Buffer

/** One state of a database. */
export interface Meta {
  readonly pageSize: number
  /** The root page of the bucket that has all others. */
  readonly root: bigint
  /** All pages have smaller numbers. */
  readonly pageCount: bigint
  /** Counts the transactions that wrote something. */
  readonly transaction: bigint
}

const MAGIC = 0xed0cdaed
const VERSION = 2
const META_BYTES = 80
const SUMMED = [16, 72] as const
/** bbolt takes the size of the machine's pages, 4 to 64 KiB, unless it is told another one. */
const MIN_PAGE = 1024
const MAX_PAGE = 1024 * 1024
const FNV_OFFSET = 0xcbf29ce484222325n
const FNV_PRIME = 0x100000001b3n

/**
 * The newest state of a database.
 *
 * @throws ToolError `BOLT_INVALID`: neither meta page is valid
 */
export function readMeta(read: ReadAt, name: string): Meta {
  const first = metaAt(read, 0)
  const second = first === undefined ? searchSecond(read) : metaAt(read, first.pageSize)
  const newest = [first, second].reduce((a, b) => (a && b && a.transaction > b.transaction ? a : (b ?? a)))
  if (newest !== undefined) return newest
  throw invalid(name, whyNone(read))
}

export function invalid(name: string, why: string): ToolError {
  return new ToolError('BOLT_INVALID', `cannot read "${name}": it is no whole bolt database: ${why}`)
}

// If the first meta page is damaged, only the place of the second tells how large pages are.
function searchSecond(read: ReadAt): Meta | undefined {
  for (let size = MIN_PAGE; size <= MAX_PAGE; size *= 2) {
    const meta = metaAt(read, size)
    if (meta !== undefined) return meta
  }
  return undefined
}

function metaAt(read: ReadAt, position: number): Meta | undefined {
  const bytes = read(position, META_BYTES)
  if (bytes.length < META_BYTES || bytes.readUInt32LE(16) !== MAGIC || bytes.readUInt32LE(20) !== VERSION)
    return undefined
  if (bytes.readBigUInt64LE(SUMMED[1]) !== fnv(bytes.subarray(...SUMMED))) return undefined
  const pageSize = bytes.readUInt32LE(24)
  // The second page begins where the first one ends.
  if (!isPageSize(pageSize) || (position > 0 && pageSize !== position)) return undefined
  return {
    pageSize,
    root: bytes.readBigUInt64LE(32),
    pageCount: bytes.readBigUInt64LE(56),
    transaction: bytes.readBigUInt64LE(64),
  }
}

function isPageSize(size: number): boolean {
  return size >= MIN_PAGE && size <= MAX_PAGE && (size & (size - 1)) === 0
}

function whyNone(read: ReadAt): string {
  const bytes = read(0, META_BYTES)
  if (bytes.length === 0) return 'it is empty'
  if (bytes.length < META_BYTES) return 'it is too short'
  if (bytes.readUInt32BE(16) === MAGIC) return 'a big-endian machine wrote it, and only such a one reads it'
  if (bytes.readUInt32LE(16) !== MAGIC) return 'it begins with something else'
  const version = bytes.readUInt32LE(20)
  if (version !== VERSION) return `expected version ${VERSION}, got ${version}`
  const pageSize = bytes.readUInt32LE(24)
  if (!isPageSize(pageSize)) return `pages of ${pageSize} bytes are not possible`
  return 'the checksums of both meta pages are wrong'
}

function fnv(bytes: Uint8Array): bigint {
  let hash = FNV_OFFSET
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * FNV_PRIME)
  return hash
}
