/**
 * The address of a registry, and the check of other addresses to which it sends us.
 *
 * @module
 */
import { isIPv4, isIPv6 } from 'node:net'
import { ToolError } from '@pipelayer/errors'
import { kindOfAddress } from './address.js'

const HUB_DOMAIN = 'docker.io'
const HUB_HOST = 'registry-1.docker.io'

/** The base URL of the registry of a reference's domain. Without `plainHttp` only loopback has plain HTTP. */
export function endpointOf(
  domain: string,
  { plainHttp }: { readonly plainHttp?: boolean | undefined } = {},
): URL {
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
  if (isIPv6(bare)) return new URL(`http://[${bare.split('%', 1)[0]}]`).hostname === '[::1]'
  return bare === 'localhost' || (isIPv4(bare) && bare.startsWith('127.'))
}

/**
 * Checks an address that a server sent us to: the token server, a redirect.
 *
 * A numeric address of this machine or of the local network is refused unless the registry has the same host name, so
 * that a hostile registry cannot make us send requests to others there. The address of a name is known only when we
 * connect to it: {@link AddressGuard} checks that.
 *
 * @param target - the address to check
 * @param registry - the registry that sent us there
 * @throws ToolError `ADDRESS_REFUSED`
 */
export function checkTarget(target: URL, registry: URL): URL {
  const plainAllowed = registry.protocol === 'http:' && target.protocol === 'http:'
  if (target.protocol !== 'https:' && !plainAllowed) throw refused(target, registry, 'it is not https')
  if (target.username !== '' || target.password !== '')
    throw refused(target, registry, 'it holds credentials')
  if (bareHost(target.hostname) !== bareHost(registry.hostname) && isInside(target.hostname)) {
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

// URL has converted every spelling of an IPv4 address (0x7f.1, 2130706433) to dotted decimal.
function isInside(hostname: string): boolean {
  const host = bareHost(hostname)
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  return (kindOfAddress(host) ?? 'public') !== 'public'
}

/** A host name in the form for comparisons, without brackets and without a dot at its end. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$|\.$/g, '')
}
