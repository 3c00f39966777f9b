import { ToolError } from '@pipelayer/errors'
import type { Network } from './dispatchers.js'
import { redacted } from './endpoint.js'
import { follow } from './redirects.js'
import { refusal } from './response-error.js'
import { DEFAULT_RETRY, type OnRetry, type RetryOptions, withRetries } from './retry.js'
import { type HttpResponse, type Timeouts, Transport } from './transport.js'

export interface DownloadOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** The environment, for the settings of proxies. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  readonly signal?: AbortSignal | undefined
  readonly retry?: Partial<RetryOptions> | undefined
  readonly onRetry?: OnRetry | undefined
  readonly timeouts?: Partial<Timeouts> | undefined
  /** Replaces the resolver and the sockets of the system. */
  readonly network?: Network | undefined
}

/** An answer that is being read. `status` is 200, or 304 where the caller's headers allow it. */
export type Download = Pick<HttpResponse, 'status' | 'header' | 'body'>

/**
 * Opens a file on the web, outside of a registry. It follows redirects and repeats requests after temporary failures.
 * Name and password in the address become Basic credentials for that origin alone. The bytes are those that the server
 * sends: no content encoding is asked for, and none is decoded.
 *
 * @throws ToolError `ADDRESS_INVALID`; `NOT_FOUND` for 404 and the code of another refusal; those of redirects and
 * connections
 */
export async function download<T>(
  address: string,
  options: DownloadOptions,
  read: (answer: Download) => Promise<T>,
): Promise<T> {
  const { url, headers } = requestFor(address, options.headers)
  const transport = new Transport({ ...options, origin: url.origin })
  const policy = { ...DEFAULT_RETRY, ...options.retry, signal: options.signal, onRetry: options.onRetry }
  try {
    return await withRetries(policy, async (_attempt, patience) => {
      const answer = await follow(transport, { method: 'GET', url, headers, patience }, url)
      if (answer.status !== 200 && answer.status !== 304)
        throw await refusal(answer, { action: `get ${redacted(url)}`, notFound: 'NOT_FOUND' })
      return await read(answer)
    })
  } finally {
    await transport.close()
  }
}

function requestFor(
  address: string,
  headers: DownloadOptions['headers'],
): { readonly url: URL; readonly headers: Readonly<Record<string, string>> } {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new ToolError('ADDRESS_INVALID', `not an http address: ${JSON.stringify(address.slice(0, 200))}`)
  const account = `${decoded(url.username)}:${decoded(url.password)}`
  url.username = ''
  url.password = ''
  url.hash = ''
  const basic = account === ':' ? {} : { authorization: `Basic ${Buffer.from(account).toString('base64')}` }
  return { url, headers: { 'accept-encoding': 'identity', ...basic, ...headers } }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
