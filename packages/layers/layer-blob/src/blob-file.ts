/**
 * Reads the tar in a blob, and checks it against the expected digests.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { type Digest, Hasher, verified } from '@pipelayer/digest'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'

/** Bytes that are read from disk at a time. */
const READ_BYTES = 1 << 18

/** Limits for the decompressed tar: a small blob can decompress to more than a disk holds. */
export interface TarLimits {
  /** Bytes of the tar. */
  readonly maxBytes?: number
  /** Bytes of the tar for each byte of the blob. */
  readonly maxRatio?: number
  /** Bytes of the tar from which on the ratio is checked. */
  readonly ratioFromBytes?: number
}

/** The properties that the tar in a blob must have. */
export interface ExpectedTar {
  /** Undefined where the diffID is not known. */
  readonly diffID: string | undefined
  readonly limits: TarLimits
  /** The reader keeps nothing of a chunk when it asks for the next one, so that their memory may be used again. */
  readonly reuse?: boolean
}

/** A blob in a file. Plain data, so that it can be given to another thread. */
export interface BlobFile extends ExpectedTar {
  readonly file: string
  /** The digest and size that the file must have; undefined where they are not known. */
  readonly expected: { readonly digest: Digest; readonly size?: number } | undefined
}

/** A tar to be read. When it has been read, `finish` returns its digest, or throws where it is not the expected one. */
export interface OpenTar {
  readonly tar: AsyncIterable<Buffer>
  readonly finish: () => string
}

/**
 * The bytes of a blob, checked against digest and size as they are read. The reader must not keep a chunk when it asks
 * for the next one, since its memory is used again.
 */
export function openBlob({ file, expected }: Pick<BlobFile, 'file' | 'expected'>): AsyncIterable<Buffer> {
  const bytes = bytesInTurns(file)
  return expected === undefined ? bytes : verified(bytes, expected)
}

/**
 * Reads in this thread. The reader must not keep a chunk when it asks for the next one. `finish` throws ToolError
 * `DIFF_ID_MISMATCH`.
 */
export function openTar(blob: BlobFile): OpenTar {
  return provenTar(openBlob(blob), 'its tar', { ...blob, reuse: true })
}

/** Decompresses the tar in the bytes of a blob and checks it. @param name - of the tar, for messages */
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

/** Reads into two buffers in turn: a stream would make one for each read, and leave dozens to the garbage collector. */
async function* bytesInTurns(file: string): AsyncGenerator<Buffer, void, void> {
  const { fd } = attempt(`read "${file}"`, () => openRegular(file))
  const buffers: [Buffer, Buffer] = [Buffer.allocUnsafeSlow(READ_BYTES), Buffer.allocUnsafeSlow(READ_BYTES)]
  const fill = (): Promise<number> => {
    const size = reading<number>(file, done => fs.read(fd, buffers[0], 0, READ_BYTES, null, done))
    // The read may fail long before its result is awaited.
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
    // A read that is under way still uses the descriptor and its buffer.
    await next.catch(() => undefined)
    fs.closeSync(fd)
  }
}

function reading<T>(file: string, call: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) =>
    call((error, value) => (error === null ? resolve(value) : reject(systemError(error, `read "${file}"`)))),
  )
}
