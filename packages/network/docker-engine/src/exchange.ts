import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http'
import type { EngineAddress } from './address.js'
import { unreachable } from './failure.js'

export interface EngineRequest {
  readonly method: 'GET' | 'POST'
  /** From its first slash on, without the base of the address. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal | undefined
  /** Give up when nothing was heard for so long: milliseconds. */
  readonly idleMs?: number
}

/**
 * Begins a request; the caller ends it. Each has a connection of its own, since the ones that matter take the whole of
 * it.
 */
export async function begin(address: EngineAddress, request: EngineRequest): Promise<ClientRequest> {
  const { target, base, tls } = address
  const { method, path, headers, signal, idleMs } = request
  const options: RequestOptions = {
    ...target,
    method,
    path: `${base}${path}`,
    // On a socket there is no host, and engines take any.
    headers: { ...('socketPath' in target && { host: 'docker' }), ...headers },
    agent: false,
    ...(signal && { signal }),
  }
  const begun =
    tls === undefined
      ? (await import('node:http')).request(options)
      : (await import('node:https')).request({ ...options, ...tls })
  if (idleMs !== undefined)
    begun.setTimeout(idleMs, () => {
      begun.destroy(Object.assign(new Error('it does not answer'), { code: 'ETIMEDOUT' }))
    })
  return begun
}

/** The head of the answer. @throws what {@link unreachable} makes of a failure of the connection */
export function answerTo(request: ClientRequest, address: EngineAddress): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve)
    // A later failure is one of the body, whose reader learns of it.
    request.on('error', error => reject(unreachable(error, address)))
    request.once('close', () => reject(unreachable(new Error('closed'), address)))
  })
}

/** A request without a body, and the head of its answer. */
export async function ask(address: EngineAddress, request: EngineRequest): Promise<IncomingMessage> {
  const begun = await begin(address, request)
  const answer = answerTo(begun, address)
  begun.end()
  return answer
}
