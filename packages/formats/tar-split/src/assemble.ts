/**
 * Puts a tar together from its list and the files of the unpacked layer.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { ToolError } from '@pipelayer/errors'
import { showName } from '@pipelayer/records'
import { Crc64 } from './crc64.js'
import { type SplitEntry, SplitLines } from './entry.js'

const CHUNK = 1024 * 1024

/** The files of an unpacked layer. */
export interface SplitContents {
  /**
   * Opens a regular file for reading; the caller closes it. A name comes from whoever wrote the list, so it must not lead
   * out of the layer.
   *
   * @param name - as the tar has it; a binary string
   */
  open(name: string): { readonly fd: number; readonly size: number }
}

/**
 * The bytes of a tar, in chunks of 1 MiB. Each file is compared with its size and its checksum in the list; whether the
 * whole is the right tar, its digest tells.
 *
 * Memory: 1 MiB, and the longest line of the list.
 *
 * @param list - the bytes of `tar-split.json.gz`
 * @throws ToolError `TAR_SPLIT_INVALID`, `COMPRESSION_INVALID`; `SIZE_MISMATCH`, `CHECKSUM_MISMATCH` for a file that was
 *   changed; what `open` throws
 */
export async function* assembleTar(
  list: AsyncIterable<Buffer>,
  contents: SplitContents,
): AsyncGenerator<Buffer, void, undefined> {
  const assembly = new Assembly(contents)
  const lines = new SplitLines()
  for await (const chunk of decompress(list))
    for (const entry of lines.push(chunk)) yield* assembly.add(entry)
  for (const entry of lines.finish()) yield* assembly.add(entry)
  yield assembly.rest()
}

/**
 * The size of a tar in bytes, without reading a file of it.
 *
 * @throws ToolError `TAR_SPLIT_INVALID`, also for sizes that no file has; `COMPRESSION_INVALID`
 */
export async function splitSize(list: AsyncIterable<Buffer>): Promise<number> {
  const lines = new SplitLines()
  let total = 0
  const add = (entry: SplitEntry): void => {
    total += entry.type === 'segment' ? entry.bytes.length : entry.size
  }
  for await (const chunk of decompress(list)) for (const entry of lines.push(chunk)) add(entry)
  for (const entry of lines.finish()) add(entry)
  if (Number.isSafeInteger(total)) return total
  throw new ToolError('TAR_SPLIT_INVALID', 'the list of headers has sizes that no tar can have')
}

class Assembly {
  readonly #contents: SplitContents
  #chunk = Buffer.allocUnsafeSlow(CHUNK)
  #used = 0

  constructor(contents: SplitContents) {
    this.#contents = contents
  }

  /** Takes an entry, and yields the chunks that it completes. */
  *add(entry: SplitEntry): Generator<Buffer, void, undefined> {
    if (entry.type === 'segment') yield* this.#bytes(entry.bytes)
    else if (entry.size > 0) yield* this.#file(entry)
  }

  /** The last chunk. */
  rest(): Buffer {
    return this.#chunk.subarray(0, this.#used)
  }

  *#bytes(bytes: Buffer): Generator<Buffer, void, undefined> {
    for (let done = 0; done < bytes.length; ) {
      const count = bytes.copy(this.#chunk, this.#used, done)
      done += count
      yield* this.#filled(count)
    }
  }

  // Reads are synchronous, since most files are small, and the way through the thread pool costs more than they do.
  *#file({ name, size, crc }: SplitEntry & { type: 'file' }): Generator<Buffer, void, undefined> {
    const opened = this.#contents.open(name)
    try {
      if (opened.size !== size)
        throw changed('SIZE_MISMATCH', name, `it has ${opened.size} bytes, and had ${size}`)
      const sum = new Crc64()
      for (let left = size; left > 0; ) {
        const free = this.#chunk.subarray(this.#used, this.#used + Math.min(left, CHUNK - this.#used))
        const count = fs.readSync(opened.fd, free)
        if (count === 0) throw changed('SIZE_MISMATCH', name, `it ends ${left} bytes too early`)
        sum.update(free.subarray(0, count))
        left -= count
        yield* this.#filled(count)
      }
      const found = sum.digest()
      if (crc?.equals(found)) return
      const why = `its checksum is ${found.toString('hex')}, and was ${crc?.toString('hex')}`
      throw changed('CHECKSUM_MISMATCH', name, why)
    } finally {
      fs.closeSync(opened.fd)
    }
  }

  *#filled(count: number): Generator<Buffer, void, undefined> {
    this.#used += count
    if (this.#used < CHUNK) return
    yield this.#chunk
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK)
    this.#used = 0
  }
}

function changed(code: string, name: string, why: string): ToolError {
  return new ToolError(code, `the file "${showName(name)}" was changed since it was unpacked: ${why}`)
}
