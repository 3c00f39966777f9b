/**
 * Bearer tokens.
 *
 * Spec: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { Challenge } from './challenge.js'
import type { Credentials } from './credentials.js'
import { checkTarget } from './endpoint.js'
import { follow } from './redirects.js'
import { refusal } from './response-error.js'
import { type RetryOptions, withRetries } from './retry.js'
import type { HttpRequest, HttpResponse, Transport } from './transport.js'

export interface Token {
  readonly value: string
  /**
   * The end of its life by the monotonic clock, in milliseconds: the system's clock may be wrong, or be corrected
   * meanwhile.
   */
  readonly expires: number
}

export interface TokenRequest {
  readonly transport: Transport
  readonly registry: URL
  readonly challenge: Challenge
  readonly scopes: readonly string[]
  readonly credentials: Credentials | undefined
  readonly retry: RetryOptions & { readonly signal?: AbortSignal | undefined }
}

/** The token server refuses these credentials, or requires some. */
export class TokenRefused extends ToolError {}

const MAX_BODY = 1024 * 1024
const CLIENT_ID = 'pipelayer'
/** The life of a token for which the server states none, and the shortest that we accept. */
const DEFAULT_LIFE_S = 60
/** A token is not used any more when it expires within this time. */
const MARGIN_MS = 5_000

/**
 * Asks the token server that a challenge names. It may grant fewer actions than we asked for.
 *
 * @throws ToolError `ADDRESS_REFUSED`, `UNAUTHORIZED`, `TOKEN_INVALID`; those of a failed request
 */
export async function fetchToken(request: TokenRequest): Promise<Token> {
  const { transport, registry, challenge, retry } = request
  const realm = realmOf(challenge, registry)
  return withRetries(retry, async (_attempt, patience) => {
    const answer = await follow(transport, { ...requestFor(realm, request), patience }, realm)
    if (answer.status === 200) return readToken(answer, realm)
    const error = await refusal(answer, {
      action: `get a token for ${registry.host}`,
      notFound: 'UNAUTHORIZED',
    })
    if (answer.status !== 401 || !(error instanceof ToolError)) throw error
    throw new TokenRefused(error.code, error.message, { cause: error })
  })
}

/** Basic credentials as a header value. */
export function basic({ username = '', password = '' }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function realmOf(challenge: Challenge, registry: URL): URL {
  const realm = challenge.params.get('realm') ?? ''
  if (!URL.canParse(realm)) {
    throw new ToolError(
      'TOKEN_INVALID',
      `${registry.host} wants a token, but names no address to get it from`,
    )
  }
  return checkTarget(new URL(realm), registry)
}

function requestFor(realm: URL, { challenge, scopes, credentials }: TokenRequest): HttpRequest {
  const service = challenge.params.get('service')
  if (credentials?.identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: credentials.identityToken,
      client_id: CLIENT_ID,
      scope: scopes.join(' '),
      ...(service !== undefined && { service }),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
    return { method: 'POST', url: realm, headers, body: Buffer.from(form.toString()) }
  }
  const url = new URL(realm)
  if (service !== undefined) url.searchParams.set('service', service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  const isKnown = credentials?.username !== undefined
  if (isKnown) url.searchParams.set('account', credentials.username)
  const headers = { accept: 'application/json', ...(isKnown && { authorization: basic(credentials) }) }
  return { method: 'GET', url, headers }
}

async function readToken(response: HttpResponse, realm: URL): Promise<Token> {
  const body = await response.body.bytes(MAX_BODY)
  let answer: Readonly<Record<string, unknown>> = {}
  try {
    answer = JSON.parse(body?.toString('utf8') ?? '') as Readonly<Record<string, unknown>>
  } catch {
    // The error is thrown below, without the server's text, which may contain a secret.
  }
  const value = answer?.token || answer?.access_token
  // A header value must not hold a line break.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new ToolError('TOKEN_INVALID', `the token server ${realm.host} sent no token`)
  }
  const life = typeof answer.expires_in === 'number' ? answer.expires_in : DEFAULT_LIFE_S
  return { value, expires: performance.now() + Math.max(life, DEFAULT_LIFE_S) * 1000 - MARGIN_MS }
}
