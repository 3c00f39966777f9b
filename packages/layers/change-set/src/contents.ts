/**
 * The bytes of files that lie in blobs.
 *
 * Where files are read in the order in which they lie in a blob, the blob is read once, forward. Otherwise it is
 * decompressed into a temporary file first. Memory: a decompressor for each blob in use.
 *
 * @module
 */

import fs from 'node:fs'
import { decompress } from '@pipelayer/compress'
import { type Digest, parseDigest, verified } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import type { ContentFields, EntryFields } from '@pipelayer/records'
import { runsOf } from './content-runs.js'
import { ForwardReader, outOfRange } from './forward-reader.js'
import type { ContentSource } from './types.js'

/** The most blobs, since each keeps a file open. No image has as many layers. */
const MAX_BLOBS = 512
const CHUNK_BYTES = 1 << 18
const ZEROS = Buffer.alloc(1 << 16)

export interface BlobContentsOptions {
  /** The bytes of a blob as it is stored, not verified. `path` is a hint. */
  open(digest: Digest, path: string | undefined): AsyncIterable<Buffer>
  /** Makes a new, empty file, open for reading and writing, that is removed when it is closed. */
  tempFile(): number
  readonly signal?: AbortSignal | undefined
}

type Bytes = AsyncGenerator<Buffer, void, void>

/** Reads files out of blobs and checks each blob against its digest. The owner closes it. */
export class BlobContents implements ContentSource {
  readonly #options: BlobContentsOptions
  readonly #forward = new Map<Digest, ForwardReader>()
  /** Descriptors of decompressed copies. */
  readonly #copies = new Map<Digest, number>()

  constructor(options: BlobContentsOptions) {
    this.#options = options
  }

  /**
   * @throws ToolError `CONTENT_OUT_OF_RANGE`, `CHANGE_INVALID` where the record contradicts itself, `TOO_MANY_BLOBS`,
   *   `DIGEST_INVALID`, `DIGEST_MISMATCH`; those of `open` and of decompress
   */
  async *read(entry: EntryFields): Bytes {
    const { content, size = 0 } = entry
    if (content === undefined) return
    const digest = parseDigest(content.digest)
    let { offset } = content
    let position = 0
    for (const [at, length] of runsOf(content, size)) {
      yield* zeros(at - position)
      yield* this.#range(digest, content, { offset, length })
      offset += length
      position = at + length
    }
    yield* zeros(size - position)
  }

  async finish(): Promise<void> {
    for (const reader of this.#forward.values()) await reader.finish()
  }

  /** Closes all that is open. Idempotent. */
  async close(): Promise<void> {
    for (const fd of this.#copies.values()) fs.closeSync(fd)
    this.#copies.clear()
    const readers = [...this.#forward.values()]
    this.#forward.clear()
    for (const reader of readers) await reader.close()
  }

  async *#range(digest: Digest, { path }: ContentFields, range: Range): Bytes {
    const copy = this.#copies.get(digest)
    if (copy !== undefined) return yield* fromCopy(copy, digest, range)
    const reader = this.#forward.get(digest) ?? this.#start(digest, path)
    if (range.offset >= reader.position) return yield* reader.range(range.offset, range.length)
    this.#forward.delete(digest)
    // Bytes that were read so far may already be in the layer, so they have to be checked too.
    await reader.finish()
    yield* fromCopy(await this.#copy(digest, path), digest, range)
  }

  #start(digest: Digest, path: string | undefined): ForwardReader {
    if (this.#forward.size + this.#copies.size >= MAX_BLOBS)
      throw new ToolError('TOO_MANY_BLOBS', `files of more than ${MAX_BLOBS} blobs cannot be read at once`)
    const reader = new ForwardReader(this.#open(digest, path), digest)
    this.#forward.set(digest, reader)
    return reader
  }

  async *#open(digest: Digest, path: string | undefined): Bytes {
    const { open, signal } = this.#options
    for await (const chunk of decompress(verified(open(digest, path), { digest }))) {
      signal?.throwIfAborted()
      yield chunk
    }
  }

  async #copy(digest: Digest, path: string | undefined): Promise<number> {
    const fd = this.#options.tempFile()
    this.#copies.set(digest, fd)
    for await (const chunk of this.#open(digest, path))
      attempt(`write a temporary copy of ${digest}`, () => writeAll(fd, chunk))
    return fd
  }
}

interface Range {
  /** In bytes, in the decompressed blob. */
  readonly offset: number
  readonly length: number
}

function* fromCopy(fd: number, digest: Digest, { offset, length }: Range): Generator<Buffer, void, void> {
  for (let done = 0; done < length; ) {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, length - done))
    const read = fs.readSync(fd, chunk, 0, chunk.length, offset + done)
    if (read === 0) throw outOfRange(digest, offset + length)
    done += read
    yield chunk.subarray(0, read)
  }
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += fs.writeSync(fd, bytes, done)
}

function* zeros(length: number): Generator<Buffer, void, void> {
  for (let left = length; left > 0; left -= ZEROS.length)
    yield left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS
}
