import { setTimeout as sleep } from 'node:timers/promises'
import { ToolError } from '@pipelayer/errors'
import { Patience } from './patience.js'

export interface RetryOptions {
  /** How often a request is sent, at most. */
  readonly tries: number
  /** The wait before the second try; it doubles from try to try. */
  readonly baseMs: number
  /** The longest wait where the server asks for none. */
  readonly maxMs: number
  /** The longest wait that a server may ask for with Retry-After. */
  readonly maxAskedMs: number
  /** The longest that servers may keep us waiting in all tries together: see {@link Patience}. */
  readonly totalMs: number
}

export const DEFAULT_RETRY: RetryOptions = {
  tries: 5,
  baseMs: 300,
  maxMs: 30_000,
  maxAskedMs: 120_000,
  totalMs: 600_000,
}

/** Called for every failure that is followed by another try. */
export type OnRetry = (failure: ToolError, waitMs: number) => void

/** The policy for repeating the requests of one repository. */
export interface RetryPolicy extends RetryOptions {
  readonly signal?: AbortSignal | undefined
  readonly onRetry?: OnRetry | undefined
}

/** The policy for one request, with the time that is left for it. */
export interface RetryState extends RetryPolicy {
  readonly patience: Patience
}

/** A failure after which another try may succeed. */
export class RetryableError extends Error {
  /** The error to throw when no try is left. */
  readonly final: ToolError
  readonly waitMs: number | undefined

  constructor(final: ToolError, waitMs?: number) {
    super(final.message, { cause: final })
    this.final = final
    this.waitMs = waitMs
  }
}

/**
 * Runs `work` until it does not throw a {@link RetryableError}, a limited number of times. Waits are jittered, so that
 * many clients do not try again at the same moment.
 *
 * @throws the `final` error of the last try, and `TIME_LIMIT` as {@link pause}; whatever else `work` throws
 */
export async function withRetries<T>(
  options: RetryPolicy,
  work: (attempt: number, patience: Patience) => Promise<T>,
): Promise<T> {
  const patience = new Patience(options.totalMs)
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt, patience)
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error
      if (attempt >= options.tries || options.signal?.aborted) throw error.final
      await pause(error, attempt, { ...options, patience })
    }
  }
}

/**
 * Waits before the next try; throws `error.final` when the signal comes first.
 *
 * @throws ToolError `TIME_LIMIT` at once when the wait is longer than the time that is left
 */
export async function pause(error: RetryableError, attempt: number, state: RetryState): Promise<void> {
  const { baseMs, maxMs, maxAskedMs, signal, onRetry, patience } = state
  const backoff = Math.min(baseMs * 2 ** (attempt - 1) * (0.5 + Math.random()), maxMs)
  const ms = Math.max(backoff, Math.min(error.waitMs ?? 0, maxAskedMs))
  if (ms > patience.leftMs) {
    const { code, message } = patience.refusal()
    throw new ToolError(code, `${error.final.message}; ${message}`, { cause: error.final, status: 75 })
  }
  patience.spend(ms)
  onRetry?.(error.final, ms)
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal })
  } catch {
    throw error.final
  }
}

/**
 * Milliseconds that a Retry-After header asks for, as seconds or as a date.
 *
 * @param now - by the clock of the server, which may not be ours
 */
export function retryAfter(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
