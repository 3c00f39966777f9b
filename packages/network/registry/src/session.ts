import { Authorizer } from './authorizer.js'
import type { Connections } from './connections.js'
import type { CredentialSource } from './credentials.js'
import { endpointOf } from './endpoint.js'
import { parseWarning } from './link.js'
import { follow } from './redirects.js'
import { type Attempt, harmless, refusal } from './response-error.js'
import { DEFAULT_RETRY, type OnRetry, type RetryOptions, type RetryPolicy, withRetries } from './retry.js'
import { repositoryScope } from './scopes.js'
import { type HttpRequest, type HttpResponse, Transport, type TransportOptions } from './transport.js'

/** How the requests of a session are sent. */
export interface SessionTransport extends Omit<TransportOptions, 'origin' | 'signal'> {
  /** True for HTTP without TLS, false for TLS even on loopback. Unless given, only loopback is without TLS. */
  readonly plainHttp?: boolean | undefined
}

export interface SessionOptions {
  /** The domain of the reference: `docker.io`, `localhost:5000`. */
  readonly domain: string
  readonly path: string
  readonly credentials?: CredentialSource | undefined
  /** How requests are sent. */
  readonly transport?: SessionTransport | undefined
  readonly retry?: Partial<RetryOptions> | undefined
  readonly onRetry?: OnRetry | undefined
  readonly signal?: AbortSignal | undefined
  /** Connections that are shared with other repositories of the run; without them this repository has its own. */
  readonly connections?: Connections | undefined
  /** Called with warnings of the registry, each text once, and with mistakes of the registry that were accepted. */
  readonly warn?: ((message: string, code?: string) => void) | undefined
}

/** A request to the registry, with its scopes and the statuses that it expects. */
export interface SessionRequest extends Omit<HttpRequest, 'url'>, Attempt {
  /** A path below `/v2/NAME/`, or an address that the registry gave. */
  readonly target: string | URL
  readonly actions: readonly ('pull' | 'push' | 'delete')[]
  /** Further scopes, for mounting from another repository. */
  readonly scopes?: readonly string[]
  /** The statuses that are a valid answer; any other is a failure. */
  readonly expect: readonly number[]
}

/** Talks to one repository of one registry: authorization, redirects, retries. */
export class Session {
  readonly registry: URL
  readonly retry: RetryPolicy
  readonly domain: string
  readonly path: string
  /** An object that identifies the state which sessions share; it is the same for all of these sessions. */
  readonly memory: object
  readonly #transport: Transport
  readonly #isShared: boolean
  readonly #authorizer: Authorizer
  readonly #warn: SessionOptions['warn']
  readonly #warned = new Set<string>()

  constructor(options: SessionOptions) {
    const { domain, path, credentials } = options
    this.#warn = options.warn
    this.domain = domain
    this.path = path
    const { transport = {}, signal } = options
    this.registry = endpointOf(domain, transport)
    this.retry = { ...DEFAULT_RETRY, ...options.retry, signal: options.signal, onRetry: options.onRetry }
    const { connections } = options
    const { origin } = this.registry
    this.#isShared = connections !== undefined
    const how = { ...transport, signal, origin }
    this.#transport = connections?.transport(how) ?? new Transport(how)
    this.memory = connections ?? this
    const { registry, retry } = this
    this.#authorizer = new Authorizer({
      transport: this.#transport,
      registry,
      domain,
      path,
      credentials,
      retry,
      connections,
    })
  }

  /** Sends a request, and repeats it where that may help. The caller reads the body of the response or cancels it. */
  request(request: SessionRequest): Promise<HttpResponse> {
    return withRetries(this.retry, (_attempt, patience) => this.once({ patience, ...request }))
  }

  /** Sends a request once; throws a RetryableError where another try may help. */
  async once(request: SessionRequest): Promise<HttpResponse> {
    const scopes = [repositoryScope(this.path, request.actions) ?? '', ...(request.scopes ?? [])]
    const sent = await this.#authorizer.header(scopes)
    let response = await this.#send(request, sent)
    if (response.status === 401 && (await this.#authorizer.learn(response, sent, scopes))) {
      response.body.cancel()
      response = await this.#send(request, await this.#authorizer.header(scopes))
    }
    this.#heed(response)
    if (request.expect.includes(response.status)) return response
    const error = await refusal(response, request)
    throw response.status === 401 ? await this.#authorizer.explain(error) : error
  }

  /** Warns of a mistake of the registry that was accepted. */
  warn(message: string, code: string): void {
    this.#warn?.(message, code)
  }

  /** The address of something in the repository. */
  url(target: string | URL): URL {
    return typeof target === 'string' ? new URL(`${this.path}/${target}`, this.registry) : target
  }

  async close(): Promise<void> {
    if (!this.#isShared) await this.#transport.close()
  }

  // Reports warnings, but only those of the registry itself and not of hosts to which it redirects.
  #heed(response: HttpResponse): void {
    const header = response.header('warning')
    if (header === undefined || response.url.origin !== this.registry.origin || this.#warned.size >= 20)
      return
    const text = parseWarning(header)
    if (text === undefined || this.#warned.has(text)) return
    this.#warned.add(text)
    this.#warn?.(`${this.domain} says: ${harmless(text)}`)
  }

  #send(request: SessionRequest, authorization: string | undefined): Promise<HttpResponse> {
    const headers = { ...request.headers, ...(authorization !== undefined && { authorization }) }
    return follow(this.#transport, { ...request, url: this.url(request.target), headers }, this.registry)
  }
}
