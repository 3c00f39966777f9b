/**
 * The tar in a file: what its bytes must be, and what its digest is.
 *
 * @module
 */
import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { type Digest, Hasher, verified } from '@pipelayer/digest'
import { systemError, ToolError } from '@pipelayer/errors'

/** Read ahead from disk at a time. */
const READ_BYTES = 1 << 20

/** What may come out of a blob: a small one can hold more than a disk. */
export interface Limits {
  /** Bytes of the tar. */
  readonly maxBytes?: number
  /** Bytes of the tar for each byte of the blob. */
  readonly maxRatio?: number
  /** Bytes of the tar from which on the ratio holds. */
  readonly ratioFromBytes?: number
}

/** A blob in a file. Plain data, so that it can be given to another thread. */
export interface BlobFile {
  readonly file: string
  /** What the file must be; undefined where nobody vouches for it. */
  readonly expected: { readonly digest: Digest; readonly size?: number } | undefined
  /** What the tar must be; undefined where nobody said. */
  readonly diffID: string | undefined
  readonly limits: Limits
}

/** A tar that is read; `finish` gives its digest once it was, and throws where it is not the expected one. */
export interface OpenTar {
  readonly tar: AsyncIterable<Buffer>
  readonly finish: () => string
}

/** The bytes of a blob, checked against digest and size as they are read. */
export function openBlob({ file, expected }: BlobFile): AsyncIterable<Buffer> {
  const bytes = readFile(file)
  return expected === undefined ? bytes : verified(bytes, expected)
}

/** Reads in this thread. */
export function openTar(blob: BlobFile): OpenTar {
  const hasher = new Hasher()
  async function* hashed(): AsyncGenerator<Buffer, void, void> {
    for await (const chunk of decompress(openBlob(blob), blob.limits)) {
      hasher.update(chunk)
      yield chunk
    }
  }
  const finish = (): string => {
    const diffID = hasher.digest()
    if (blob.diffID === undefined || blob.diffID === diffID) return diffID
    throw new ToolError('DIFF_ID_MISMATCH', `its tar does not match: expected ${blob.diffID}, got ${diffID}`)
  }
  return { tar: hashed(), finish }
}

async function* readFile(file: string): AsyncGenerator<Buffer, void, void> {
  try {
    yield* fs.createReadStream(file, { highWaterMark: READ_BYTES })
  } catch (error) {
    throw systemError(error, `read "${file}"`)
  }
}
