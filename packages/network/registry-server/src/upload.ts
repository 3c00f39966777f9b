import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, type Digest, Hasher } from '@pipelayer/digest'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { lockSession, removeSession } from './session-files.js'
import type { RepositoryStorage, StoredFile } from './storage.js'

const READ_BYTES = 1024 * 1024

/** The part of a blob in a request. */
export interface Chunk {
  readonly bytes: AsyncIterable<Buffer>
  /** Its first byte in the blob, as the client states it. */
  readonly first: number | undefined
  /** Its number of bytes, by its Content-Range where it has one, else by its Content-Length. */
  readonly length: number | undefined
  /** Its number of bytes, by its Content-Length. */
  readonly sent: number | undefined
}

/** The state of a session that is not in its file. It is lost with the process, and is then computed anew. */
export interface Progress {
  hasher: Hasher | undefined
  /** Ends the request that uses the session now. */
  stop: (() => void) | undefined
  tail: Promise<unknown>
}

export interface UploadOptions {
  readonly id: string
  /** The folder of the session. */
  readonly folder: string
  readonly progress: Progress
  readonly maxBytes: number
  /** False where the kernel's locks are not available. */
  readonly canLock: boolean
}

/**
 * A session that is used by one request. Each method that writes to it, ends it or gives it up locks it first, and the
 * lock is kept until {@link release}. So no other server can write between the last chunk and the moment when the file
 * becomes a blob.
 */
export class Upload {
  readonly #options: UploadOptions
  #unlock: (() => void) | undefined

  constructor(options: UploadOptions) {
    this.#options = options
  }

  get id(): string {
    return this.#options.id
  }

