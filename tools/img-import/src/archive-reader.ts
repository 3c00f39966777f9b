import { ToolError } from '@pipelayer/errors'
import { type ArchiveContent, archiveContent } from '@pipelayer/images'
import type { BlobWriter, Store } from '@pipelayer/store'
import { type ReadEntry, TarParser } from '@pipelayer/tar'
import type { ImgImportOptions } from './index.js'
import { StagedBlobs } from './staged-blobs.js'

/** Names of some hundred thousand images; more is an attack on the memory. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024
/** Smaller blobs are not worth a partial file. */
const MIN_KEPT_BYTES = 256 * 1024

type Blob = Extract<ArchiveContent, { kind: 'blob' }>

/** Where the bytes of an entry go. */
interface Sink {
  write(bytes: Buffer): void
  /** The entry is whole. */
  end(): void
  /** It will not be. */
  leave(): void
}

/** Reads one archive into a store. Entries may come in any order; what is there already is passed over. */
export class ArchiveReader {
  readonly #store: Store
  /** Small blobs that came, to be published by the caller once it knows the index. */
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
   * Returns index.json, once all blobs are in the store or {@link staged}. An archive that breaks leaves those that came
   * in the store.
   *
   * @throws ToolError `ARCHIVE_INCOMPLETE`, `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `DIGEST_MISMATCH`; those of the parser
   */
  async read(archive: AsyncIterable<Buffer>): Promise<Buffer> {
    const parser = new TarParser({ holes: 'events' })
    try {
      for await (const chunk of archive) {
        this.#options.signal?.throwIfAborted()
        for (const event of parser.push(chunk)) {
          if (event.type === 'entry') this.#sink = await this.#open(event.entry)
          else if (event.type === 'data') this.#sink?.write(event.bytes)
          else if (event.type === 'hole' && this.#sink !== undefined) throw invalid('a blob has holes')
          else if (event.type === 'end') this.#close()
        }
      }
      parser.finish()
    } catch (error) {
      this.staged.publishAll()
      throw error
    } finally {
      this.#sink?.leave()
    }
    if (this.#index !== undefined) return Buffer.concat(this.#index)
    this.staged.publishAll()
    const hint = 'it was cut, or is no OCI archive'
    throw new ToolError(
      'ARCHIVE_INCOMPLETE',
      `the archive ends without index.json: ${hint}; no image was named`,
    )
  }

  #close(): void {
    this.#sink?.end()
    this.#sink = undefined
  }

  async #open({ name, type, size }: ReadEntry): Promise<Sink | undefined> {
    const content = archiveContent(name)
    if (type !== 'file' || content.kind === 'other') return undefined
    return content.kind === 'index' ? this.#indexSink(size) : this.#blobSink(content, size)
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
    if (this.#store.hasBlob(digest, size) || this.staged.has(digest)) return undefined
    const expected = { digest, size }
    const isKept = size >= MIN_KEPT_BYTES || offset > 0
    if (!isKept) return this.#stagedSink(this.#store.blobWriter(expected))
    const writer = await this.#store.resumeBlob(expected, this.#options.signal)
    if (writer === undefined) return undefined
    if (writer.bytes >= offset) return new BlobSink(writer, offset, this.#options.warn)
    this.#options.warn?.(
      `the archive has blob ${digest} from byte ${offset} on, but only ${writer.bytes} bytes came before: passed over`,
      'REST_MISPLACED',
    )
    writer.suspend()
    return undefined
  }

  #stagedSink(writer: BlobWriter): Sink {
    return {
      write: bytes => writer.write(bytes),
      end: () => this.staged.add(writer.stage()),
      leave: () => writer.abort(),
    }
  }
}

class BlobSink implements Sink {
  readonly #writer: BlobWriter
  readonly #warn: ImgImportOptions['warn']
  /** Bytes that came before. */
  readonly #kept: number
  /** Bytes of the entry that are among them. */
  #skip: number

  constructor(writer: BlobWriter, offset: number, warn: ImgImportOptions['warn']) {
    this.#writer = writer
    this.#warn = warn
    this.#kept = writer.bytes
    this.#skip = writer.bytes - offset
  }

  write(bytes: Buffer): void {
    const kept = bytes.subarray(Math.min(this.#skip, bytes.length))
    this.#skip -= bytes.length - kept.length
    if (kept.length > 0) this.#writer.write(kept)
  }

  // What came before may have been torn by a power cut: the image lacks this blob then, the archive is not to blame.
  end(): void {
    try {
      this.#writer.commit()
    } catch (error) {
      if (this.#kept === 0 || !(error instanceof ToolError) || error.code !== 'DIGEST_MISMATCH') throw error
      this.#warn?.(`the ${this.#kept} bytes kept of a blob were damaged: ${error.message}`, error.code)
    }
  }

  leave(): void {
    this.#writer.suspend()
  }
}

function invalid(why: string): ToolError {
  return new ToolError('ARCHIVE_INVALID', `cannot read the archive: ${why}`)
}
