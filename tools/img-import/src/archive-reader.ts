import fs from 'node:fs'
import { type ArchiveContent, archiveContent } from '@pipelayer/archives'
import type { Digest } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import type { BlobWriter, ExpectedBlob } from '@pipelayer/layout'
import type { Store } from '@pipelayer/store'
import { type ReadEntry, type TarEvent, TarParser } from '@pipelayer/tar'
import type { ImgImportOptions } from './options.js'
import { StagedBlobs } from './staged-blobs.js'

/**
 * The largest index.json, in bytes: it fits the names of some hundred thousand images. A larger one is an attack on
 * memory.
 */
const MAX_INDEX_BYTES = 64 * 1024 * 1024
/** If a smaller blob breaks off, its bytes are not kept. */
const MIN_KEPT_BYTES = 256 * 1024
const COPY_BYTES = 1024 * 1024

type Blob = Extract<ArchiveContent, { kind: 'blob' }>

/** Receives the bytes of an entry. */
interface Sink {
  write(bytes: Buffer): void
  /** Is called when the entry is complete. */
  end(): void
  /** Is called when the entry will not be completed. */
  leave(): void
}

/**
 * Reads one archive into a store. Entries may come in any order. A blob that the store has already is compared with the
 * entry. If they differ, the blob is written anew from the first differing byte on: either the store's blob is damaged,
 * or the archive is wrong, which the digest shows.
 */
export class ArchiveReader {
  /** Blobs that were read from the archive or compared with it, and so are known to be right. */
  readonly proven = new Set<Digest>()
  readonly #store: Store
  /** Blobs that were read. The caller publishes them when it knows the index. */
  readonly staged: StagedBlobs
  readonly #options: Pick<ImgImportOptions, 'signal' | 'warn'>
  #index: Buffer[] | undefined
  #sink: Sink | undefined

  constructor(store: Store, options: Pick<ImgImportOptions, 'signal' | 'warn'>) {
    this.#store = store
    this.staged = new StagedBlobs(store)
    this.#options = options
  }

  /**
   * Returns index.json, once all blobs are in the store or {@link staged}. If the archive breaks off, the blobs that
   * came stay in the store.
   *
   * @throws ToolError `ARCHIVE_INCOMPLETE`, `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`; those of the parser
   */
  async read(archive: AsyncIterable<Buffer>): Promise<Buffer> {
    const parser = new TarParser({ holes: 'events' })
    try {
      for await (const chunk of archive) {
        this.#options.signal?.throwIfAborted()
        for (const event of parser.push(chunk)) await this.#take(event)
      }
      parser.finish()
    } catch (error) {
      await this.staged.publishAll()
      throw error
    } finally {
      this.#sink?.leave()
    }
    if (this.#index !== undefined) return Buffer.concat(this.#index)
    await this.staged.publishAll()
    const hint = 'it was cut, or is no OCI archive'
    throw new ToolError(
      'ARCHIVE_INCOMPLETE',
      `the archive ends without index.json: ${hint}; no image was named`,
    )
  }

  async #take(event: TarEvent): Promise<void> {
    if (event.type === 'entry') this.#sink = await this.#open(event.entry)
    else if (event.type === 'data') this.#sink?.write(event.bytes)
    else if (event.type === 'hole' && this.#sink !== undefined) throw invalid('a blob has holes')
    else if (event.type === 'end') {
      this.#sink?.end()
      this.#sink = undefined
    }
  }

  async #open({ name, type, size }: ReadEntry): Promise<Sink | undefined> {
    const content = archiveContent(name)
    if (type !== 'file' || content.kind === 'other') return undefined
    return content.kind === 'index' ? this.#indexSink(size) : this.#blobSink(content, size)
  }

  #done(digest: Digest): () => void {
    return () => void this.proven.add(digest)
  }

  #indexSink(size: number): Sink {
    if (this.#index !== undefined) throw invalid('it has two files index.json')
    if (size > MAX_INDEX_BYTES) throw invalid(`index.json has ${size} bytes, more than ${MAX_INDEX_BYTES}`)
    const chunks: Buffer[] = []
    return {
      write: bytes => void chunks.push(Buffer.from(bytes)),
      end: () => {
        this.#index = chunks
      },
      leave: () => undefined,
    }
  }

  async #blobSink({ digest, offset }: Blob, stored: number): Promise<Sink | undefined> {
    const size = offset + stored
    if (this.staged.has(digest)) return undefined
    const expected = { digest, size }
    if (this.#store.hasBlob(digest, size))
      return offset > 0 ? undefined : new ComparingSink(this.#store, expected, this.#done(digest))
    const isKept = size >= MIN_KEPT_BYTES || offset > 0
    if (!isKept) return this.#stagedSink(this.#store.blobWriter(expected), this.#done(digest))
    const writer = await this.#store.resumeBlob(expected, this.#options.signal)
    if (writer === undefined) return undefined
    const { warn } = this.#options
    const done = this.#done(digest)
    if (writer.bytes >= offset) return new BlobSink(writer, { offset, warn, staged: this.staged, done })
    this.#options.warn?.(
      `the archive has blob ${digest} from byte ${offset} on, but only ${writer.bytes} bytes came before: passed over`,
      'REST_MISPLACED',
    )
    writer.suspend()
    return undefined
  }

  #stagedSink(writer: BlobWriter, done: () => void): Sink {
    return {
      write: bytes => writer.write(bytes),
      end: () => {
        this.staged.add(writer.stage())
        done()
      },
      leave: () => writer.abort(),
    }
  }
}

