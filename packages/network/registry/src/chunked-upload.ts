/**
 * Uploads in chunks, which go on where they broke.
 *
 * ```
 * PATCH  Location   Content-Range: 0-16777215    202, Location, Range: 0-16777215
 * PATCH  Location   Content-Range: 16777216-...  the connection breaks
 * GET    Location                                204, Range: 0-20000000
 * PATCH  Location   Content-Range: 20000001-...  202
 * PUT    Location?digest=sha256:...              201
 * ```
 *
 * Distribution's own registry forgets an upload in which a chunk broke in the middle; such an upload is begun anew.
 *
 * Spec: distribution-spec v1.1, "Pushing a blob in chunks"
 *
 * @module
 */
import { parseDigest, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { hasBlob } from './blobs.js'
import { checkTarget } from './endpoint.js'
import { nameOf } from './manifests.js'
import { Patience } from './patience.js'
import { pause, RetryableError } from './retry.js'
import type { Session } from './session.js'
import {
  cancelUpload,
  findUpload,
  nextTarget,
  startUpload,
  takenBytes,
  type UploadSession,
  withDigest,
} from './upload-session.js'

/** The size of a chunk. A registry that drops broken chunks makes us send at most this much again. */
export const CHUNK_BYTES = 16 * 1024 * 1024
/** The most tries of one upload, even if each makes progress. */
const MAX_TRIES = 1000
const PUSH = ['pull', 'push'] as const
const OUR_FAULT = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH'])

/** Saves the address of an upload for the next process. */
export interface UploadMemory {
  load(): string | undefined
  save(text: string): void
  clear(): void
}

export interface ChunkedUploadOptions {
  readonly session: Session
  readonly descriptor: Descriptor
  readonly open: () => AsyncIterable<Buffer>
  readonly memory?: UploadMemory | undefined
}

/** The upload of one blob in chunks. */
export class ChunkedUpload {
  readonly #options: ChunkedUploadOptions
  readonly #action: string
  readonly #patience: Patience
  #upload: UploadSession | undefined
  /** Whether the registry's bytes were sent by another process, which may have read other content. */
  #isForeign = false

  constructor(options: ChunkedUploadOptions) {
    this.#options = options
    this.#action = `put blob ${nameOf(options.session, options.descriptor.digest)}`
    this.#patience = new Patience(options.session.retry.totalMs)
  }

  /** Uploads the blob. It gives up after several failures without progress in between. See {@link uploadBlob}. */
  async run(): Promise<void> {
    const { retry } = this.#options.session
    let best = 0
    for (let tries = 1, failures = 0; ; tries++) {
      try {
        await this.#try()
        this.#options.memory?.clear()
        return
      } catch (error) {
        if (!(error instanceof RetryableError)) {
          await this.#refused(error)
          continue
        }
        const offset = this.#upload?.offset ?? 0
        failures = offset > best ? 1 : failures + 1
        best = Math.max(best, offset)
        if (failures >= retry.tries || tries >= MAX_TRIES) throw error.final
        await pause(error, failures, { ...retry, patience: this.#patience })
      }
    }
  }

  // The bytes that an earlier process has sent may be wrong, so a refusal may be due to them; then the upload is begun
  // anew, once.
  async #refused(error: unknown): Promise<void> {
    const isForeign = this.#isForeign
    const target = this.#upload?.target
    this.#forget()
    // If we have sent bytes that are not the blob's, the registry must not keep them.
    if (target !== undefined && error instanceof ToolError && OUR_FAULT.has(error.code))
      await cancelUpload(this.#options.session, target).catch(() => undefined)
    if (!isForeign || !(error instanceof ToolError) || error.status !== 1) throw error
  }

  async #try(): Promise<void> {
    const { descriptor, open } = this.#options
    if (await this.#find()) return
    const content = new Content(verified(open(), descriptor))
    try {
      // No request reads the source of an empty blob, so it is checked here.
      if (descriptor.size === 0) await content.finish()
      let upload = this.#upload ?? (await this.#start())
      await content.skip(upload.offset)
      while (upload.offset < descriptor.size) upload = await this.#send(upload, content)
      await content.finish()
      await this.#close(upload)
    } finally {
      await content.close()
    }
  }

  // Looks for the upload that broke. Returns true when the registry already has the blob, because only the answer to
  // the last request was lost.
  async #find(): Promise<boolean> {
    const { session, descriptor } = this.#options
    const known = this.#upload ?? this.#remembered()
    if (known === undefined) return false
    const found = await findUpload(session, { action: this.#action, patience: this.#patience }, known)
    if (found !== undefined && found.offset <= descriptor.size) this.#keep(found)
    else {
      this.#forget()
      return hasBlob(session, descriptor)
    }
    return false
  }

  #remembered(): UploadSession | undefined {
    const text = this.#options.memory?.load()
    if (text === undefined) return undefined
    this.#isForeign = true
    try {
      const target = checkTarget(new URL(text), this.#options.session.registry)
      return { target, offset: 0, minChunk: 0 }
    } catch {
      // The saved address was damaged by a power cut, or the registry has moved.
      this.#forget()
      return undefined
    }
  }

  async #start(): Promise<UploadSession> {
    const attempt = { action: this.#action, patience: this.#patience }
    return this.#keep(await startUpload(this.#options.session, attempt))
  }

  async #send(upload: UploadSession, content: Content): Promise<UploadSession> {
    const { session, descriptor } = this.#options
    const { target, offset, minChunk } = upload
    const length = Math.min(Math.max(CHUNK_BYTES, minChunk), descriptor.size - offset)
    const response = await session.once({
      patience: this.#patience,
      method: 'PATCH',
      target,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(length),
        'content-range': `${offset}-${offset + length - 1}`,
      },
      body: content.taker(length),
      actions: PUSH,
      expect: [200, 201, 202, 204, 416],
      action: this.#action,
    })
    response.body.cancel()
    const taken = response.status === 416 ? undefined : (takenBytes(response) ?? offset + length)
    if (taken !== offset + length) throw this.#misplaced(offset + length, taken)
    return this.#keep({ target: nextTarget(response, session) ?? target, offset: taken, minChunk })
  }

  async #close({ target }: UploadSession): Promise<void> {
    const { session, descriptor } = this.#options
    const response = await session.once({
      patience: this.#patience,
      method: 'PUT',
      target: withDigest(target, parseDigest(descriptor.digest)),
      headers: { 'content-type': 'application/octet-stream', 'content-length': '0' },
      actions: PUSH,
      expect: [201, 204],
      action: this.#action,
    })
    response.body.cancel()
  }

  #keep(upload: UploadSession): UploadSession {
    this.#upload = upload
    this.#options.memory?.save(upload.target.href)
    return upload
  }

  #forget(): void {
    this.#upload = undefined
    this.#isForeign = false
    this.#options.memory?.clear()
  }

  #misplaced(sent: number, taken: number | undefined): RetryableError {
    const got = taken === undefined ? 'another place' : `${taken} bytes`
    const message = `cannot ${this.#action}: sent ${sent} bytes, the registry is at ${got}`
    return new RetryableError(new ToolError('RANGE_INVALID', message, { status: 75 }))
  }
}

