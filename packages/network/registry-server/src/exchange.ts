import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { type Digest, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'

/** One request and its answer. */
export class Exchange {
  readonly request: IncomingMessage
  readonly query: URLSearchParams
  readonly response: ServerResponse
  readonly #expectsContinue: boolean

  constructor(options: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly query: URLSearchParams
    /** Whether the client waits for "100 Continue" before it sends the body. */
    readonly expectsContinue: boolean
  }) {
    this.request = options.request
    this.response = options.response
    this.query = options.query
    this.#expectsContinue = options.expectsContinue
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  /** Bytes of the body; undefined when the client does not state them. */
  get length(): number | undefined {
    const text = this.header('content-length')
    if (text !== undefined) return Number(text)
    return this.header('transfer-encoding') === undefined ? 0 : undefined
  }

  /**
   * The body. The first read sends "100 Continue" to a client that waits for it. Leaving the loop keeps the connection,
   * so that the client can be told why.
   */
  async *body(): AsyncGenerator<Buffer, void, undefined> {
    if (this.#expectsContinue) this.response.writeContinue()
    yield* this.request.iterator({ destroyOnReturn: false })
  }

  /** Reads the body into memory. @throws {ToolError} `DOCUMENT_TOO_LARGE` */
  async document(maxBytes: number): Promise<Buffer> {
    const tooLarge = (): ToolError =>
      new ToolError('DOCUMENT_TOO_LARGE', `the document has more than ${maxBytes} bytes`)
    if ((this.length ?? 0) > maxBytes) throw tooLarge()
    const chunks: Buffer[] = []
    let size = 0
    for await (const chunk of this.body()) {
      size += chunk.length
      if (size > maxBytes) throw tooLarge()
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  /** Runs work during which nothing is sent, with the idle limit of the connection switched off. */
  async patiently<T>(work: () => Promise<T>): Promise<T> {
    const { socket } = this.request
    const { timeout = 0 } = socket as Socket & { readonly timeout?: number }
    socket.setTimeout(0)
    try {
      return await work()
    } finally {
      socket.setTimeout(timeout)
    }
  }

  /** Ends the answer; HEAD gets the headers of the body. */
  send(status: number, headers: Readonly<Record<string, string | number>>, body: Buffer | string = ''): void {
    const bytes = Buffer.from(body)
    const length = status === 204 || status === 304 ? {} : { 'Content-Length': bytes.length }
    this.response.writeHead(status, { ...length, ...headers })
    this.response.end(this.request.method === 'HEAD' ? undefined : bytes)
  }

  sendJSON(value: unknown, headers: Readonly<Record<string, string>> = {}): void {
    this.send(200, { 'Content-Type': 'application/json', ...headers }, `${JSON.stringify(value)}\n`)
  }

  /** True when the client already has this version. Spec: RFC 9110, 13.1.2. */
  isKnown(digest: Digest): boolean {
    const tags = (this.header('if-none-match') ?? '').split(',').map(tag => tag.trim().replace(/^W\//, ''))
    return tags.includes('*') || tags.includes(`"${digest}"`)
  }

  /** The digest in the query. @throws {ToolError} `DIGEST_INVALID` */
  digestParameter(): Digest {
    const text = this.query.get('digest')
    if (text === null) throw new ToolError('DIGEST_INVALID', 'the parameter "digest" is missing')
    return parseDigest(text)
  }
}
