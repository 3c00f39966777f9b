import { ToolError } from '@pipelayer/errors'

/** The speed that is required, on average, when the base time is used up: 16 KiB per second. */
const BYTES_PER_MS = (16 * 1024) / 1000
/** How often to check whether the time is over. */
const TICK_MS = 1000

/**
 * Limits the time that we wait for servers to get or send one item (a document, a blob, a file), with all tries and the
 * waits between them. Each 16 KiB that are received or sent add a second, so that a big blob has enough time, and a
 * very slow transfer ends.
 *
 * Only waits for the server count, not our own work, so a consumer may read slowly.
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

  /** Milliseconds that are left; negative when the time is over. */
  get leftMs(): number {
    const running = this.#since === undefined ? 0 : performance.now() - this.#since
    return this.#limitMs + this.#bytes / BYTES_PER_MS - this.#waitedMs - running
  }

  /**
   * Begins a wait, which lasts until {@link rest}.
   *
   * @param expired - called once when the time is over, with ToolError `TIME_LIMIT`, status 75
   */
  wait(expired: (error: ToolError) => void): void {
    this.#expired = expired
    this.resume()
  }

  /** Continues the wait. */
  resume(): void {
    this.#since ??= performance.now()
    this.#clock ??= setInterval(() => this.#look(), Math.min(TICK_MS, this.#limitMs / 4)).unref()
  }

  /** Ends the wait, or interrupts it while we are busy. */
  rest(): void {
    if (this.#since !== undefined) this.spend(performance.now() - this.#since)
    this.#since = undefined
  }

  /** Counts a wait that was measured elsewhere. */
  spend(ms: number): void {
    this.#waitedMs += ms
  }

  /** Counts bytes that were received, or that the server has accepted. */
  came(bytes: number): void {
    this.#bytes += bytes
  }

  /** The error for a wait that is over. */
  refusal(): ToolError {
    const seconds = Math.round(this.#limitMs / 1000)
    const why = `the server kept us waiting for more than ${seconds} s in all (--timeout sets the limit)`
    return new ToolError('TIME_LIMIT', why, { status: 75 })
  }

  // The timer stops by itself when nobody waits. So no caller has to stop it, and a busy transfer does not start one
  // for each chunk.
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
