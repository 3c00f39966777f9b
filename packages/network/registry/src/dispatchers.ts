import tls from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import { AddressGuard, type Resolver } from './address-guard.js'
import { isLoopback } from './endpoint.js'
import { type Environment, proxyFor } from './no-proxy.js'

/** The TLS settings for one registry. */
export interface TlsSettings {
  /** Certificates of authorities, PEM, which are trusted in addition to the built-in ones. */
  readonly authorities?: readonly string[] | undefined
  /** The client certificate, PEM, for the registry itself; hosts that it sends us to do not get it. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined
  /** Accept any certificate of the registry itself. */
  readonly skipVerify?: boolean | undefined
}

/** Resolves names and opens connections. Tests replace it, so that they send no packets. */
export interface Network {
  readonly resolve: Resolver
  /** Makes a connector with the settings of undici's own. */
  readonly connector: (settings: buildConnector.BuildOptions) => buildConnector.connector
}

export interface DispatcherOptions {
  /**
   * Origin of the registry. Only this origin gets the client certificate, and its address decides where it may send us.
   */
  readonly origin?: string | undefined
  readonly network?: Network | undefined
  readonly tls?: TlsSettings | undefined
  /** The environment with HTTPS_PROXY and the like. */
  readonly env?: Environment | undefined
  /** Milliseconds. */
  readonly timeouts: { readonly connectMs: number; readonly headersMs: number; readonly bodyMs: number }
}

/** The connections of one registry: direct or through a proxy, with or without the registry's own TLS settings. */
export class Dispatchers {
  readonly #options: DispatcherOptions
  readonly #open = new Map<string, Promise<Dispatcher>>()
  readonly #guard: AddressGuard

  constructor(options: DispatcherOptions) {
    this.#options = options
    const home = options.origin === undefined ? '' : new URL(options.origin).hostname
    this.#guard = new AddressGuard(home, options.network?.resolve)
  }

  for(url: URL): Promise<Dispatcher> {
    const proxy = isLoopback(url.host) ? undefined : proxyFor(url, this.#options.env ?? {})
    const isOwn = url.origin === this.#options.origin
    const key = `${isOwn} ${proxy ?? ''}`
    const known = this.#open.get(key) ?? this.#make(proxy, isOwn ? this.#ownTls() : this.#foreignTls())
    this.#open.set(key, known)
    return known
  }

  /** Closes the connections; what still runs fails. */
  async close(): Promise<void> {
    const open = [...this.#open.values()]
    this.#open.clear()
    for (const dispatcher of open) await (await dispatcher).destroy()
  }

  // undici is loaded only when a program talks to a registry, and only in part: all of it takes 100 ms and 8 MB more.
  async #make(proxy: string | undefined, tls: TlsOptions): Promise<Dispatcher> {
    const { default: Agent } = await import('undici/lib/dispatcher/agent.js')
    const { connectMs, headersMs, bodyMs } = this.#options.timeouts
    const settings = { headersTimeout: headersMs, bodyTimeout: bodyMs }
    const connect = { timeout: connectMs, ...tls }
    // A proxy resolves names itself, in its own network, and its owner decides what it may reach.
    if (proxy === undefined) return new Agent({ ...settings, connect: this.#connector(connect) })
    const uri = /^[a-z]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`
    const { authorities } = this.#options.tls ?? {}
    const proxyTls = authorities && { ca: trusted(authorities) }
    const { ProxyAgent } = await import('undici')
    return new ProxyAgent({ ...settings, uri, requestTls: connect, ...(proxyTls && { proxyTls }) })
  }

  #connector(connect: buildConnector.BuildOptions): NonNullable<Agent.Options['connect']> {
    const settings = { ...connect, lookup: this.#guard.lookup }
    return this.#options.network?.connector(settings) ?? settings
  }

  #ownTls(): TlsOptions {
    const { identity, skipVerify } = this.#options.tls ?? {}
    return { ...this.#foreignTls(), ...identity, ...(skipVerify && { rejectUnauthorized: false }) }
  }

  #foreignTls(): TlsOptions {
    const { authorities = [] } = this.#options.tls ?? {}
    return authorities.length === 0 ? {} : { ca: trusted(authorities) }
  }
}

interface TlsOptions {
  readonly ca?: string[]
  readonly cert?: string
  readonly key?: string
  readonly rejectUnauthorized?: boolean
}

// Node uses a given list instead of its own, so its own is added.
function trusted(authorities: readonly string[]): string[] {
  return [...tls.rootCertificates, ...authorities]
}
