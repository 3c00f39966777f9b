import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { algorithmOf, type Digest, Hasher } from '@pipelayer/digest'
import { attempt, errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { isAvailable, ofdLock } from '@pipelayer/sys'
import type { RepositoryStorage, StoredFile } from './storage.js'

/** What a request has for an upload. */
export interface Chunk {
  readonly bytes: AsyncIterable<Buffer>
  /** Where it begins, as the client says. */
  readonly first: number | undefined
  /** How many bytes there are, as the client says. */
  readonly length: number | undefined
  /** The same, as its headers say. */
  readonly sent: number | undefined
}

export interface UploadsOptions {
  /** A blob at most, in bytes. */
  readonly maxBytes: number
  /** Uploads that nobody wrote to for so long are given up. */
  readonly expiryMs: number
  readonly now: () => number
}

/** What is known of a session besides its file: lost with the process, and then computed anew. */
interface Progress {
  hasher: Hasher | undefined
  /** Ends the request that has the session now. */
  stop: (() => void) | undefined
  tail: Promise<unknown>
}

const ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const READ_BYTES = 1024 * 1024

/**
 * Upload sessions: a folder each, `ID/data` and `ID/startedat`, as distribution has them. A session survives this
 * process; whoever knows its ID goes on where its file ends.
 *
 * One request at a time has a session. A second one takes it over: it comes from a client whose connection broke,
 * while the request on the dead connection still waits for bytes.
 */
export class Uploads {
  readonly #options: UploadsOptions
  readonly #sessions = new Map<string, Progress>()

  constructor(options: UploadsOptions) {
    this.#options = options
  }

  /** Begins a session and returns its ID. */
  create(repository: RepositoryStorage): string {
    const id = randomUUID()
    const folder = path.join(repository.uploads, id)
    attempt(`begin an upload in "${repository.uploads}"`, () => {
      fs.mkdirSync(folder, { recursive: true })
      fs.writeFileSync(path.join(folder, 'startedat'), startTime(this.#options.now()))
      fs.writeFileSync(path.join(folder, 'data'), '')
    })
    return id
  }

  /**
   * A session, when it is this request's turn. `stop` is called when another request wants it.
   *
   * @throws {ToolError} `BLOB_UPLOAD_UNKNOWN`
   */
  async use<T>(
    session: { readonly repository: RepositoryStorage; readonly id: string },
    stop: () => void,
    work: (upload: Upload) => Promise<T>,
  ): Promise<T> {
    const folder = this.#folderOf(session.repository, session.id)
    const progress = this.#sessions.get(folder) ?? {
      hasher: undefined,
      stop: undefined,
      tail: Promise.resolve(),
    }
    this.#sessions.set(folder, progress)
    progress.stop?.()
    progress.stop = stop
    const turn = progress.tail.then(() => {
      // It may have ended while we waited.
      this.#folderOf(session.repository, session.id)
      return work(new Upload({ folder, progress, maxBytes: this.#options.maxBytes, id: session.id }))
    })
    progress.tail = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      if (progress.stop === stop) progress.stop = undefined
      if (!fs.existsSync(folder)) this.#sessions.delete(folder)
    }
  }

  /** Gives up sessions that nobody wrote to for too long, those of other programs in the same folders too. */
  sweep(folders: readonly string[]): void {
    const oldest = this.#options.now() - this.#options.expiryMs
    for (const folder of folders) {
      for (const id of namesIn(folder).filter(name => ID.test(name))) {
        const session = path.join(folder, id)
        const isBusy = this.#sessions.get(session)?.stop !== undefined
        if (!isBusy && lastWritten(session) < oldest) removeSession(session)
        if (!fs.existsSync(session)) this.#sessions.delete(session)
      }
    }
  }

  #folderOf(repository: RepositoryStorage, id: string): string {
    const folder = path.join(repository.uploads, id)
    if (ID.test(id) && fs.existsSync(path.join(folder, 'data'))) return folder
    throw new ToolError('BLOB_UPLOAD_UNKNOWN', `there is no upload ${JSON.stringify(id.slice(0, 100))}`)
  }
}

/** A session that one request has. */
export class Upload {
  readonly id: string
  readonly #folder: string
  readonly #progress: Progress
  readonly #maxBytes: number

  constructor(options: { folder: string; progress: Progress; maxBytes: number; id: string }) {
    this.id = options.id
    this.#folder = options.folder
    this.#progress = options.progress
    this.#maxBytes = options.maxBytes
  }

  /** Bytes that it has. */
  get size(): number {
    return attempt(`read "${this.#data}"`, () => fs.statSync(this.#data).size)
  }

  /**
   * Appends a chunk. Of one that breaks off, what came stays, for the client to go on from there.
   *
   * @throws {ToolError} `RANGE_INVALID`: it does not begin where the data ends; `SIZE_INVALID`: it is not as long as
   * said; `BLOB_TOO_LARGE`: so is the blob; `BLOB_UPLOAD_INVALID`: another program has the session; `ENOSPC`
   */
  async append(chunk: Chunk): Promise<void> {
    const file = await fs.promises.open(this.#data, 'r+')
    try {
      this.#lock(file.fd)
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
   * Ends the session: what it holds becomes a blob of the repository, or, where the digest is not that of its bytes,
   * nothing.
   *
   * @throws {ToolError} `DIGEST_MISMATCH`
   */
  async finish(repository: RepositoryStorage, digest: Digest): Promise<StoredFile> {
    const stored = { file: this.#data, size: this.size }
    const actual = await this.#digest(digest, stored.size)
    if (actual !== digest) {
      this.remove()
      throw new ToolError('DIGEST_MISMATCH', `expected ${digest}, got ${actual} of ${stored.size} bytes`)
    }
    await syncFile(this.#data)
    await repository.adoptBlob(digest, stored)
    this.remove()
    return stored
  }

  /** Gives the session up. */
  remove(): void {
    this.#progress.hasher = undefined
    removeSession(this.#folder)
  }

  get #data(): string {
    return path.join(this.#folder, 'data')
  }

  async #write(file: fs.promises.FileHandle, start: number, { bytes, length, sent }: Chunk): Promise<void> {
    if (length !== undefined && sent !== undefined && sent !== length)
      throw new ToolError('SIZE_INVALID', `the range has ${length} bytes, the body ${sent}`)
    const limit = Math.min(this.#maxBytes, length === undefined ? Number.POSITIVE_INFINITY : start + length)
    let position = start
    if (start + (length ?? 0) > this.#maxBytes) throw this.#tooLarge()
    for await (const piece of bytes) {
      if (position + piece.length > limit) {
        this.#progress.hasher = undefined
        await file.truncate(start)
        if (limit === this.#maxBytes) throw this.#tooLarge()
        throw new ToolError('SIZE_INVALID', `the chunk has more than the ${length} bytes that its range says`)
      }
      await writeWhole(file, piece, position)
      this.#hash(piece, position)
      position += piece.length
    }
    if (length === undefined || position === limit) return
    throw new ToolError('SIZE_INVALID', `the chunk has ${position - start} bytes, its range says ${length}`)
  }

  // Digests are computed on the way, as long as this process has seen every byte.
  #hash(piece: Buffer, position: number): void {
    if (position === 0) this.#progress.hasher = new Hasher('sha256')
    const { hasher } = this.#progress
    if (hasher?.bytes === position) hasher.update(piece)
    else this.#progress.hasher = undefined
  }

  async #digest(wanted: Digest, size: number): Promise<Digest> {
    const algorithm = algorithmOf(wanted)
    const { hasher } = this.#progress
    this.#progress.hasher = undefined
    if (algorithm === 'sha256' && hasher?.bytes === size) return hasher.digest()
    const whole = new Hasher(algorithm)
    for await (const chunk of fs.createReadStream(this.#data, { highWaterMark: READ_BYTES }))
      whole.update(chunk)
    return whole.digest()
  }

  // Another server on the same folder cannot be told to stop.
  #lock(fd: number): void {
    if (!isAvailable() || ofdLock(fd, 'exclusive')) return
    throw new ToolError('BLOB_UPLOAD_INVALID', `upload ${this.id} is being written by another program`)
  }

  #tooLarge(): ToolError {
    return new ToolError('BLOB_TOO_LARGE', `a blob has at most ${this.#maxBytes} bytes here`)
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

function removeSession(folder: string): void {
  attempt(`remove "${folder}"`, () => fs.rmSync(folder, { recursive: true, force: true }))
  try {
    fs.rmdirSync(path.dirname(folder))
  } catch {
    // There are other sessions.
  }
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}

function lastWritten(session: string): number {
  const found =
    fs.statSync(path.join(session, 'data'), { throwIfNoEntry: false }) ??
    fs.statSync(session, { throwIfNoEntry: false })
  return found?.mtimeMs ?? 0
}

/** RFC 3339 in whole seconds, as distribution writes and reads it. */
function startTime(now: number): string {
  return new Date(now).toISOString().replace(/\.\d+Z$/, 'Z')
}
