/**
 * Sends single HTTP requests. It follows no redirects, interprets no status, and repeats nothing.
 *
 * @module
 */
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import type { Dispatcher } from 'undici'
import { Body } from './body.js'
import type { Budget } from './budget.js'
import type { Dispatchers, Network, TlsSettings } from './dispatchers.js'
import { redacted } from './endpoint.js'
import type { Patience } from './patience.js'
import { RetryableError } from './retry.js'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Bytes, or a function that opens a stream of them, since a body may be sent more than once. */
  readonly body?: Uint8Array | (() => AsyncIterable<Buffer>)
  /** Limits all waits of this request, including those for its body and for the body of its answer. */
  readonly patience?: Patience | undefined
}

export interface HttpResponse {
  readonly status: number
  readonly url: URL
  readonly body: Body
  /** The value of a header; several are joined by commas. */
  header(name: string): string | undefined
}

export interface Timeouts {
  readonly connectMs: number
  /** The time until the first byte of the answer. A registry hashes a whole upload before it answers. */
  readonly headersMs: number
  /** The time between two pieces of a body. */
  readonly bodyMs: number
}

export interface TransportOptions {
  readonly timeouts?: Partial<Timeouts> | undefined
  readonly signal?: AbortSignal | undefined
  /**
   * Origin of the registry, which alone gets the client certificate, and whose address decides where it may send us.
   */
  readonly origin?: string | undefined
  readonly network?: Network | undefined
  readonly tls?: TlsSettings | undefined
  readonly budget?: Budget | undefined
  /** The environment with HTTPS_PROXY and the like. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
}

const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 20_000, headersMs: 300_000, bodyMs: 60_000 }
const USER_AGENT = 'pipelayer'

/** Sends requests over kept connections. */
export class Transport {
  readonly #options: TransportOptions
  #dispatchers: Promise<Dispatchers> | undefined
  readonly #stop = (): void => void this.close()

  constructor(options: TransportOptions = {}) {
    this.#options = options
    options.signal?.addEventListener('abort', this.#stop)
  }

  /**
   * @throws RetryableError when there is no answer, or one that is not HTTP (`RESPONSE_INVALID`); ToolError
   * `TLS_FAILED` when another try cannot help, `TIME_LIMIT` when the time of `patience` is over; errors of the
   * request's body
   */
  async send(request: HttpRequest): Promise<HttpResponse> {
    this.#options.signal?.throwIfAborted()
    const { url } = request
    await this.#options.budget?.turn(url.host, this.#options.signal)
    this.#dispatchers ??= openDispatchers(this.#options)
    const dispatcher = await (await this.#dispatchers).for(url)
    return new Promise((resolve, reject) => {
      const sent = options(request)
      const failed = (error: Error): Error => (sent.failure === error ? error : translate(error, request))
      const { patience } = request
      try {
        dispatcher.dispatch(sent.options, new Handler({ url, resolve, reject, failed, sent, patience }))
      } catch (error) {
        patience?.rest()
        // The request cannot be sent at all, for example because a header has forbidden characters.
        reject(failed(error as Error))
      }
    })
  }

  /** Closes the connections; requests that still run fail. */
  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#stop)
    await (await this.#dispatchers)?.close()
  }
}

// Nearly every program has this code, and few of its runs need it: loading it and Node's TLS takes 10 ms.
async function openDispatchers(options: TransportOptions): Promise<Dispatchers> {
  const { Dispatchers } = await import('./dispatchers.js')
  return new Dispatchers({ ...options, timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts } })
}

interface Answer {
  readonly url: URL
  readonly failed: (error: Error) => Error
  readonly sent: Sent
  readonly patience: Patience | undefined
  resolve(response: HttpResponse): void
  reject(error: Error): void
}

class Handler implements Dispatcher.DispatchHandler {
  readonly #answer: Answer
  #body: Body | undefined
  #controller: Dispatcher.DispatchController | undefined
  #expired: Error | undefined