  /** The number of bytes in the session. */
  get size(): number {
    return attempt(`read "${this.#data}"`, () => fs.statSync(this.#data).size)
  }

  /**
   * Appends a chunk. Where it breaks off, the bytes that have arrived are kept, and the client can go on from there.
   *
   * @throws {ToolError} `RANGE_INVALID`: it does not begin where the data ends; `SIZE_INVALID`: it is not as long as
   * stated; `BLOB_TOO_LARGE`: the blob exceeds the limit; `BLOB_UPLOAD_INVALID`: another server has the session;
   * `ENOSPC`
   */
  async append(chunk: Chunk): Promise<void> {
    this.#lock()
    const file = await fs.promises.open(this.#data, 'r+')
    try {
      const { size } = await file.stat()
      if (chunk.first !== undefined && chunk.first !== size)
        throw new ToolError(
          'RANGE_INVALID',
          `the chunk begins at ${chunk.first}, the upload has ${size} bytes`,
        )
      await this.#write(file, size, chunk)
    } catch (error) {
      throw systemError(error, `write "${this.#data}"`)
    } finally {
      await file.close()
    }
  }

  /**
   * Ends the session. Its bytes become a blob of the repository, or are dropped where they do not match the digest.
   *
   * @throws {ToolError} `DIGEST_MISMATCH`; `BLOB_UPLOAD_INVALID`: another server has the session
   */
  async finish(repository: RepositoryStorage, digest: Digest): Promise<StoredFile> {
    this.#lock()
    const file = this.#options.canLock ? this.#data : await this.#privateCopy()
    const stored = { file, size: attempt(`read "${file}"`, () => fs.statSync(file).size) }
    const actual = await this.#digest(digest, stored)
    if (actual !== digest) {
      this.remove()
      throw new ToolError('DIGEST_MISMATCH', `expected ${digest}, got ${actual} of ${stored.size} bytes`)
    }
    await syncFile(file)
    await repository.adoptBlob(digest, stored)
    this.remove()
    return stored
  }

  /** Gives the session up. @throws {ToolError} `BLOB_UPLOAD_INVALID`: another server has it */
  remove(): void {
    this.#lock()
    this.#progress.hasher = undefined
    removeSession(this.#options.folder)
  }

  /** Releases the session for other servers. */
  release(): void {
    this.#unlock?.()
    this.#unlock = undefined
  }

  get #data(): string {
    return path.join(this.#options.folder, 'data')
  }

  get #progress(): Progress {
    return this.#options.progress
  }

  // Without locks, another server may have the file open and write to it after it became a blob. A copy, which nobody
  // else has ever opened, cannot change. On file systems that share blocks the copy costs nothing.
  async #privateCopy(): Promise<string> {
    const copy = path.join(this.#options.folder, randomUUID())
    const { COPYFILE_EXCL, COPYFILE_FICLONE } = fs.constants
    try {
      await fs.promises.copyFile(this.#data, copy, COPYFILE_EXCL | COPYFILE_FICLONE)
    } catch (error) {
      throw systemError(error, `write "${copy}"`)
    }
    return copy
  }

  async #write(file: fs.promises.FileHandle, start: number, { bytes, length, sent }: Chunk): Promise<void> {
    if (length !== undefined && sent !== undefined && sent !== length)
      throw new ToolError('SIZE_INVALID', `the range has ${length} bytes, the body ${sent}`)
    const { maxBytes } = this.#options
    const limit = Math.min(maxBytes, length === undefined ? Number.POSITIVE_INFINITY : start + length)
    let position = start
    if (start + (length ?? 0) > maxBytes) throw this.#tooLarge()
    for await (const piece of bytes) {
      if (position + piece.length > limit) {
        this.#progress.hasher = undefined
        await file.truncate(start)
        if (limit === maxBytes) throw this.#tooLarge()
        throw new ToolError('SIZE_INVALID', `the chunk has more than the ${length} bytes that its range says`)
      }
      await writeWhole(file, piece, position)
      this.#hash(piece, position)
      position += piece.length
    }
    if (length === undefined || position === limit) return
    throw new ToolError('SIZE_INVALID', `the chunk has ${position - start} bytes, its range says ${length}`)
  }

  // The digest is computed as bytes arrive, provided that this process has seen all of them.
  #hash(piece: Buffer, position: number): void {
    if (position === 0) this.#progress.hasher = new Hasher('sha256')
    const { hasher } = this.#progress
    if (hasher?.bytes === position) hasher.update(piece)
    else this.#progress.hasher = undefined
  }

  async #digest(wanted: Digest, { file, size }: StoredFile): Promise<Digest> {
    const algorithm = algorithmOf(wanted)
    const { hasher } = this.#progress
    this.#progress.hasher = undefined
    if (file === this.#data && algorithm === 'sha256' && hasher?.bytes === size) return hasher.digest()
    const whole = new Hasher(algorithm)
    for await (const chunk of fs.createReadStream(file, { highWaterMark: READ_BYTES })) whole.update(chunk)
    return whole.digest()
  }

  #lock(): void {
    if (this.#unlock !== undefined || !this.#options.canLock) return
    const lock = lockSession(this.#options.folder)
    if (lock === 'gone') throw new ToolError('BLOB_UPLOAD_UNKNOWN', `upload ${this.id} has ended`)
    if (lock === 'held')
      throw new ToolError('BLOB_UPLOAD_INVALID', `upload ${this.id} is in use at another server`)
    this.#unlock = lock
  }

  #tooLarge(): ToolError {
    return new ToolError('BLOB_TOO_LARGE', `a blob has at most ${this.#options.maxBytes} bytes here`)
  }
}

async function writeWhole(file: fs.promises.FileHandle, piece: Buffer, position: number): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    const { bytesWritten } = await file.write(piece, done, piece.length - done, position + done)
    done += bytesWritten
  }
}

async function syncFile(name: string): Promise<void> {
  const file = await fs.promises.open(name, 'r')
  try {
    await file.sync()
  } catch (error) {
    throw systemError(error, `write "${name}"`)
  } finally {
    await file.close()
  }
}
