import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { messageOf, systemError, ToolError } from '@pipelayer/errors'
import { ReferrerCache } from '@pipelayer/oci'
import { deleteBlob, getBlob } from './blobs.js'
import { Certificate, type CertificateFiles } from './certificate.js'
import { answerTo } from './errors.js'
import { Exchange } from './exchange.js'
import { checkHost } from './host-check.js'
import type { Htpasswd } from './htpasswd.js'
import { deleteManifest, getManifest, putManifest } from './manifests.js'
import { getCatalog, getTags } from './pages.js'
import { getReferrers } from './referrers.js'
import type { Handler, Registry } from './registry.js'
import { parseTarget, type Route } from './route.js'
import type { RegistryStorage } from './storage.js'
import { deleteUpload, getUpload, patchUpload, putUpload, startUpload } from './upload-routes.js'
import { Uploads } from './uploads.js'

/** How much clients may take. */
export interface ServerLimits {
  /** The largest blob, in bytes; unlimited unless given. */
  readonly maxBlobBytes?: number
  /** How many uploads may be open at the same time; 1000 unless given. */
  readonly maxUploads?: number
  /** An upload that nobody has written to for so long is given up. */
  readonly uploadExpiryMs: number
  /** A connection on which nothing has moved for so long is closed. */
  readonly idleMs?: number
}

export interface ServerOptions {
  readonly storage: RegistryStorage
  readonly host: string
  /** 0 stands for any free port. */
  readonly port: number
  /** Without it the server speaks plain HTTP. The files are read again when they change. */
  readonly tls?: CertificateFiles
  /** The users that may use the server; without it everybody may. */
  readonly users?: Htpasswd
  /** Names that a server without users answers to, in addition to IP addresses, localhost and `host`. */
  readonly names?: readonly string[]
  readonly readOnly?: boolean
  readonly limits: ServerLimits
  /** The clock, in milliseconds. */
  now(): number
  /** Writes a warning for the operator of the server. */
  warn(message: string, code?: string): void
}

const ROUTES: Readonly<Record<Route['kind'], Readonly<Record<string, Handler>>>> = {
  base: { GET: ({ exchange }) => exchange.sendJSON({}) },
  catalog: { GET: getCatalog },
  tags: { GET: getTags },
  manifest: { GET: getManifest, PUT: putManifest, DELETE: deleteManifest },
  blob: { GET: getBlob, DELETE: deleteBlob },
  referrers: { GET: getReferrers },
  uploads: { POST: startUpload },
  upload: { GET: getUpload, PATCH: patchUpload, PUT: putUpload, DELETE: deleteUpload },
}
const MAX_HEADER_BYTES = 16 * 1024
const HEADERS_MS = 30_000
const IDLE_MS = 120_000
const MAX_UPLOADS = 1000
/** Seconds after which a client that was refused for too many requests may try again. */
const RETRY_S = 5
const SWEEP_MS = 3_600_000
/** How long a client may go on sending a body that is not wanted, so that it reads the answer. */
const LINGER_MS = 2000
/** Codes of errors for a client that leaves in the middle of an answer. */
const HUNG_UP: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE'])
const CHALLENGE = 'Basic realm="registry", charset="UTF-8"'

/**
 * A registry server that listens for requests.
 *
 * ```ts
 * const server = await RegistryServer.start(options)
 * console.log(server.url)
 * await server.close(5000)
 * ```
 */
export class RegistryServer {
  readonly #options: ServerOptions
  readonly #registry: Registry
  readonly #names: ReadonlySet<string>
  readonly #server: http.Server
  #sweeper: NodeJS.Timeout | undefined
  #isClosing = false

  private constructor(options: ServerOptions) {
    this.#options = options
    const { storage, now, warn } = options
    const {
      maxBlobBytes = Number.MAX_SAFE_INTEGER,
      maxUploads = MAX_UPLOADS,
      uploadExpiryMs,
    } = options.limits
    const limits = { maxBytes: maxBlobBytes, maxOpen: maxUploads, expiryMs: uploadExpiryMs }
    const uploads = new Uploads({ ...limits, now })
    this.#registry = { storage, uploads, warn, referrers: new ReferrerCache() }
    this.#names = new Set([options.host, ...(options.names ?? [])].map(name => name.toLowerCase()))
    this.#server = this.#makeServer()
  }

  /**
   * Starts to listen.
   *
   * @throws {ToolError} `TLS_INVALID`: certificate and key cannot be used; `EADDRINUSE` and its like
   */
  static async start(options: ServerOptions): Promise<RegistryServer> {
    const server = new RegistryServer(options)
    await server.#listen()
    if (!options.readOnly) await server.#keepSwept()
    return server
  }

