import { rootCertificates } from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import { AddressGuard, type Resolver } from './address-guard.js'
import { isLoopback } from './endpoint.js'
import { type Environment, proxyFor } from './no-proxy.js'

/** How TLS connections of one registry are made. */
export interface TlsSettings {
  /** Certificates of authorities, PEM, trusted beside those that are built in. */
  readonly authorities?: readonly string[] | undefined
  /** Shown to the registry itself, and to no host that it sends us to. PEM. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined
  /** Take whatever certificate the registry itself shows. */
  readonly skipVerify?: boolean | undefined
}

/** How names become addresses, and addresses connections: tests put stand-ins here, so that no packet leaves. */
export interface Network {
  readonly resolve: Resolver
  /** What connects, with the settings that it would have as undici's own. */
  readonly connector: (settings: buildConnector.BuildOptions) => buildConnector.connector
}

export interface DispatcherOptions {
  /** Of the registry; what TLS proves to it, it proves to no other, and where it may send us depends on where it is. */
  readonly origin?: string | undefined
  readonly network?: Network | undefined
  readonly tls?: TlsSettings | undefined
  /** HTTPS_PROXY and its kin. */
  readonly env?: Environment | undefined
  /** Milliseconds. */
  readonly timeouts: { readonly connectMs: number; readonly headersMs: number; readonly bodyMs: number }
}

/** The connections of one registry: direct or by a proxy, with the registry's own TLS settings or without. */
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

  // Loaded by those only who talk to a registry, and not as a whole: that costs 100 ms and 8 MB more.
  async #make(proxy: string | undefined, tls: TlsOptions): Promise<Dispatcher> {
    const { default: Agent } = await import('undici/lib/dispatcher/agent.js')
    const { connectMs, headersMs, bodyMs } = this.#options.timeouts
    const settings = { headersTimeout: headersMs, bodyTimeout: bodyMs }
    const connect = { timeout: connectMs, ...tls }
    // A proxy resolves names itself, in its own network: what it may reach is its owner's to say.
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

// Node takes a list in place of its own.
function trusted(authorities: readonly string[]): string[] {
  return [...rootCertificates, ...authorities]
}
