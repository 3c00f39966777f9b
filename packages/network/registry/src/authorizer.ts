import { ToolError } from '@pipelayer/errors'
import { type Challenge, parseChallenges } from './challenge.js'
import type { Connections } from './connections.js'
import type { CredentialSource, Credentials } from './credentials.js'
import { harmless } from './response-error.js'
import type { RetryPolicy } from './retry.js'
import { mergeScopes } from './scopes.js'
import { basic, fetchToken, type Token, TokenRefused, type TokenRequest } from './token.js'
import type { HttpResponse, Transport } from './transport.js'

export interface AuthorizerOptions {
  readonly transport: Transport
  readonly registry: URL
  /** The domain of the reference, by which credentials are found: `docker.io`. */
  readonly domain: string
  readonly path: string
  readonly credentials: CredentialSource | undefined
  readonly retry: RetryPolicy
  /** Remembers how the registry wants to be asked. */
  readonly connections?: Connections | undefined
}

/**
 * Makes the Authorization header for one repository. No credentials are sent before the registry has asked for them,
 * for this or another repository of the run. Tokens are kept for each set of scopes.
 */
export class Authorizer {
  readonly #options: AuthorizerOptions
  readonly #tokens = new Map<string, Promise<Token>>()
  #challenge: Challenge | undefined
  #credentials: Promise<Credentials | undefined> | undefined

  constructor(options: AuthorizerOptions) {
    this.#options = options
    this.#challenge = options.connections?.challenge(options.registry.origin)
  }

  /** The header for a request, by the registry's last challenge. */
  async header(scopes: readonly string[]): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined
    if (this.#challenge.scheme === 'bearer') return this.#bearer(this.#challenge, scopes)
    const credentials = await this.#known()
    return credentials?.username === undefined ? undefined : basic(credentials)
  }

  /**
   * Reads the challenge of a 401. Returns true when another try with the next {@link header} may succeed.
   *
   * @param sent - the header of the request that was refused
   */
  async learn(response: HttpResponse, sent: string | undefined, scopes: readonly string[]): Promise<boolean> {
    const header = response.header('www-authenticate')
    // After a redirect, the challenge of another origin does not count for our credentials.
    if (header === undefined || response.url.origin !== this.#options.registry.origin) return false
    const challenges = parseChallenges(header)
    const bearer = challenges.find(challenge => challenge.scheme === 'bearer')
    const chosen = bearer ?? challenges.find(challenge => challenge.scheme === 'basic')
    if (chosen === undefined) return false
    this.#challenge = chosen
    this.#options.connections?.learn(response.url.origin, chosen)
    await this.#forget(sent)
    const next = await this.header(scopes)
    return next !== undefined && next !== sent
  }

  async #bearer(challenge: Challenge, wanted: readonly string[]): Promise<string> {
    const credentials = await this.#known()
    if (credentials?.registryToken !== undefined) return `Bearer ${credentials.registryToken}`
    const scopes = mergeScopes([...wanted, ...(challenge.params.get('scope') ?? '').split(' ')])
    const key = scopes.join(' ')
    const kept = await this.#tokens.get(key)
    if (kept !== undefined && kept.expires > performance.now()) return `Bearer ${kept.value}`
    const token = this.#fetch({ challenge, scopes, credentials })
    this.#tokens.set(key, token)
    token.catch(() => this.#tokens.delete(key))
    return `Bearer ${(await token).value}`
  }

  /** Adds to a refusal (401) whether credentials were found and were refused. */
  async explain(error: Error): Promise<Error> {
    if (!(error instanceof ToolError)) return error
    const { code, message, status } = error
    return new ToolError(code, `${message} (${await this.#hint()})`, { cause: error, status })
  }

  async #hint(): Promise<string> {
    const { domain } = this.#options
    const known = await this.#known()
    if (known === undefined) return `no credentials for ${domain} are configured`
    const whose = known.username === undefined ? '' : ` of ${JSON.stringify(harmless(known.username))}`
    return `the credentials${whose} for ${domain} were refused: registry-login ${domain} takes new ones`
  }

  async #fetch(wanted: Pick<TokenRequest, 'challenge' | 'scopes' | 'credentials'>): Promise<Token> {
    const { transport, registry, retry } = this.#options
    try {
      return await fetchToken({ transport, registry, retry, ...wanted })
    } catch (error) {
      throw error instanceof TokenRefused ? await this.explain(error) : error
    }
  }

  // Only the refused token is dropped, since another request may have fetched a new one meanwhile.
  async #forget(sent: string | undefined): Promise<void> {
    for (const [key, token] of this.#tokens) {
      if (`Bearer ${(await token).value}` === sent) this.#tokens.delete(key)
    }
  }

  #known(): Promise<Credentials | undefined> {
    const { credentials, domain, path } = this.#options
    this.#credentials ??= credentials?.(domain, path) ?? Promise.resolve(undefined)
    return this.#credentials
  }
}
