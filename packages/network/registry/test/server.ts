import http from 'node:http'
import net, { type AddressInfo } from 'node:net'

/** The part of tap that is needed to clean up after a test. */
export interface Scope {
  teardown(action: () => void | Promise<void>): void
}

/** A request as the server saw it. */
export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export type Handler = (request: Seen, response: http.ServerResponse) => void

export interface Server {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly seen: Seen[]
}

/** Starts a server on loopback that does what `handler` says; it stops with the test. */
export async function serve(t: Scope, handler: Handler): Promise<Server> {
  const seen: Seen[] = []
  const server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer)
    } catch {
      return
    }
    const { method = '', url = '', headers } = request
    const one = { method, url, headers, body: Buffer.concat(chunks) }
    seen.push(one)
    handler(one, response)
  })
  // As a proxy, the server refuses to open a tunnel.
  server.on('connect', (request: http.IncomingMessage, socket) => {
    seen.push({ method: 'CONNECT', url: request.url ?? '', headers: request.headers, body: Buffer.alloc(0) })
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n', () => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    return new Promise<void>(resolve => server.close(() => resolve()))
  })
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

/** Answers with each handler in turn; the last one goes on for ever. */
export function inTurn(...handlers: readonly Handler[]): Handler {
  let count = 0
  return (request, response) => handlers[Math.min(count++, handlers.length - 1)]?.(request, response)
}

/** An answer of fixed status, headers and body. */
export function answer(
  status: number,
  headers: http.OutgoingHttpHeaders = {},
  body: string | Buffer = '',
): Handler {
  return (_request, response) => void response.writeHead(status, headers).end(body)
}

/** A server that answers every request with these bytes, one for each character, and hangs up. */
export async function serveBytes(
  t: Scope,
  bytes: string,
): Promise<{ readonly host: string; readonly asked: () => number }> {
  let asked = 0
  const server = net.createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      asked++
      socket.end(Buffer.from(bytes, 'latin1'))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise<void>(resolve => server.close(() => resolve())))
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked: () => asked }
}
