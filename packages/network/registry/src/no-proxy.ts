/**
 * Chooses the proxy for a request.
 *
 * ```
 * NO_PROXY = entry *( ( "," / SP ) entry )
 * entry    = "*" / HOST [ ":" PORT ] / "." DOMAIN / "*." DOMAIN / ADDRESS "/" BITS
 * ```
 *
 * HOST includes its subdomains, as in Go and curl; `.DOMAIN` stands for the subdomains only.
 *
 * @module
 */
import { BlockList, isIP, isIPv6 } from 'node:net'

export type Environment = Readonly<Record<string, string | undefined>>

/** The proxy for an address: `HTTPS_PROXY`, else `HTTP_PROXY`, for https; the names may be in lower case. */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const plain = env.http_proxy || env.HTTP_PROXY
  const proxy = url.protocol === 'https:' ? env.https_proxy || env.HTTPS_PROXY || plain : plain
  return proxy && !isExcepted(url, env.no_proxy || env.NO_PROXY || '') ? proxy : undefined
}

/** True for an address that NO_PROXY names. Names are not resolved: a range of addresses matches addresses only. */
export function isExcepted(url: URL, noProxy: string): boolean {
  const entries = noProxy.toLowerCase().split(/[\s,]+/)
  return entries.some(entry => entry === '*' || (entry !== '' && matches(url, entry)))
}

function matches(url: URL, entry: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (entry.includes('/')) return isInRange(host, entry)
  if (isIPv6(entry)) return isInRange(host, `${entry}/128`)
  const [, name = '', port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? []
  if (port !== undefined && port !== (url.port || (url.protocol === 'https:' ? '443' : '80'))) return false
  const bare = name.replace(/^\*(?=\.)/, '').replace(/^\[|\]$/g, '')
  if (bare === '') return false
  return bare.startsWith('.') ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`)
}

function isInRange(host: string, range: string): boolean {
  const [net = '', bits = ''] = range.split('/')
  const family = isIP(net)
  if (family === 0 || isIP(host) !== family || !/^\d{1,3}$/.test(bits)) return false
  if (Number(bits) > (family === 4 ? 32 : 128)) return false
  const type = family === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  list.addSubnet(net, Number(bits), type)
  return list.check(host, type)
}
