import { ToolError } from '@pipelayer/errors'

/** What has to come in a second, on average, beyond the time that is given anyway: 16 KiB. */
const BYTES_PER_MS = (16 * 1024) / 1000
/** How often it is looked whether the time is over. */
const TICK_MS = 1000

/**
 * How long servers may keep us waiting for one thing (a document, a blob, a file), all tries and the waits between them
 * together. Each 16 KiB that come or go give another second, so that a big blob has its time and a trickle ends.
 *
 * Only the waits are counted, not what we do ourselves: who reads slowly may.
 */
export class Patience {
  readonly #limitMs: number
  #waitedMs = 0
  #bytes = 0
  #since: number | undefined
  #expired: ((error: ToolError) => void) | undefined
  #clock: NodeJS.Timeout | undefined

  constructor(limitMs: number) {
    this.#limitMs = limitMs
  }

  /** Milliseconds that are left, below 0 when there are none. */
  get leftMs(): number {
    const running = this.#since === undefined ? 0 : performance.now() - this.#since
    return this.#limitMs + this.#bytes / BYTES_PER_MS - this.#waitedMs - running
  }

  /**
   * A wait begins, until {@link rest}.
   *
   * @param expired - called once when the time is over, with ToolError `TIME_LIMIT`, status 75
   */
  wait(expired: (error: ToolError) => void): void {
    this.#expired = expired
    this.resume()
  }

  /** The wait goes on. */
  resume(): void {
    this.#since ??= performance.now()
    this.#clock ??= setInterval(() => this.#look(), Math.min(TICK_MS, this.#limitMs / 4)).unref()
  }

  /** The wait has an end, or rests while we are busy. */
  rest(): void {
    if (this.#since !== undefined) this.spend(performance.now() - this.#since)
    this.#since = undefined
  }

  /** Counts time that was waited elsewhere. */
  spend(ms: number): void {
    this.#waitedMs += ms
  }

  /** Counts bytes that came, or that the server took. */
  came(bytes: number): void {
    this.#bytes += bytes
  }

  /** Why there is no more waiting. */
  refusal(): ToolError {
    const seconds = Math.round(this.#limitMs / 1000)
    const why = `the server kept us waiting for more than ${seconds} s in all (--timeout sets the limit)`
    return new ToolError('TIME_LIMIT', why, { status: 75 })
  }

  // A clock that finds nobody waiting stops: so nobody has to end it, and a busy transfer starts none for each chunk.
  #look(): void {
    if (this.#since === undefined) {
      clearInterval(this.#clock)
      this.#clock = undefined
      return
    }
    if (this.leftMs > 0) return
    const expired = this.#expired
    this.#expired = undefined
    expired?.(this.refusal())
  }
}
