/**
 * Finds the kind of network of an address, by IANA's registries of special-purpose addresses.
 *
 * Spec: RFC 6890; RFC 4291 section 2.5.5, RFC 6052, RFC 3056 and RFC 5214 for IPv4 inside IPv6.
 *
 * @module
 */
import { BlockList, isIPv4, isIPv6 } from 'node:net'

/**
 * `public`: an address on the internet. `private`: one in a private network. `loopback`: this machine. `special`: an
 * address that no server on the web has; link-local ones are among them, at which clouds give a machine its secrets.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'special'

const RANGES: readonly [kind: Exclude<AddressKind, 'public'>, ranges: readonly string[]][] = [
  ['loopback', ['127.0.0.0/8', '::1/128']],
  [
    'private',
    [
      ...['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10', '64:ff9b:1::/48'],
      // Shared address space of providers and overlay networks; the range for benchmarks, which some local proxies use
      // for every name of the web.
      ...['100.64.0.0/10', '198.18.0.0/15'],
    ],
  ],
  [
    'special',
    [
      // This network, link-local, protocol assignments, documentation, relays, multicast, reserved.
      ...['0.0.0.0/8', '169.254.0.0/16', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24'],
      ...['198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4'],
      // Unspecified, discard-only, protocol assignments, documentation, segment routing, link-local, multicast.
      ...[
        '::/128',
        '100::/64',
        '2001::/23',
        '2001:db8::/32',
        '3fff::/20',
        '5f00::/16',
        'fe80::/10',
        'ff00::/8',
      ],
    ],
  ],
]

type Lists = readonly (readonly [kind: AddressKind, list: BlockList])[]

let known: Lists | undefined

// They are made at the first use: programs that meet no address do not wait for them.
function lists(): Lists {
  known ??= RANGES.map(([kind, ranges]) => {
    const list = new BlockList()
    for (const range of ranges) {
      const [net = '', bits] = range.split('/')
      list.addSubnet(net, Number(bits), isIPv4(net) ? 'ipv4' : 'ipv6')
    }
    return [kind, list] as const
  })
  return known
}

/**
 * The IPv4 address inside an IPv6 address to which a gateway may send the packet, by its place among the eight groups.
 */
const EMBEDDED: readonly [pattern: RegExp, group: number][] = [
  // ::a.b.c.d and ::ffff:a.b.c.d; ::ffff:0:a.b.c.d and 64:ff9b::a.b.c.d, which are translated; 6to4; ISATAP.
  [/^0:0:0:0:0:(?:0|ffff):/, 6],
  [/^(?:0:0:0:0:ffff|64:ff9b:0:0:0):0:/, 6],
  [/^2002:/, 1],
  [/^\w+:\w+:\w+:\w+:(?:0|200):5efe:/, 6],
]

/**
 * The kind of an address, brackets and zone aside. An IPv6 address that contains an IPv4 address has the kind of that
 * one where it is not public, since a gateway on the way may unpack it.
 *
 * @returns undefined for a name, which is no address
 */
export function kindOfAddress(text: string): AddressKind | undefined {
  const address = text.replace(/^\[|\]$/g, '').split('%', 1)[0] ?? ''
  if (isIPv4(address)) return listed(address, 'ipv4')
  if (!isIPv6(address)) return undefined
  const own = listed(address, 'ipv6')
  if (own === 'loopback') return own
  const inner = embedded(address)
  const kind = inner === undefined ? 'public' : listed(inner, 'ipv4')
  return kind === 'public' ? own : kind
}

function listed(address: string, family: 'ipv4' | 'ipv6'): AddressKind {
  return lists().find(([, list]) => list.check(address, family))?.[0] ?? 'public'
}

function embedded(address: string): string | undefined {
  const groups = groupsOf(address)
  const text = groups.map(group => group.toString(16)).join(':')
  const at = EMBEDDED.find(([pattern]) => pattern.test(text))?.[1]
  if (at === undefined) return undefined
  const [high = 0, low = 0] = groups.slice(at, at + 2)
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

// URL writes every spelling with eight groups of hexadecimal digits at most, and one "::".
function groupsOf(address: string): number[] {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [front = '', back] = canonical.split('::')
  const numbers = (part: string): number[] =>
    part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16))
  const [first, last] = [numbers(front), numbers(back ?? '')]
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last]
}