interface BlobSinkOptions {
  /** The position in the blob where the entry begins. */
  readonly offset: number
  readonly warn: ImgImportOptions['warn']
  /** Takes the blob when it is complete. */
  readonly staged: StagedBlobs
  /** Is called when the blob is in the store, and right. */
  done(): void
}

class BlobSink implements Sink {
  readonly #writer: BlobWriter
  readonly #options: BlobSinkOptions
  /** How many bytes of the blob came earlier. */
  readonly #kept: number
  /** How many bytes of the entry are among those. */
  #skip: number

  constructor(writer: BlobWriter, options: BlobSinkOptions) {
    this.#writer = writer
    this.#options = options
    this.#kept = writer.bytes
    this.#skip = writer.bytes - options.offset
  }

  write(bytes: Buffer): void {
    const kept = bytes.subarray(Math.min(this.#skip, bytes.length))
    this.#skip -= bytes.length - kept.length
    if (kept.length > 0) this.#writer.write(kept)
  }

  // If the digest is wrong, the bytes that came earlier may have been damaged by a power cut. Then the archive is not
  // to blame, and the image just lacks this blob.
  end(): void {
    try {
      this.#options.staged.hold(this.#writer)
      this.#options.done()
    } catch (error) {
      if (this.#kept === 0 || !(error instanceof ToolError) || error.code !== 'DIGEST_MISMATCH') throw error
      this.#options.warn?.(
        `the ${this.#kept} bytes kept of a blob were damaged: ${error.message}`,
        error.code,
      )
    }
  }

  leave(): void {
    this.#writer.suspend()
  }
}

/** Compares the entry with a blob of the store. Memory: the length of a chunk. */
class ComparingSink implements Sink {
  readonly #store: Store
  readonly #expected: ExpectedBlob
  readonly #done: () => void
  readonly #fd: number
  #isOpen = true
  #bytes = 0
  /** The writer of the new blob, from the first difference on. */
  #writer: BlobWriter | undefined

  constructor(store: Store, expected: ExpectedBlob, done: () => void) {
    this.#store = store
    this.#expected = expected
    this.#done = done
    const path = store.blobPath(expected.digest)
    this.#fd = attempt(`read "${path}"`, () => fs.openSync(path, 'r'))
  }

  write(bytes: Buffer): void {
    if (this.#writer === undefined && this.#read(bytes.length).equals(bytes)) {
      this.#bytes += bytes.length
      return
    }
    this.#writer ??= this.#sameSoFar()
    this.#writer.write(bytes)
  }

  // The bytes before the difference are copied from the store's blob.
  #sameSoFar(): BlobWriter {
    const writer = this.#store.blobWriter(this.#expected)
    const same = this.#bytes
    for (this.#bytes = 0; this.#bytes < same; ) {
      const chunk = this.#read(Math.min(COPY_BYTES, same - this.#bytes))
      // The file was cut in the meantime, which the digest will show.
      if (chunk.length === 0) break
      writer.write(chunk)
      this.#bytes += chunk.length
    }
    return writer
  }

  end(): void {
    try {
      this.#writer?.commit()
      this.#done()
    } finally {
      this.leave()
    }
  }

  leave(): void {
    this.#writer?.abort()
    if (this.#isOpen) fs.closeSync(this.#fd)
    this.#isOpen = false
  }

  #read(length: number): Buffer {
    const buffer = Buffer.allocUnsafe(length)
    const path = this.#store.blobPath(this.#expected.digest)
    return attempt(`read "${path}"`, () => {
      let count = 0
      for (let got = -1; got !== 0 && count < length; count += got)
        got = fs.readSync(this.#fd, buffer, count, length - count, this.#bytes + count)
      return buffer.subarray(0, count)
    })
  }
}

function invalid(why: string): ToolError {
  return new ToolError('ARCHIVE_INVALID', `cannot read the archive: ${why}`)
}
