/**
 * Turns a registry's refusal into an error.
 *
 * ```
 * body = { "errors": [ { "code": "MANIFEST_UNKNOWN", "message": "...", "detail": ... } ] }
 * ```
 *
 * The text comes from outside, so it is shortened, and control characters are removed. Codes keep the names of
 * distribution-spec v1.1, "Error Codes".
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { redacted } from './endpoint.js'
import { RetryableError, retryAfter } from './retry.js'
import type { HttpResponse } from './transport.js'

const MAX_BODY = 64 * 1024
const MAX_TEXT = 500
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504])
const CODES: Readonly<Record<number, string>> = {
  401: 'UNAUTHORIZED',
  403: 'DENIED',
  404: 'NAME_UNKNOWN',
  405: 'UNSUPPORTED',
  413: 'SIZE_INVALID',
  429: 'TOOMANYREQUESTS',
}

/** The action that was tried, for the message, and the code for a 404 without a body. */
export interface Attempt {
  /** `get manifest docker.io/library/debian:12` */
  readonly action: string
  readonly notFound?: string | undefined
}

/** Reads a refusal and returns what to throw: a RetryableError (status 75 in the end), or a ToolError of status 1. */
export async function refusal(response: HttpResponse, attempt: Attempt): Promise<Error> {
  const { status, url } = response
  const [detail] = await details(response)
  const fallback = status === 404 && attempt.notFound !== undefined ? attempt.notFound : CODES[status]
  const code = detail?.code ?? fallback ?? (status >= 500 ? 'SERVER_ERROR' : 'REGISTRY_REFUSED')
  const said = detail?.message ? `: ${detail.message}` : ''
  const message = `cannot ${attempt.action}: ${redacted(url)} answered ${status}${said}`
  if (!TEMPORARY.has(status)) return new ToolError(code, message, { status: status >= 500 ? 75 : 1 })
  const wait = retryAfter(response.header('retry-after'), serverTime(response))
  return new RetryableError(new ToolError(code, message, { status: 75 }), wait)
}

// The time of the server's clock, to which a date in Retry-After refers: our own clock may be wrong.
function serverTime(response: HttpResponse): number {
  const date = Date.parse(response.header('date') ?? '')
  return Number.isNaN(date) ? Date.now() : date
}

/** Text from outside on one line, without control characters and with at most 500 characters. */
export function harmless(text: string): string {
  const line = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ').trim()
  return line.length > MAX_TEXT ? `${line.slice(0, MAX_TEXT)}...` : line
}

interface Detail {
  readonly code?: string
  readonly message: string
}

async function details(response: HttpResponse): Promise<readonly Detail[]> {
  const body = await response.body.bytes(MAX_BODY).catch(() => undefined)
  if (body === undefined || body.length === 0) return []
  const text = body.toString('utf8')
  const errors = listIn(text)
  const list = errors.flatMap(detailOf)
  const isPage = /^\s*</.test(text)
  return list.length > 0 ? list : [{ message: isPage ? 'with a web page' : harmless(text) }]
}

function listIn(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    const errors: unknown =
      typeof value === 'object' && value !== null ? Reflect.get(value, 'errors') : undefined
    return Array.isArray(errors) ? errors : [value]
  } catch {
    return []
  }
}

function detailOf(value: unknown): Detail[] {
  if (typeof value !== 'object' || value === null) return []
  const code: unknown = Reflect.get(value, 'code')
  const text: unknown = Reflect.get(value, 'message') ?? Reflect.get(value, 'details')
  const message = typeof text === 'string' ? harmless(text) : ''
  const isCode = typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)
  return isCode || message !== '' ? [{ message, ...(isCode && { code }) }] : []
}