  /** The address on which the server listens, as `HOST:PORT`. */
  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  }

  get url(): string {
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${this.address}`
  }

  /** Accepts no more requests, and returns when the running ones have ended, or after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    this.#isClosing = true
    clearInterval(this.#sweeper)
    const closed = new Promise<void>(resolve => this.#server.close(() => resolve()))
    this.#server.closeIdleConnections()
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs)
    await closed
    clearTimeout(timer)
  }

  #makeServer(): http.Server {
    const { tls, limits } = this.#options
    const { idleMs = IDLE_MS } = limits
    // An upload may take hours as long as it moves: only the headers have a deadline.
    const bounds = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_MS, requestTimeout: 0 }
    const server =
      tls === undefined ? http.createServer(bounds) : this.#tlsServer(new Certificate(tls), bounds)
    server.timeout = idleMs
    server.on('request', (request, response) => this.#answer({ request, response, expectsContinue: false }))
    server.on('checkContinue', (request, response) =>
      this.#answer({ request, response, expectsContinue: true }),
    )
    return server
  }

  #tlsServer(certificate: Certificate, limits: http.ServerOptions): https.Server {
    const minVersion = 'TLSv1.2'
    const server = https.createServer({
      ...limits,
      ...certificate.pem,
      minVersion,
      handshakeTimeout: HEADERS_MS,
    })
    // The check comes before the handshake, so that this connection gets the new certificate.
    server.prependListener('connection', () => {
      try {
        const pem = certificate.changed()
        if (pem !== undefined) server.setSecureContext({ ...pem, minVersion })
      } catch (error) {
        this.#options.warn(`the certificate stays as it was: ${messageOf(error)}`)
      }
    })
    return server
  }

  #listen(): Promise<void> {
    const { host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', error => reject(systemError(error, `listen on ${host}:${port}`)))
      this.#server.listen({ host, port }, resolve)
    })
  }

  async #keepSwept(): Promise<void> {
    const sweep = async (): Promise<void> => {
      try {
        this.#registry.uploads.sweep(await this.#options.storage.uploadFolders())
      } catch (error) {
        this.#options.warn(`cannot remove old uploads: ${messageOf(error)}`)
      }
    }
    await sweep()
    this.#sweeper = setInterval(sweep, SWEEP_MS).unref()
  }

  async #answer(call: Omit<ConstructorParameters<typeof Exchange>[0], 'query'>): Promise<void> {
    const { request, response } = call
    response.setHeader('Docker-Distribution-API-Version', 'registry/2.0')
    response.setHeader('X-Content-Type-Options', 'nosniff')
    response.once('close', () => this.#isClosing && this.#server.closeIdleConnections())
    try {
      const { route, query } = parseTarget(request.url ?? '')
      const exchange = new Exchange({ ...call, query })
      await this.#admit(exchange)
      const { name, item } = { name: '', item: '', ...route }
      await this.#handlerFor(route, exchange)({ registry: this.#registry, exchange, name, item })
    } catch (error) {
      this.#refuse(request, response, error)
    }
    if (!request.complete) linger(request, response)
  }

  async #admit(exchange: Exchange): Promise<void> {
    const { users } = this.#options
    if (users === undefined) {
      const [host, origin] = [exchange.header('host'), exchange.header('origin')]
      return checkHost({ host, origin }, this.#names)
    }
    const source = exchange.request.socket.remoteAddress
    if (await users.accepts(exchange.header('authorization'), source)) return
    exchange.response.setHeader('WWW-Authenticate', CHALLENGE)
    throw new ToolError('UNAUTHORIZED', 'name and password are needed')
  }

  #handlerFor(route: Route, { request, response }: Exchange): Handler {
    const method = request.method ?? ''
    const handlers = ROUTES[route.kind]
    const reading = Object.keys(handlers).filter(name => name === 'GET')
    const allowed = this.#options.readOnly ? reading : Object.keys(handlers)
    const name = method === 'HEAD' ? 'GET' : method
    const handler = allowed.includes(name) ? handlers[name] : undefined
    if (handler !== undefined) return handler
    response.setHeader('Allow', (allowed.includes('GET') ? [...allowed, 'HEAD'] : allowed).join(', '))
    const why =
      handlers[name] === undefined ? 'is not known here' : 'is not allowed: the registry is read-only'
    throw new ToolError('UNSUPPORTED', `${method} ${why}`)
  }

  #refuse(request: http.IncomingMessage, response: http.ServerResponse, error: unknown): void {
    const { status, code, message, isOurs } = answerTo(error)
    // A client that has left gets no answer, and this is no failure of the server.
    if ((request.destroyed && !request.complete) || HUNG_UP.has(errorCode(error))) return
    if (isOurs) this.#options.warn(`${request.method} ${request.url}: ${messageOf(error)}`, code)
    if (response.headersSent) {
      response.destroy()
      return
    }
    const body = Buffer.from(`${JSON.stringify({ errors: [{ code, message }] })}\n`)
    if (status === 429) response.setHeader('Retry-After', RETRY_S)
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length })
    response.end(request.method === 'HEAD' ? undefined : body)
  }
}

function errorCode(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : undefined
}

// Used where the answer is sent before the whole body has arrived. The client may finish the body within a limited
// time.
function linger(request: http.IncomingMessage, response: http.ServerResponse): void {
  request.resume()
  const timer = setTimeout(() => request.destroy(), LINGER_MS).unref()
  request.once('close', () => clearTimeout(timer))
  response.once('error', () => clearTimeout(timer))
}
