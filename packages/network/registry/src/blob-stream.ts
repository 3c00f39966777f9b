import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { Patience } from './patience.js'
import { actionOf, type BlobRange, openRange } from './range.js'
import { pause, RetryableError } from './retry.js'
import type { Session } from './session.js'

/**
 * The most tries of one blob, even if each makes progress, so that a server which sends a byte each time cannot keep us
 * for ever.
 */
const MAX_TRIES = 1000

/** The server does not serve ranges: asked for a part of a blob it would send all of it, or nothing. */
export class RangesRefused extends Error {}

export interface BlobStreamOptions {
  readonly session: Session
  readonly descriptor: Descriptor
  /** Throw RangesRefused where a server ignores ranges, instead of reading all of the blob. */
  readonly exact?: boolean
}

/**
 * Bytes of a blob, one part after the other. A transfer that breaks goes on where it stopped, and gives up only when
 * it has failed several times without a byte in between.
 */
export class BlobStream {
  readonly #session: Session
  readonly #descriptor: Descriptor
  readonly #exact: boolean
  readonly #patience: Patience
  #takesRanges = true
  #etag: string | undefined
  /** Offset of the next byte in the blob. */
  #position: number
  #tries = 0

  constructor({ session, descriptor, exact = false }: BlobStreamOptions, from = 0) {
    this.#session = session
    this.#descriptor = descriptor
    this.#exact = exact
    this.#position = from
    this.#patience = new Patience(session.retry.totalMs)
  }

  /** Offset of the next byte, from the start of the blob. */
  get position(): number {
    return this.#position
  }

  /**
   * Reads as far as `last`, or further where the server sends all of the blob at once.
   *
   * @throws ToolError those of {@link openRange}; the last failure, status 75; {@link RangesRefused}
   */
  async *readTo(last: number): AsyncGenerator<Buffer, void, undefined> {
    const { retry } = this.#session
    for (let failures = 0; this.#position <= last || this.#tries === 0; ) {
      const before = this.#position
      this.#tries++
      try {
        const isEnd = yield* this.#try(last)
        if (isEnd) return
        if (this.#position === before && this.#takesRanges) throw this.#nothingCame()
      } catch (error) {
        if (!(error instanceof RetryableError)) throw error
        failures = this.#position > before ? 1 : failures + 1
        if (failures >= retry.tries || this.#tries >= MAX_TRIES) throw error.final
        await pause(error, failures, { ...retry, patience: this.#patience })
      }
    }
  }

  // Returns true when the server has ended the blob. Whether its size is right is checked by the caller.
  async *#try(last: number): AsyncGenerator<Buffer, boolean, undefined> {
    const range = this.#range(last)
    const request = { range, etag: this.#etag, patience: this.#patience }
    const part = await openRange(this.#session, this.#descriptor, request)
    this.#etag = part.etag
    if (this.#exact && (part.isWhole || part.start === undefined)) {
      part.body.cancel()
      throw new RangesRefused('the server takes no ranges')
    }
    if (part.start === undefined) {
      this.#takesRanges = false
      return false
    }
    const end = part.isWhole ? Number.POSITIVE_INFINITY : last + 1
    let skip = this.#position - part.start
    for await (const chunk of part.body) {
      const kept = chunk.subarray(Math.min(skip, chunk.length))
      skip -= chunk.length - kept.length
      if (kept.length === 0) continue
      if (this.#position + kept.length > end) throw this.#tooMuch(last)
      this.#position += kept.length
      yield kept
    }
    return part.isWhole
  }

  #range(last: number): BlobRange | undefined {
    const { size } = this.#descriptor
    const isAll = this.#position === 0 && last === size - 1 && !this.#exact
    return isAll || size === 0 || !this.#takesRanges ? undefined : { first: this.#position, last }
  }

  #nothingCame(): RetryableError {
    const message = `cannot ${actionOf(this.#session, this.#descriptor)}: the answer is empty`
    return new RetryableError(new ToolError('CONNECTION_LOST', message, { status: 75 }))
  }

  #tooMuch(last: number): ToolError {
    const message = `cannot ${actionOf(this.#session, this.#descriptor)}: asked for bytes up to ${last}, got more`
    return new ToolError('RANGE_INVALID', message)
  }
}
