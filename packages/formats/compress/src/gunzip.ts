/**
 * Reads gzip: members one after the other, as pigz, eStargz and `cat a.gz b.gz` make them.
 *
 * Zeros after the last member are padding of a tape or disk and are passed over, as gzip(1) does; anything else there
 * is an error, as it is for Go.
 *
 * Spec: RFC 1952.
 *
 * @module
 */
import zlib from 'node:zlib'
import { Driver } from './driver.js'
import { damaged } from './errors.js'

/** This is a quarter faster than Node's default of 16 KiB. */
const CHUNK_SIZE = 1 << 18

/** Decompresses all members. @throws ToolError COMPRESSION_INVALID */
export async function* gunzip(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const driver = new Driver(zlib.createGunzip({ chunkSize: CHUNK_SIZE }), 'gzip')
  let given = 0
  let isOver = false
  try {
    for await (const chunk of source) {
      given += chunk.length
      if (!isOver) yield* driver.push(chunk)
      // The stream ends by itself at a zero byte after a member, and does not use the rest of the chunk.
      const unused = given - driver.used
      isOver = unused > 0
      if (isOver) checkPadding(chunk.subarray(-Math.min(unused, chunk.length)))
    }
    if (!isOver) yield* driver.finish()
  } finally {
    driver.close()
  }
}

function checkPadding(rest: Buffer): void {
  if (!rest.every(byte => byte === 0)) throw damaged('gzip', 'something else follows the last member')
}
