import net from 'node:net'
import type { Network } from '../src/dispatchers.js'

export interface StandIn {
  readonly network: Network
  /** Names that were looked up, in order. */
  readonly asked: string[]
  /** `ADDRESS:PORT` that would have been connected to, in order. */
  readonly connected: string[]
}

/**
 * A resolver and a connector that send no packets. `names` has the addresses of each name, one for each look-up, of
 * which the last one is repeated. All connections go to the server `host` on loopback.
 */
export function standIn(host: string, names: Readonly<Record<string, readonly string[]>>): StandIn {
  const asked: string[] = []
  const connected: string[] = []
  const resolve: Network['resolve'] = (hostname, _options, callback) => {
    const turns = names[hostname] ?? []
    const turn = turns[Math.min(asked.filter(name => name === hostname).length, turns.length - 1)]
    asked.push(hostname)
    const found = (turn?.split(' ') ?? []).map(address => ({ address, family: net.isIP(address) }))
    const error = turn === undefined ? Object.assign(new Error('no name'), { code: 'ENOTFOUND' }) : null
    setImmediate(() => callback(error, found))
  }
  const connector: Network['connector'] = settings => (options, callback) => {
    const { hostname, port } = options
    const connect = (address: string): void => {
      connected.push(`${address}:${port || 80}`)
      const socket = net.connect(Number(host.split(':')[1]), '127.0.0.1')
      socket.once('connect', () => callback(null, socket))
    }
    const { lookup } = settings as { lookup?: net.LookupFunction }
    if (net.isIP(hostname) > 0) return connect(hostname)
    lookup?.(hostname, { all: true }, (error, found) =>
      error === null
        ? connect(Array.isArray(found) ? (found[0]?.address ?? '') : found)
        : callback(error, null),
    )
  }
  return { network: { resolve, connector }, asked, connected }
}
