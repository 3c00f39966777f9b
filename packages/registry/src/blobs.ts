import { parseDigest, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { nameOf } from './manifests.js'
import { pause, RetryableError } from './retry.js'
import type { Session } from './session.js'
import type { HttpResponse } from './transport.js'

/** A broken transfer that got so far is worth as many tries again. */
const PROGRESS_BYTES = 1024 * 1024

/** Asks whether the repository has a blob. One of another size is another blob. */
export async function hasBlob(session: Session, { digest, size }: Descriptor): Promise<boolean> {
  const response = await session.request({
    method: 'HEAD',
    target: `blobs/${parseDigest(digest)}`,
    headers: { 'accept-encoding': 'identity' },
    actions: ['pull'],
    expect: [200, 404],
    action: `look for blob ${nameOf(session, digest)}`,
  })
  response.body.cancel()
  const length = contentLength(response)
  return response.status === 200 && (length === undefined || length === 0 || length === size)
}

/**
 * Fetches a blob and checks it: when the last chunk has come out, size and digest were right. Before that nothing of
 * it is to be believed.
 *
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`, `DIGEST_UNSUPPORTED`; those of {@link streamBlob}
 */
export async function* readBlob(
  session: Session,
  descriptor: Descriptor,
): AsyncGenerator<Buffer, void, undefined> {
  yield* verified(streamBlob(session, descriptor), descriptor)
}

/**
 * Fetches a blob as it comes, for a writer that checks it anyway: hashing costs more than all the rest. A transfer
 * that breaks goes on where it stopped.
 *
 * @throws ToolError `BLOB_UNKNOWN`, `SIZE_MISMATCH` where the size is announced, `CONTENT_ENCODED`, `RANGE_INVALID`;
 * those of a refusal; status 75 when the registry does not answer
 */
export async function* streamBlob(
  session: Session,
  descriptor: Descriptor,
): AsyncGenerator<Buffer, void, undefined> {
  let received = 0
  let proven = 0
  for (let failures = 0; ; ) {
    try {
      for await (const chunk of attempt(session, descriptor, received)) {
        received += chunk.length
        yield chunk
      }
      return
    } catch (error) {
      if (!(error instanceof RetryableError)) throw error
      failures = received - proven >= PROGRESS_BYTES ? 1 : failures + 1
      proven = received
      if (failures >= session.retry.tries) throw error.final
      await pause(error, failures, session.retry)
    }
  }
}

async function* attempt(session: Session, descriptor: Descriptor, from: number): AsyncGenerator<Buffer> {
  const action = `get blob ${nameOf(session, descriptor.digest)}`
  const response = await session.once({
    method: 'GET',
    target: `blobs/${parseDigest(descriptor.digest)}`,
    headers: { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) },
    actions: ['pull'],
    expect: from > 0 ? [200, 206] : [200],
    action,
    notFound: 'BLOB_UNKNOWN',
  })
  let skip = from
  try {
    skip -= startOf(response, { descriptor, from, action })
  } catch (error) {
    response.body.cancel()
    throw error
  }
  for await (const chunk of response.body) {
    const kept = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - kept.length
    if (kept.length > 0) yield kept
  }
}

interface Transfer {
  readonly descriptor: Descriptor
  readonly from: number
  readonly action: string
}

// Where the body of an answer starts. A server may ignore the range and send all of it again.
function startOf(response: HttpResponse, { descriptor, from, action }: Transfer): number {
  const encoding = response.header('content-encoding') ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    throw new ToolError(
      'CONTENT_ENCODED',
      `cannot ${action}: it came with Content-Encoding ${encoding.slice(0, 50)}`,
    )
  }
  const { size } = descriptor
  if (response.status === 206) {
    const range = parseContentRange(response.header('content-range') ?? '')
    if (range?.first === from && (range.complete ?? size) === size) return from
    throw new ToolError('RANGE_INVALID', `cannot ${action}: asked for bytes from ${from}, got another part`)
  }
  const length = contentLength(response)
  if (length === undefined || length === size) return 0
  const message = `cannot ${action}: content has the wrong size: expected ${size} bytes, got ${length} bytes`
  throw new ToolError('SIZE_MISMATCH', message)
}

/** The Content-Length of an answer; undefined when there is none that makes sense. */
export function contentLength(response: Pick<HttpResponse, 'header'>): number | undefined {
  const text = response.header('content-length') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

export interface ContentRange {
  readonly first: number
  readonly last: number
  /** Undefined when the server does not say it (`*`). */
  readonly complete: number | undefined
}

/** Reads `bytes 0-499/1234`; undefined when it is something else. Spec: RFC 9110, section 14.4. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(header.trim())
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  const complete = match[3] === '*' ? undefined : Number(match[3])
  return last < first || (complete !== undefined && last >= complete) ? undefined : { first, last, complete }
}
