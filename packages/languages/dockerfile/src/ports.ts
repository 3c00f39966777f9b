/**
 * The ports of EXPOSE.
 *
 *     spec  = [ [ host ":" ] [ range ] ":" ] range [ "/" PROTOCOL ]
 *     range = PORT [ "-" PORT ]
 *     host  = IPv4 | "[" IPv6 "]" | IPv6
 *
 * Only the last range, that of the container, is used; host and host ports are checked and dropped.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { quote } from './source.js'

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp'])
const RANGE = /^(\d{1,5})(?:-(\d{1,5}))?$/
const HIGHEST_PORT = 65_535

export interface PortAndProtocol {
  readonly port: string
  readonly protocol: string
}

/** Splits at the first slash; the protocol is `tcp` unless given. Without a port both are empty. */
export function splitPort(text: string): PortAndProtocol {
  const slash = text.indexOf('/')
  const port = slash < 0 ? text : text.slice(0, slash)
  const protocol = slash < 0 ? '' : text.slice(slash + 1)
  return port === '' ? { port, protocol: '' } : { port, protocol: protocol === '' ? 'tcp' : protocol }
}

/**
 * The ports that one expanded word of EXPOSE stands for, as the config names them: `80/tcp`.
 *
 * @throws {@link ToolError} `PORT_INVALID` for anything else than the grammar above
 */
export function parsePorts(spec: string): readonly string[] {
  const { port, protocol } = splitPort(spec)
  const lower = protocol.toLowerCase()
  if (!PROTOCOLS.has(lower))
    throw invalid(spec, port === '' ? 'it has no port' : `unknown protocol ${quote(protocol)}`)
  const colon = port.lastIndexOf(':')
  const { first, last } = readRange(spec, port.slice(colon + 1))
  if (colon >= 0) checkHost(spec, port.slice(0, colon), last - first)
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${lower}`)
}

function invalid(spec: string, why: string): ToolError {
  return new ToolError('PORT_INVALID', `port ${quote(spec)}: ${why}`)
}

function readRange(spec: string, text: string): { first: number; last: number } {
  const match = RANGE.exec(text)
  if (match === null) throw invalid(spec, `${quote(text)} is neither a port nor a range`)
  const first = Number(match[1])
  const last = Number(match[2] ?? match[1])
  if (last > HIGHEST_PORT || first > last)
    throw invalid(spec, `${quote(text)} is not within 0 to ${HIGHEST_PORT}`)
  return { first, last }
}

/** @param extra - the number of the container's ports minus one; the host has one port, or as many as the container */
function checkHost(spec: string, host: string, extra: number): void {
  const colon = host.lastIndexOf(':')
  const ports = host.slice(colon + 1)
  const address = colon < 0 ? '' : host.slice(0, colon)
  if (address !== '' && !isAddress(address.replace(/^\[(.*)\]$/, '$1')))
    throw invalid(spec, `${quote(address)} is no IP address`)
  if (ports === '') return
  const { first, last } = readRange(spec, ports)
  if (last - first !== extra && extra !== 0)
    throw invalid(spec, 'host and container have different numbers of ports')
}

/** IPv6 addresses are checked by URL. For IPv4 it would accept shorthand such as `127.1`. */
function isAddress(text: string): boolean {
  if (text.includes(':')) return URL.canParse(`http://[${text}]/`)
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && URL.canParse(`http://${text}/`)
}
