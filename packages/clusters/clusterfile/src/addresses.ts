/**
 * Addresses of hosts, as sealer's `-m` and `-n` take them:
 *
 *     list    = item { "," item }
 *     item    = address [ ":" port ]  |  "[" address6 "]" [ ":" port ]  |  address "-" address
 *
 * A range goes up, and both of its ends belong to it.
 *
 * @module
 */

import { isIP, isIPv4, isIPv6 } from 'node:net'
import { ToolError } from '@pipelayer/errors'

export interface HostAddress {
  /** IPv4 or IPv6, in its usual form. */
  readonly address: string
  readonly port?: number
}

/** The most hosts of one range. */
const MAX_RANGE = 4096

/**
 * Reads a list of hosts.
 *
 * @param what - where the list stands, for messages
 * @throws ToolError `ADDRESS_INVALID`: the user corrects the list
 */
export function parseAddresses(text: string, what: string): readonly HostAddress[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
    .flatMap(item => addressesOf(item, what))
}

function addressesOf(item: string, what: string): readonly HostAddress[] {
  const dash = item.indexOf('-')
  if (dash >= 0) return rangeOf(item.slice(0, dash), item.slice(dash + 1), what)
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(item)
  if (bracketed !== null) return [hostOf(bracketed[1] ?? '', bracketed[2], what)]
  if (isIPv6(item)) return [{ address: plain(item) }]
  const [address = '', port] = item.split(':', 2)
  return [hostOf(address, port, what)]
}

function hostOf(address: string, port: string | undefined, what: string): HostAddress {
  if (isIP(address) === 0) throw invalid(what, `${JSON.stringify(address)} is no IP address`)
  if (port === undefined) return { address: plain(address) }
  return { address: plain(address), port: parsePort(port, what) }
}

/** @throws ToolError `ADDRESS_INVALID` */
export function parsePort(text: string, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535) throw invalid(what, `${JSON.stringify(text)} is no port`)
  return port
}

function rangeOf(from: string, to: string, what: string): readonly HostAddress[] {
  const [first, last] = [from.trim(), to.trim()]
  if (!isIPv4(first) || !isIPv4(last))
    throw invalid(what, `the ends of the range ${JSON.stringify(`${from}-${to}`)} are no IPv4 addresses`)
  const [low, high] = [numberOf(first), numberOf(last)]
  if (low > high) throw invalid(what, `the range ${first}-${last} goes down: write ${last}-${first}`)
  if (high - low >= MAX_RANGE)
    throw invalid(what, `the range ${first}-${last} has more than ${MAX_RANGE} hosts`)
  return Array.from({ length: high - low + 1 }, (_, at) => ({ address: addressOf(low + at) }))
}

function numberOf(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function addressOf(number: number): string {
  return [24, 16, 8, 0].map(bits => Math.floor(number / 2 ** bits) % 256).join('.')
}

// Two spellings of one IPv6 address are one host.
function plain(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address
}

function invalid(what: string, why: string): ToolError {
  return new ToolError('ADDRESS_INVALID', `${what}: ${why}`)
}
