/**
 * The tar in a blob: what its bytes must be, and what its digest is.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { type Digest, Hasher, verified } from '@pipelayer/digest'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'

/** Read ahead from disk at a time. */
const READ_BYTES = 1 << 18

/** What may come out of a blob: a small one can hold more than a disk. */
export interface TarLimits {
  /** Bytes of the tar. */
  readonly maxBytes?: number
  /** Bytes of the tar for each byte of the blob. */
  readonly maxRatio?: number
  /** Bytes of the tar from which on the ratio holds. */
  readonly ratioFromBytes?: number
}

/** What the tar in a blob must be. */
export interface ExpectedTar {
  /** Undefined where nobody said. */
  readonly diffID: string | undefined
  readonly limits: TarLimits
  /** Whether nothing is kept of a chunk when the next one is asked for. */
  readonly reuse?: boolean
}

/** A blob in a file. Plain data, so that it can be given to another thread. */
export interface BlobFile extends ExpectedTar {
  readonly file: string
  /** What the file must be; undefined where nobody vouches for it. */
  readonly expected: { readonly digest: Digest; readonly size?: number } | undefined
}

/** A tar that is read; `finish` gives its digest once it was, and throws where it is not the expected one. */
export interface OpenTar {
  readonly tar: AsyncIterable<Buffer>
  readonly finish: () => string
}

/**
 * The bytes of a blob, checked against digest and size as they are read. Nothing of a chunk may be kept when the next
 * one is asked for: its memory is used again.
 */
export function openBlob({ file, expected }: Pick<BlobFile, 'file' | 'expected'>): AsyncIterable<Buffer> {
  const bytes = bytesInTurns(file)
  return expected === undefined ? bytes : verified(bytes, expected)
}

/** Reads in this thread. Nothing may be kept of a chunk when the next one is asked for. `finish` throws ToolError `DIFF_ID_MISMATCH`. */
export function openTar(blob: BlobFile): OpenTar {
  return provenTar(openBlob(blob), 'its tar', { ...blob, reuse: true })
}

/** The tar in the bytes of a blob, decompressed. @param name - of the tar, for messages */
export function provenTar(
  blob: AsyncIterable<Buffer>,
  name: string,
  { diffID, limits, reuse = false }: ExpectedTar,
): OpenTar {
  const hasher = new Hasher()
  async function* hashed(): AsyncGenerator<Buffer, void, void> {
    for await (const chunk of decompress(blob, { ...limits, reuse })) {
      hasher.update(chunk)
      yield chunk
    }
  }
  const finish = (): string => {
    const got = hasher.digest()
    if (diffID === undefined || diffID === got) return got
    throw new ToolError('DIFF_ID_MISMATCH', `${name} does not match: expected ${diffID}, got ${got}`)
  }
  return { tar: hashed(), finish }
}

/** The bytes of a regular file. @throws ToolError that names it; `FILE_INVALID` for a FIFO or a device */
export async function* fileBytes(file: string): AsyncGenerator<Buffer, void, void> {
  try {
    const { fd } = openRegular(file)
    yield* fs.createReadStream('', { fd, highWaterMark: READ_BYTES })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}

/** Through two buffers: a stream makes one for each read, and dozens of them wait for the garbage collector. */
async function* bytesInTurns(file: string): AsyncGenerator<Buffer, void, void> {
  const { fd } = attempt(`read "${file}"`, () => openRegular(file))
  const buffers: [Buffer, Buffer] = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)]
  const fill = (): Promise<number> => {
    const size = reading<number>(file, done => fs.read(fd, buffers[0], 0, READ_BYTES, null, done))
    // It may fail long before anyone asks for it.
    size.catch(() => undefined)
    return size
  }
  let next = fill()
  try {
    for (let size = await next; size > 0; size = await next) {
      const bytes = buffers[0].subarray(0, size)
      buffers.reverse()
      next = fill()
      yield bytes
    }
  } finally {
    // What is under way needs the descriptor, and a buffer that nobody has let go of yet.
    await next.catch(() => undefined)
    fs.closeSync(fd)
  }
}

function reading<T>(file: string, call: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error === null ? resolve(value) : reject(systemError(error, `read "${file}"`)))),
  )
}
