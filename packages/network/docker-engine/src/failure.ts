/**
 * What to throw when an engine cannot be reached, refuses, or breaks off.
 *
 * @module
 */
import type { IncomingMessage } from 'node:http'
import { errnoOf, messageOf, ToolError, visible } from '@pipelayer/errors'
import type { EngineAddress } from './address.js'
import { bytesOf, objectOf } from './answer.js'

const MAX_BODY = 64 * 1024
const MAX_TEXT = 500
const WHERE = 'DOCKER_HOST says where the engine is'

const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: `no engine listens there; is it running? ${WHERE}`,
  ENOENT: `there is no such socket; is the engine running? ${WHERE}`,
  ENOTFOUND: `there is no such host; ${WHERE}`,
  ETIMEDOUT: 'it does not answer',
}
/** Codes of Node and OpenSSL for a certificate that is not trusted, or a server without TLS. */
const TLS = /^(?:ERR_(?:TLS|SSL)_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|EPROTO$)/

/**
 * The error for a connection that was not made, or broke: `ENGINE_UNREACHABLE`, status 75; `ENGINE_DENIED`;
 * `TLS_FAILED`; `ENGINE_INVALID` for what speaks no HTTP. The reason of a signal is returned as it is.
 */
export function unreachable(error: unknown, { text }: EngineAddress): unknown {
  if (error instanceof ToolError || !(error instanceof Error)) return error
  if (error.name === 'AbortError') return error.cause ?? error
  const cannot = `cannot reach a Docker engine at ${visible(text)}`
  const code = String(Reflect.get(error, 'code') ?? '')
  if (code === 'EACCES' || code === 'EPERM') {
    const hint = 'root may use it, and so may members of the group of that socket, often "docker"'
    return new ToolError('ENGINE_DENIED', `${cannot}: permission denied; ${hint}`, { cause: error })
  }
  if (TLS.test(code)) {
    const hint = 'DOCKER_CERT_PATH says where ca.pem is'
    return new ToolError('TLS_FAILED', `${cannot}: ${messageOf(error)}; ${hint}`, { cause: error })
  }
  if (code.startsWith('HPE_'))
    return new ToolError('ENGINE_INVALID', `${cannot}: what listens there speaks no HTTP`, { cause: error })
  const why = UNREACHED[errnoOf(error) ?? ''] ?? 'the connection broke off'
  return new ToolError('ENGINE_UNREACHABLE', `${cannot}: ${why}`, { cause: error, status: 75 })
}

/**
 * The error for an answer that is no success: `ENGINE_FAILED`, with the text of the engine. Its status is 75 where the
 * engine itself is in trouble.
 *
 * @param action - `save the image app:1`
 */
export async function refused(response: IncomingMessage, action: string): Promise<ToolError> {
  const status = response.statusCode ?? 0
  const body = await bytesOf(response, MAX_BODY).catch(() => undefined)
  const said = saidIn(body)
  const message = `the engine cannot ${action}: it answered ${status}${said === '' ? '' : `: ${said}`}`
  return new ToolError('ENGINE_FAILED', message, { status: status === 503 ? 75 : 1 })
}

/** The text of an error in the middle of a body: `ENGINE_FAILED`. */
export function failedLater(text: string, action: string): ToolError {
  return new ToolError('ENGINE_FAILED', `the engine cannot ${action}: ${harmless(text)}`)
}

/** Text of an engine on one line, without characters that a terminal obeys, and with at most 500 characters. */
export function harmless(text: string): string {
  const line = visible(
    text
      .slice(0, 2 * MAX_TEXT)
      .replace(/\s+/g, ' ')
      .trim(),
  )
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}...` : line
}

// Engines answer {"message":"..."}; podman adds {"cause":"...","response":404}.
function saidIn(body: Buffer | undefined): string {
  if (body === undefined) return ''
  const message = objectOf(body)?.message
  return harmless(typeof message === 'string' ? message : body.toString('utf8'))
}
