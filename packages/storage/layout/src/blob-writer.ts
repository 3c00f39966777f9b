import fs from 'node:fs'
import { algorithmOf, type Digest, Hasher } from '@pipelayer/digest'
import { systemError, ToolError } from '@pipelayer/errors'
import { syncDirectory } from './durable.js'

const READ_BYTES = 1024 * 1024

/** The digest and size that a blob must have. */
export interface ExpectedBlob {
  readonly digest: string
  /** Bytes. */
  readonly size: number
}

/** A complete blob in the store. */
export interface StoredBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** Absolute. */
  readonly path: string
}

/** A complete and checked blob under a temporary name; it is neither flushed nor visible to others. */
export interface StagedBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly temporary: string
}

/**
 * A complete and checked blob in a file that other processes may resume, so that it may have changed when it is opened
 * again.
 */
export interface ProvenBlob {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly temporary: string
  /** The state of the file when it was checked; see {@link fileState}. */
  readonly state: string
}

/** Identifies a file and its last write. It is equal as long as nobody has written to the file. */
export function fileState(fd: number): string {
  const { dev, ino, size, mtimeNs } = fs.fstatSync(fd, { bigint: true })
  return [dev, ino, size, mtimeNs].join(' ')
}

export interface BlobTarget {
  /** Temporary file, on the same file system as the blobs. */
  readonly temporary: string
  /** Open for writing. */
  readonly fd: number
  readonly expected?: ExpectedBlob
  /**
   * Keep the temporary file for another try, and begin after the bytes that it holds; `fd` must then be open for
   * reading, too.
   */
  readonly isKept?: boolean
  /** The file was checked when it had this state; it is not read again if it still has that state. */
  readonly proven?: ProvenBlob | undefined
  /** The path for a blob of this digest; its folder exists. */
  place(digest: Digest): string
  /** Called once, when the file is closed. */
  closed(): void
}

/**
 * Writes one blob into the store. The blob has a temporary name until its size and digest are known and correct; then
 * it is flushed and renamed, and its folder is flushed. So nothing appears under its digest before it is complete.
 */
export class BlobWriter {
  readonly #target: BlobTarget
  readonly #hasher: Hasher
  #open = true
  #published = false
  #proven: Digest | undefined

  constructor(target: BlobTarget) {
    this.#target = target
    const { expected } = target
    this.#hasher = new Hasher(expected === undefined ? 'sha256' : algorithmOf(expected.digest))
    const { proven } = target
    if (proven !== undefined && fileState(target.fd) === proven.state) this.#proven = proven.digest
    else if (target.isKept) this.#takeKept()
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#proven === undefined ? this.#hasher.bytes : fs.fstatSync(this.#target.fd).size
  }

  /** Whether written bytes are kept for another try. */
  get isKept(): boolean {
    return this.#target.isKept === true
  }

  /**
   * Appends bytes. They are written when the call returns, so the chunk may be reused. The call is synchronous, since a
   * copy through the thread pool costs more than the write into the page cache.
   *
   * @throws {ToolError} `SIZE_MISMATCH` as soon as the blob is longer than expected; `ENOSPC`, status 75
   */
  write(chunk: Uint8Array): void {
    const { expected } = this.#target
    this.#hasher.update(chunk)
    if (expected !== undefined && this.bytes > expected.size) throw this.#mismatch('SIZE_MISMATCH', 'more')
    try {
      for (let done = 0; done < chunk.length; ) done += fs.writeSync(this.#target.fd, chunk, done)
    } catch (error) {
      throw systemError(error, `write blob ${this.#name()} to "${this.#target.temporary}"`)
    }
  }

  /**
   * Leaves a complete blob as a partial file, unlocked; `Store.resumeProven` can publish it without reading it again.
   * No lock is held meanwhile, so that two processes that wait for each other's blobs cannot block each other. If
   * another process removes the file, the later `commit` throws `SIZE_MISMATCH`.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`: the temporary file is gone
   */
  suspendProven(): ProvenBlob {
    const { fd, temporary } = this.#target
    const size = this.bytes
    const digest = this.#prove()
    const state = fileState(fd)
    this.suspend()
    return { digest, size, temporary, state }
  }

  #prove(): Digest {
    if (this.#proven !== undefined) return this.#proven
    const size = this.bytes
    const digest = this.#hasher.digest()
    try {
      this.#check(digest, size)
    } catch (error) {
      this.abort()
      throw error
    }
    return digest
  }

  /**
   * Publishes the blob under its digest.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`: nothing is published, and the temporary file is gone
   */
  commit(): StoredBlob {
    const { fd, temporary } = this.#target
    const size = this.bytes
    const digest = this.#prove()
    try {
      const path = this.#target.place(digest)
      fs.fchmodSync(fd, 0o644)
      fs.fsyncSync(fd)
      fs.renameSync(temporary, path)
      this.#published = true
      syncDirectory(path.slice(0, path.lastIndexOf('/')))
      return { digest, size, path }
    } catch (error) {
      throw systemError(error, `publish blob ${digest}`)
    } finally {
      this.abort()
    }
  }

  /**
   * Leaves the blob under its temporary name, so that `Layout.publishStaged` can publish many blobs together.
   *
   * @throws {ToolError} `SIZE_MISMATCH`, `DIGEST_MISMATCH`: the temporary file is gone
   */
  stage(): StagedBlob {
    const { fd, temporary } = this.#target
    const size = this.bytes
    const digest = this.#prove()
    try {
      fs.fchmodSync(fd, 0o644)
      this.#published = true
      return { digest, size, temporary }
    } catch (error) {
      throw systemError(error, `write blob ${digest}`)
    } finally {
      this.abort()
    }
  }

  /** Gives up and removes the temporary file. Does nothing after `commit` or a first `abort`. */
  abort(): void {
    if (!this.#open) return
    // The file is removed before it is closed, since closing releases its lock, and another process may then take it.
    if (!this.#published) fs.rmSync(this.#target.temporary, { force: true })
    this.#close()
  }

  /** Stops for now. The written bytes are kept for another try where the target allows that; else they are removed. */
  suspend(): void {
    if (!this.#target.isKept) this.abort()
    else if (this.#open) this.#close()
  }

  #close(): void {
    this.#open = false
    fs.closeSync(this.#target.fd)
    this.#target.closed()
  }

  // Hashes the bytes of an earlier try again, since a power cut may have damaged the file.
  #takeKept(): void {
    const { fd, expected } = this.#target
    if (fs.fstatSync(fd).size > (expected?.size ?? 0)) fs.ftruncateSync(fd)
    const buffer = Buffer.allocUnsafe(READ_BYTES)
    for (let count = fs.readSync(fd, buffer); count > 0; count = fs.readSync(fd, buffer)) {
      this.#hasher.update(buffer.subarray(0, count))
    }
  }

  #check(digest: Digest, size: number): void {
    const { expected } = this.#target
    if (expected === undefined) return
    if (size !== expected.size) throw this.#mismatch('SIZE_MISMATCH', String(size))
    if (digest !== expected.digest) throw this.#mismatch('DIGEST_MISMATCH', digest)
  }

  #name(): string {
    return this.#target.expected?.digest ?? ''
  }

  #mismatch(code: 'SIZE_MISMATCH' | 'DIGEST_MISMATCH', got: string): ToolError {
    const { expected } = this.#target
    const wanted = code === 'SIZE_MISMATCH' ? `${expected?.size} bytes` : `${expected?.digest}`
    return new ToolError(code, `cannot take blob ${expected?.digest}: expected ${wanted}, got ${got}`)
  }
}