  constructor(answer: Answer) {
    this.#answer = answer
    answer.patience?.wait(error => this.#expire(error))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#expired !== undefined) controller.abort(this.#expired)
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: Headers): void {
    if (status < 200) return
    const { url, failed, resolve, sent, patience } = this.#answer
    sent.isAnswered = true
    patience?.rest()
    const body = new Body(controller, failed, patience)
    this.#body = body
    const header = (name: string): string | undefined => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
    resolve({ status, url, body, header })
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#body?.push(chunk)
  }

  onResponseEnd(): void {
    this.#body?.end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#answer.patience?.rest()
    if (this.#body === undefined) this.#answer.reject(this.#answer.failed(error))
    else this.#body.end(error)
  }

  // Without a connection there is nothing to abort yet.
  #expire(error: Error): void {
    this.#expired = error
    this.#answer.reject(this.#answer.failed(error))
    this.#controller?.abort(error)
  }
}

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** A request as undici takes it. */
interface Sent {
  readonly options: Dispatcher.DispatchOptions
  /** The error of the request's body. undici reports it in the same way as a broken answer. */
  failure: unknown
  isAnswered: boolean
}

function options({ method, url, headers = {}, body, patience }: HttpRequest): Sent {
  const pausing = (): void => (sent.isAnswered ? undefined : patience?.rest())
  const watched = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    try {
      pausing()
      for await (const chunk of source) {
        if (!sent.isAnswered) patience?.resume()
        yield chunk
        patience?.came(chunk.length)
        pausing()
      }
      if (!sent.isAnswered) patience?.resume()
    } catch (error) {
      sent.failure = error
      throw error
    }
  }
  const sent: Sent = {
    failure: undefined,
    isAnswered: false,
    options: {
      origin: url.origin,
      path: url.pathname + url.search,
      method,
      headers: { 'user-agent': USER_AGENT, ...headers },
      // undici takes any async iterable; its types know streams only.
      body: (typeof body === 'function' ? watched(body()) : (body ?? null)) as Buffer | null,
    },
  }
  return sent
}

/** Our codes and texts for undici's own codes. */
const CODES: Readonly<Record<string, readonly [code: string, text: string]>> = {
  UND_ERR_CONNECT_TIMEOUT: ['CONNECT_TIMEOUT', 'no connection in time'],
  UND_ERR_HEADERS_TIMEOUT: ['RESPONSE_TIMEOUT', 'no answer in time'],
  UND_ERR_BODY_TIMEOUT: ['BODY_TIMEOUT', 'the answer stalled'],
  UND_ERR_SOCKET: ['CONNECTION_LOST', 'the connection broke'],
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: ['CONNECTION_LOST', 'the answer ended too early'],
  UND_ERR_HEADERS_OVERFLOW: ['RESPONSE_INVALID', 'the headers of the answer are too long'],
}

function translate(error: Error, { method, url }: HttpRequest): Error {
  const what = `${method} ${redacted(url)}`
  if (error instanceof ToolError && error.code === 'TIME_LIMIT')
    return new ToolError(error.code, `cannot ${what}: ${error.message}`, { cause: error, status: 75 })
  if (error instanceof ToolError || error instanceof RetryableError) return error
  const code = String(Reflect.get(error, 'code') ?? '')
  if (/CERT|^ERR_TLS|^ERR_SSL|^EPROTO$|SIGNATURE/.test(code)) {
    return new ToolError(
      'TLS_FAILED',
      `cannot ${what}: no trusted TLS connection: ${error.message.split('\n', 1)[0]}`,
      {
        cause: error,
      },
    )
  }
  if (code === 'UND_ERR_INVALID_ARG') {
    return new ToolError('REQUEST_INVALID', `cannot ${what}: ${error.message}`, { cause: error })
  }
  const known = CODES[code] ?? (code.startsWith('UND_ERR') ? CODES.UND_ERR_SOCKET : undefined)
  if (known !== undefined || errnoOf(error) === undefined) {
    const [name, why] = known ?? ['RESPONSE_INVALID', malformed(error)]
    return new RetryableError(new ToolError(name, `cannot ${what}: ${why}`, { cause: error, status: 75 }))
  }
  const wrapped = systemError(error, what)
  return wrapped instanceof ToolError && wrapped.status === 75
    ? new RetryableError(wrapped)
    : (wrapped as Error)
}

// The parser gives the reason in parentheses, or fails an assertion where a status is below 100. Both are faults of the
// server. Our only part in it is the request's body, whose errors are handled elsewhere.
function malformed(error: Error): string {
  const reason = /^Response does not match the HTTP\/1\.1 protocol \((.*)\)$/.exec(error.message)?.[1]
  return `the answer is not HTTP${reason === undefined ? '' : `: ${reason}`}`
}
