import { setTimeout as sleep } from 'node:timers/promises'

/** Limits the requests per second to each host, from all repositories that share the budget. */
export class Budget {
  readonly #stepMs: number
  /** The time at which the next request to a host may be sent, in milliseconds of the monotonic clock. */
  readonly #next = new Map<string, number>()

  /** @param perSecond - requests a second, more than 0 */
  constructor(perSecond: number) {
    this.#stepMs = 1000 / perSecond
  }

  /** Waits for the turn of a request. Turns are given in the order in which they were asked for. */
  async turn(host: string, signal?: AbortSignal): Promise<void> {
    const now = performance.now()
    const at = Math.max(now, this.#next.get(host) ?? now)
    this.#next.set(host, at + this.#stepMs)
    if (at > now) await sleep(at - now, undefined, signal === undefined ? {} : { signal })
  }
}
