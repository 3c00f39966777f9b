import { Authorizer } from './authorizer.js'
import type { Budget } from './budget.js'
import type { Connections } from './connections.js'
import type { CredentialSource } from './credentials.js'
import type { Network, TlsSettings } from './dispatchers.js'
import { endpointOf } from './endpoint.js'
import { parseWarning } from './link.js'
import { follow } from './redirects.js'
import { type Attempt, harmless, refusal } from './response-error.js'
import { DEFAULT_RETRY, type OnRetry, type RetryOptions, type RetryPolicy, withRetries } from './retry.js'
import { repositoryScope } from './scopes.js'
import { type HttpRequest, type HttpResponse, type Timeouts, Transport } from './transport.js'

export interface SessionOptions {
  /** Of the reference: `docker.io`, `localhost:5000`. */
  readonly domain: string
  readonly path: string
  readonly credentials?: CredentialSource | undefined
  /** True: HTTP without TLS. False: TLS, on loopback too. Unless said, only loopback goes without. */
  readonly plainHttp?: boolean | undefined
  readonly retry?: Partial<RetryOptions> | undefined
  readonly onRetry?: OnRetry | undefined
  readonly timeouts?: Partial<Timeouts> | undefined
  readonly signal?: AbortSignal | undefined
  readonly tls?: TlsSettings | undefined
  /** In place of the system's names and sockets. */
  readonly network?: Network | undefined
  readonly budget?: Budget | undefined
  /** Shared with other repositories of the run; without it this one has its own. */
  readonly connections?: Connections | undefined
  /** Told what the registry warns of, each text once, and what was wrong and taken all the same. */
  readonly warn?: ((message: string, code?: string) => void) | undefined
  /** For proxies. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

/** A request to the registry, with what it needs and what it hopes for. */
export interface SessionRequest extends Omit<HttpRequest, 'url'>, Attempt {
  /** Below `/v2/NAME/`, or an address that the registry gave. */
  readonly target: string | URL
  readonly actions: readonly ('pull' | 'push')[]
  /** More scopes: to mount from another repository. */
  readonly scopes?: readonly string[]
  /** Statuses that are an answer; another one is a failure. */
  readonly expect: readonly number[]
}

/** Talks to one repository of one registry: authorization, redirects, retries. */
export class Session {
  readonly registry: URL
  readonly retry: RetryPolicy
  readonly domain: string
  readonly path: string
  /** The same for all sessions that share what they may use. */
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
    this.registry = endpointOf(domain, options)
    this.retry = { ...DEFAULT_RETRY, ...options.retry, signal: options.signal, onRetry: options.onRetry }
    const { connections } = options
    const { origin } = this.registry
    this.#isShared = connections !== undefined
    this.#transport = connections?.transport({ ...options, origin }) ?? new Transport({ ...options, origin })
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

  /** Sends a request, again where that may help. Whoever gets the response reads its body or cancels it. */
  request(request: SessionRequest): Promise<HttpResponse> {
    return withRetries(this.retry, (_attempt, patience) => this.once({ patience, ...request }))
  }

  /** One try: throws a RetryableError where another may help. */
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

  /** Tells of something that was wrong and was taken all the same. */
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

  // Of the registry itself only: no other has a say.
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