/** Reads a stream piece by piece. */
class Content {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(source: AsyncGenerator<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /**
   * A function that opens the next `length` bytes as the body of a request. It can be called once; another try begins
   * with skip.
   */
  taker(length: number): () => AsyncIterable<Buffer> {
    let left = length
    const next = async (): Promise<Buffer | undefined> => {
      if (left === 0) return undefined
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#read()
      const taken = chunk.subarray(0, left)
      this.#rest = chunk.subarray(taken.length)
      left -= taken.length
      return taken
    }
    return async function* () {
      for (let chunk = await next(); chunk !== undefined; chunk = await next()) yield chunk
    }
  }

  /** Reads the bytes that the registry already has, since they count for the digest. */
  async skip(bytes: number): Promise<void> {
    for await (const _ of this.taker(bytes)()) {
      // Reading the bytes computes their digest.
    }
  }

  /** Reads the source to its end, also bytes that were not sent. At the end it throws where its bytes were wrong. */
  async finish(): Promise<void> {
    for (let next = await this.#source.next(); next.done !== true; next = await this.#source.next());
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }

  async #read(): Promise<Buffer> {
    const next = await this.#source.next()
    if (next.done !== true) return next.value
    throw new ToolError('SIZE_MISMATCH', 'the content of the blob is too short')
  }
}
