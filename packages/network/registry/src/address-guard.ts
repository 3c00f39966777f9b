/**
 * Decides to which addresses a server may redirect us. The address of the connection counts, since a name may lead
 * anywhere.
 *
 * | the registry is | it may send us to names of |
 * |---|---|
 * | public | public addresses |
 * | in a private network | public and private addresses |
 * | on this machine (a tunnel, a test) | public and private addresses, and this machine |
 *
 * No registry may send us to link-local and other special addresses. The registry's own name, which the user gave, may
 * have any address.
 *
 * @module
 */
import { type LookupAddress, type LookupOptions, lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { ToolError } from '@pipelayer/errors'
import { type AddressKind, kindOfAddress } from './address.js'
import { bareHost } from './endpoint.js'

/** Finds all addresses of a name. */
export type Resolver = (
  hostname: string,
  options: LookupOptions & { readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void

const REACH: Readonly<Record<AddressKind, readonly AddressKind[]>> = {
  public: ['public'],
  private: ['public', 'private'],
  loopback: ['public', 'private', 'loopback'],
  // A registry with a link-local address is in the local network.
  special: ['public', 'private'],
}

/** Resolves names for the connections that one registry causes. */
export class AddressGuard {
  readonly #home: string
  readonly #resolve: Resolver
  /** The kinds of all addresses that the registry's own name has had, so that changing its address gains nothing. */
  readonly #homes = new Set<AddressKind>()

  /** @param home - host name of the registry, or of another address that the user gave */
  constructor(home: string, resolve: Resolver = systemLookup) {
    this.#home = bareHost(home)
    this.#resolve = resolve
    const kind = kindOfAddress(home)
    if (kind !== undefined) this.#homes.add(kind)
  }

  /**
   * The look-up for sockets, in place of the system's. Addresses that may not be connected to are left out.
   *
   * The callback gets ToolError `ADDRESS_REFUSED` when none is left.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    this.#resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '', 0)
      const allowed = this.#allowed(hostname, found)
      const [first] = allowed
      if (first === undefined) return callback(this.#refused(hostname, found), '', 0)
      return options.all ? callback(null, allowed) : callback(null, first.address, first.family)
    })
  }

  #allowed(hostname: string, found: readonly LookupAddress[]): LookupAddress[] {
    const kindOf = ({ address }: LookupAddress): AddressKind => kindOfAddress(address) ?? 'special'
    if (bareHost(hostname) === this.#home) {
      for (const one of found) this.#homes.add(kindOf(one))
      return [...found]
    }
    return found.filter(one => this.#reaches(kindOf(one)))
  }

  // The most public address of the registry decides how far it may send us, since its owner may be there. A registry
  // that was not connected to yet counts as public.
  #reaches(kind: AddressKind): boolean {
    const homes: readonly AddressKind[] = this.#homes.size === 0 ? ['public'] : [...this.#homes]
    return homes.every(home => REACH[home].includes(kind))
  }

  #refused(hostname: string, found: readonly LookupAddress[]): Error {
    const at = found.map(({ address }) => address).join(', ')
    const where = at === '' ? hostname : `${hostname}, which is ${at}`
    const message = `${this.#home} sends us to ${where}: refused, it is inside the local network`
    return new ToolError('ADDRESS_REFUSED', message)
  }
}
