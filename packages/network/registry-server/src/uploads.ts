import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { isAvailable } from '@pipelayer/sys'
import {
  isSession,
  isSessionID,
  lastWritten,
  lockSession,
  makeSession,
  removeSession,
  sessionsIn,
} from './session-files.js'
import type { RepositoryStorage } from './storage.js'
import { type Progress, Upload } from './upload.js'

export interface UploadsOptions {
  /** The largest blob, in bytes. */
  readonly maxBytes: number
  /** The most sessions that are open at the same time. */
  readonly maxOpen: number
  /** An upload that nobody writes to for this time is given up. */
  readonly expiryMs: number
  readonly now: () => number
  /** False where the kernel's locks are not available; it is found out unless given. */
  readonly canLock?: boolean
}

/**
 * When there are too many sessions, the one with the oldest last write is given up, if that was longer ago than this
 * time.
 */
const GIVES_WAY_MS = 300_000
/** After all sessions were checked, further ones are refused for this time without checking again. */
const FULL_MS = 1000

/**
 * Upload sessions, each in a folder, as in distribution. A session survives this process; a client that knows its ID
 * goes on where its file ends.
 *
 * One request at a time uses a session. A second one takes it over, since it comes from a client whose connection broke
 * while the first request still waits for bytes. Another server on the same folder cannot be stopped so, and requests
 * for a session that it uses are refused.
 */
export class Uploads {
  readonly #options: UploadsOptions
  readonly #canLock: boolean
  /** The open sessions that this process knows, by folder. */
  readonly #sessions = new Map<string, Progress>()
  #fullSince = Number.NEGATIVE_INFINITY

  constructor(options: UploadsOptions) {
    this.#options = options
    this.#canLock = options.canLock ?? isAvailable()
  }

  /**
   * Begins a session and returns its ID. Anybody can begin sessions and leave them, so their number is limited.
   *
   * @throws {ToolError} `TOOMANYREQUESTS`: too many are open, and all of them were written to recently
   */
  create(repository: RepositoryStorage): string {
    this.#makeRoom()
    const id = randomUUID()
    const folder = path.join(repository.uploads, id)
    makeSession(folder, this.#options.now())
    this.#progressOf(folder)
    return id
  }

  /**
   * Uses a session when it is this request's turn. `stop` is called when another request takes the session over.
   *
   * @throws {ToolError} `BLOB_UPLOAD_UNKNOWN`
   */
  async use<T>(
    session: { readonly repository: RepositoryStorage; readonly id: string },
    stop: () => void,
    work: (upload: Upload) => Promise<T>,
  ): Promise<T> {
    const folder = this.#folderOf(session.repository, session.id)
    const progress = this.#progressOf(folder)
    progress.stop?.()
    progress.stop = stop
    const turn = progress.tail.then(() => {
      // The session may have ended during the wait.
      this.#folderOf(session.repository, session.id)
      return this.#run({ folder, progress, id: session.id }, work)
    })
    progress.tail = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      if (progress.stop === stop) progress.stop = undefined
      if (!fs.existsSync(folder)) this.#sessions.delete(folder)
    }
  }

  /** Gives up sessions that nobody has written to for too long, also those of other programs in the same folders. */
  sweep(folders: readonly string[]): void {
    const oldest = this.#options.now() - this.#options.expiryMs
    for (const folder of folders) {
      for (const id of sessionsIn(folder)) {
        const session = path.join(folder, id)
        if (lastWritten(session) < oldest) this.#giveUp(session)
        if (fs.existsSync(session)) this.#progressOf(session)
        else this.#sessions.delete(session)
      }
    }
  }

  async #run<T>(
    { folder, progress, id }: { readonly folder: string; readonly progress: Progress; readonly id: string },
    work: (upload: Upload) => Promise<T>,
  ): Promise<T> {
    const { maxBytes } = this.#options
    const upload = new Upload({ folder, progress, maxBytes, id, canLock: this.#canLock })
    try {
      return await work(upload)
    } finally {
      upload.release()
    }
  }

  #progressOf(folder: string): Progress {
    const known = this.#sessions.get(folder)
    if (known !== undefined) return known
    const progress = { hasher: undefined, stop: undefined, tail: Promise.resolve() }
    this.#sessions.set(folder, progress)
    return progress
  }

  #makeRoom(): void {
    const { maxOpen, now } = this.#options
    if (this.#sessions.size < maxOpen) return
    // Checking costs a system call for each session, so a client that asks again and again must not cause it each time.
    if (now() - this.#fullSince >= FULL_MS) this.#giveUpIdlest()
    if (this.#sessions.size < maxOpen) return
    throw new ToolError('TOOMANYREQUESTS', `${maxOpen} uploads are open, as many as may be: try again later`)
  }

  #giveUpIdlest(): void {
    const now = this.#options.now()
    let idlest = { folder: '', written: now - GIVES_WAY_MS }
    for (const folder of this.#sessions.keys()) {
      // Another server may have ended it.
      if (!fs.existsSync(folder)) this.#sessions.delete(folder)
      const written = lastWritten(folder)
      if (this.#sessions.has(folder) && written < idlest.written) idlest = { folder, written }
    }
    if (this.#sessions.size >= this.#options.maxOpen && idlest.folder !== '') this.#giveUp(idlest.folder)
    this.#fullSince = this.#sessions.size < this.#options.maxOpen ? Number.NEGATIVE_INFINITY : now
  }

  // A session that a request uses is kept, also where the request is one to another server.
  #giveUp(folder: string): void {
    if (this.#sessions.get(folder)?.stop !== undefined) return
    const lock = isSession(folder) ? lockSession(folder) : 'gone'
    if (lock === 'held') return
    try {
      removeSession(folder)
      this.#sessions.delete(folder)
    } finally {
      if (lock !== 'gone') lock()
    }
  }

  #folderOf(repository: RepositoryStorage, id: string): string {
    const folder = path.join(repository.uploads, id)
    if (isSessionID(id) && isSession(folder)) return folder
    throw new ToolError('BLOB_UPLOAD_UNKNOWN', `there is no upload ${JSON.stringify(id.slice(0, 100))}`)
  }
}
