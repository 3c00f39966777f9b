import type { Challenge } from './challenge.js'
import { Transport, type TransportOptions } from './transport.js'

/**
 * What the repositories of one run share: connections to each host, and how each registry wants to be asked. So a second
 * repository of a registry costs no new connection, and no request that is bound to be refused.
 *
 * Tokens and credentials are not shared: they may be another repository's. Who opens it closes it, last.
 */
export class Connections {
  readonly #transports = new Map<string, Transport>()
  readonly #challenges = new Map<string, Challenge>()
  readonly #down = new Set<string>()

  /** The connections to a registry; those with other certificates are others. */
  transport(options: TransportOptions): Transport {
    const { origin, tls } = options
    const key = JSON.stringify([origin, tls])
    const transport = this.#transports.get(key) ?? new Transport(options)
    this.#transports.set(key, transport)
    return transport
  }

  /** What the registry asked for last. */
  challenge(origin: string): Challenge | undefined {
    return this.#challenges.get(origin)
  }

  /** Remembers what a registry asks for, apart from the scope: that is of one repository. */
  learn(origin: string, { scheme, params }: Challenge): void {
    const shared = new Map(params)
    shared.delete('scope')
    this.#challenges.set(origin, { scheme, params: shared })
  }

  /** A mirror that did not answer is not asked again in this run. */
  leave(host: string): void {
    this.#down.add(host)
  }

  isDown(host: string): boolean {
    return this.#down.has(host)
  }

  /** Closes the connections; what still runs fails. */
  async close(): Promise<void> {
    const open = [...this.#transports.values()]
    this.#transports.clear()
    await Promise.all(open.map(transport => transport.close()))
  }
}
