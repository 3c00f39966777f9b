/**
 * Where a registry is, and which other addresses it may send us to.
 *
 * @module
 */
import { isIPv4, isIPv6 } from 'node:net'
import { ToolError } from '@pipelayer/errors'

const HUB_DOMAIN = 'docker.io'
const HUB_HOST = 'registry-1.docker.io'

/** The base URL of the registry of a reference's domain. Unless `plainHttp` says, only loopback is plain HTTP. */
export function endpointOf(domain: string, plainHttp?: boolean): URL {
  const host = domain === HUB_DOMAIN ? HUB_HOST : domain
  const scheme = (plainHttp ?? isLoopback(host)) ? 'http' : 'https'
  try {
    return new URL(`${scheme}://${host}/v2/`)
  } catch (cause) {
    throw new ToolError('REFERENCE_INVALID', `not the host of a registry: ${domain}`, { cause })
  }
}

/** True for `localhost`, 127.0.0.0/8 and `[::1]`, with a port or without. */
export function isLoopback(host: string): boolean {
  const bare = /^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? (isIPv6(host) ? host : host.replace(/:\d+$/, ''))
  if (isIPv6(bare)) return canonical6(bare) === '::1'
  return bare === 'localhost' || (isIPv4(bare) && bare.startsWith('127.'))
}

/**
 * Checks an address that a server sent us to: the token server, a redirect.
 *
 * An address inside the machine or its network, written as a number, is refused unless the registry has the same
 * host name: a hostile registry must not make us knock at the neighbours' doors.
 *
 * @param target - where to go
 * @param registry - the registry that said so
 * @throws ToolError `ADDRESS_REFUSED`
 */
export function checkTarget(target: URL, registry: URL): URL {
  const plainAllowed = registry.protocol === 'http:' && target.protocol === 'http:'
  if (target.protocol !== 'https:' && !plainAllowed) throw refused(target, registry, 'it is not https')
  if (target.username !== '' || target.password !== '')
    throw refused(target, registry, 'it holds credentials')
  if (target.hostname !== registry.hostname && isInside(target.hostname)) {
    throw refused(target, registry, 'it is inside the local network')
  }
  return target
}

/** A URL without its query, which may hold a signature. */
export function redacted(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?...'}`
}

function refused(target: URL, registry: URL, why: string): ToolError {
  const shown = target.host === '' ? target.protocol : redacted(target)
  return new ToolError('ADDRESS_REFUSED', `${registry.host} sends us to ${shown}: refused, ${why}`)
}

// URL has brought every spelling of an IPv4 address (0x7f.1, 2130706433) to dotted decimal.
function isInside(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  if (isIPv4(host)) return isInside4(host)
  return isIPv6(host) && isInside6(canonical6(host))
}

function isInside4(address: string): boolean {
  const [a = 0, b = 0] = address.split('.').map(Number)
  const isPrivate = a === 10 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168)
  return isPrivate || a === 0 || a === 127 || (a === 169 && b === 254)
}

function isInside6(address: string): boolean {
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address)
  if (mapped !== null) {
    const [high = 0, low = 0] = mapped.slice(1).map(part => Number.parseInt(part, 16))
    return isInside4([high >> 8, high & 255, low >> 8, low & 255].join('.'))
  }
  return address === '::' || address === '::1' || /^f[cd]|^fe[89ab]/.test(address)
}

function canonical6(address: string): string {
  return new URL(`http://[${address.split('%', 1)[0]}]`).hostname.slice(1, -1)
}
