import type { Challenge } from './challenge.js'
import { Transport, type TransportOptions } from './transport.js'

/**
 * The state that the repositories of one run share: connections to each host, and the form of authorization that each
 * registry wants. So a second repository of a registry costs no new connection, and no request that is certain to be
 * refused.
 *
 * Tokens and credentials are not shared, since they may be for another repository. The code that opens it closes it,
 * after all repositories.
 */
export class Connections {
  readonly #transports = new Map<string, Transport>()
  readonly #challenges = new Map<string, Challenge>()
  readonly #down = new Set<string>()

  /** The connections to a registry. Requests with other certificates have other connections. */
  transport(options: TransportOptions): Transport {
    const { origin, tls } = options
    const key = JSON.stringify([origin, tls])
    const transport = this.#transports.get(key) ?? new Transport(options)
    this.#transports.set(key, transport)
    return transport
  }

  /** The last challenge of the registry. */
  challenge(origin: string): Challenge | undefined {
    return this.#challenges.get(origin)
  }

  /** Remembers the challenge of a registry without its scope, which belongs to one repository. */
  learn(origin: string, { scheme, params }: Challenge): void {
    const shared = new Map(params)
    shared.delete('scope')
    this.#challenges.set(origin, { scheme, params: shared })
  }

  /** Marks a mirror that did not answer, so that it is not asked again in this run. */
  leave(host: string): void {
    this.#down.add(host)
  }

  isDown(host: string): boolean {
    return this.#down.has(host)
  }

  /** Closes the connections; requests that still run fail. */
  async close(): Promise<void> {
    const open = [...this.#transports.values()]
    this.#transports.clear()
    await Promise.all(open.map(transport => transport.close()))
  }
}
