/**
 * gzip in parallel blocks, one member, the same bytes for any number of workers.
 *
 *     1f 8b 08 00  00000000  XFL ff       header: no name, no time, operating system unknown
 *     deflate(block 1) 00 00 ff ff        each block ends at a byte (Z_SYNC_FLUSH) and has the 32 KiB
 *     deflate(block 2) 00 00 ff ff        before it as its dictionary, so that little is lost by cutting
 *     deflate(last block, final)
 *     CRC-32, size mod 2^32               little endian
 *
 * The workers are libuv's thread pool, in which node:zlib runs; it has 4 threads unless UV_THREADPOOL_SIZE says else.
 * Blocks of 1 MiB: a cut costs 5 bytes and a few poorer matches, under 0.1 %, but also the time to enter 32 KiB into
 * the hash chains again, a sixth of all with blocks of 256 KiB. Memory: some 3 MiB for each worker, used again and again.
 *
 * Spec: RFC 1952, RFC 1951.
 *
 * @module
 */
import zlib from 'node:zlib'
import type { Lent } from '@pipelayer/sys'
import { blocksOf, type Free } from './blocks.js'
import { crc32 } from './crc32.js'
import { inOrder, owned } from './in-order.js'

/** This size must not change: another one gives other bytes. */
export const GZIP_BLOCK_SIZE = 1 << 20
/** How far back a match of deflate may lie, in bytes. */
export const WINDOW_SIZE = 1 << 15
/** Room for a block that does not shrink, so that one call compresses it. */
const OUTPUT_SIZE = GZIP_BLOCK_SIZE + (1 << 12)

export interface GzipOptions {
  /** 0 to 9. */
  readonly level: number
  /** Blocks that are compressed at a time, at least 1. */
  readonly workers: number
  /** zlib's unless given. */
  readonly deflate?: Deflate | undefined
  readonly free?: Free | undefined
  /** See `CompressOptions`. */
  readonly checksum?: (() => Promise<number>) | undefined
}

/** Makes raw deflate of a block, in another thread. */
export type Deflate = (
  block: Buffer,
  options: {
    readonly level: number
    /** The 32 KiB before it. */
    readonly dictionary: Buffer | undefined
    readonly isLast: boolean
  },
) => Promise<Lent>

/** Compresses `source`; reads at most `workers` blocks ahead of its consumer. */
export async function* gzip(
  source: AsyncIterable<Buffer>,
  options: GzipOptions,
): AsyncGenerator<Buffer, void, void> {
  yield header(options.level)
  const { level, workers, deflate = zlibDeflate } = options
  const { free, checksum } = options
  let dictionary: Buffer | undefined
  let crc = 0
  let size = 0
  yield* inOrder(blocksOf(source, GZIP_BLOCK_SIZE, free), workers, ({ bytes, isLast, release }) => {
    const before = dictionary
    if (checksum === undefined) crc = crc32(bytes, crc)
    size += bytes.length
    // This is a copy, so that the memory of a block can be used again before the next block is compressed.
    dictionary = Buffer.from(bytes.subarray(-WINDOW_SIZE))
    return deflate(bytes, { level, dictionary: before, isLast }).finally(release)
  })
  yield trailer((await checksum?.()) ?? crc, size)
}

function header(level: number): Buffer {
  const extra = level === 9 ? 2 : level === 1 ? 4 : 0
  return Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, extra, 0xff])
}

function trailer(crc: number, size: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(crc, 0)
  bytes.writeUInt32LE(size % 2 ** 32, 4)
  return bytes
}

/**
 * gzip in members of one block each, by a library that compresses whole buffers. A reader takes them for one stream.
 *
 * @param member - makes one, in another thread
 */
export function gzipMembers(
  source: AsyncIterable<Buffer>,
  { level, workers, free }: Pick<GzipOptions, 'level' | 'workers' | 'free'>,
  member: (bytes: Buffer, level: number) => Promise<Lent>,
): AsyncGenerator<Buffer, void, void> {
  return inOrder(blocksOf(source, GZIP_BLOCK_SIZE, free), workers, ({ bytes, release }) =>
    member(bytes, level).finally(release),
  )
}

/** Every parameter is named: a default that changes would change the bytes. */
export const zlibDeflate: Deflate = (block, { level, dictionary, isLast }) => {
  const options: zlib.ZlibOptions = {
    level,
    windowBits: 15,
    memLevel: 8,
    strategy: zlib.constants.Z_DEFAULT_STRATEGY,
    chunkSize: OUTPUT_SIZE,
    finishFlush: isLast ? zlib.constants.Z_FINISH : zlib.constants.Z_SYNC_FLUSH,
    ...(dictionary && { dictionary }),
  }
  return new Promise((resolve, reject) => {
    zlib.deflateRaw(block, options, (error, bytes) => (error ? reject(error) : resolve(owned(bytes))))
  })
}
