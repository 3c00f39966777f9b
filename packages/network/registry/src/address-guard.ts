/**
 * Where a server may send us, decided by the address that would be connected to: a name says nothing about it.
 *
 * | the registry is | it may send us to names of |
 * |---|---|
 * | public | public addresses |
 * | in a private network | those, and private addresses |
 * | on this machine (a tunnel, a test) | those, and this machine |
 *
 * Nobody is sent to link-local and other special addresses. The registry's own name, which the user wrote, is free.
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
  // A registry that has a link-local address is a neighbour in the local network.
  special: ['public', 'private'],
}

/** Resolves names for the connections that one registry causes. */
export class AddressGuard {
  readonly #home: string
  readonly #resolve: Resolver
  /** Kinds of all addresses that the registry's own name had: a name that changes its mind gains nothing. */
  readonly #homes = new Set<AddressKind>()

  /** @param home - host name of the registry, or of what else the user wrote */
  constructor(home: string, resolve: Resolver = systemLookup) {
    this.#home = bareHost(home)
    this.#resolve = resolve
    const kind = kindOfAddress(home)
    if (kind !== undefined) this.#homes.add(kind)
  }

  /**
   * For sockets, in place of the system's. Of several addresses of a name those are left out that may not be connected to.
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

  // As far as the farthest address of the registry: its owner may be there. One that was never asked is anybody's.
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
