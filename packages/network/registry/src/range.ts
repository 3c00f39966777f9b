/**
 * One request for a part of a blob.
 *
 * ```
 * Range: bytes=5-18       206, Content-Range: bytes 5-18/19      the part; fewer bytes at its end are allowed
 *                         200                                    all of it: the server ignores ranges
 *                         416                                    the server has no such part
 * ```
 *
 * Spec: RFC 9110, section 14; distribution-spec v1.1, "Pulling blobs"
 *
 * @module
 */
import { parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { nameOf } from './manifests.js'
import type { Patience } from './patience.js'
import type { Session } from './session.js'
import type { HttpResponse } from './transport.js'

/** Bytes `first` to `last` of a blob, both included. */
export interface BlobRange {
  readonly first: number
  readonly last: number
}

export interface RangeRequest {
  /** Undefined asks for the whole blob. */
  readonly range: BlobRange | undefined
  /** The ETag of an earlier part, which this part continues. */
  readonly etag: string | undefined
  readonly patience: Patience
}

/** The part of a blob that a server sends. */
export interface Part {
  /** Offset in the blob at which the body starts; undefined when the server refuses the range. */
  readonly start: number | undefined
  readonly isWhole: boolean
  readonly etag: string | undefined
  readonly body: HttpResponse['body']
}

/**
 * Asks for a part of a blob, or for all of it; the latter without a Range header, which every server understands.
 *
 * @throws ToolError `BLOB_UNKNOWN`, `SIZE_MISMATCH` where the size is announced, `CONTENT_ENCODED`, `RANGE_INVALID`;
 * RetryableError where another try may help
 */
export async function openRange(
  session: Session,
  descriptor: Descriptor,
  { range, etag, patience }: RangeRequest,
): Promise<Part> {
  const action = actionOf(session, descriptor)
  const response = await session.once({
    patience,
    method: 'GET',
    target: `blobs/${parseDigest(descriptor.digest)}`,
    headers: {
      'accept-encoding': 'identity',
      ...(range !== undefined && { range: `bytes=${range.first}-${range.last}` }),
      ...(range !== undefined && etag !== undefined && { 'if-range': etag }),
    },
    actions: ['pull'],
    expect: range === undefined ? [200] : [200, 206, 416],
    action,
    notFound: 'BLOB_UNKNOWN',
  })
  try {
    return read(response, { size: descriptor.size, range, action })
  } catch (error) {
    response.body.cancel()
    throw error
  }
}

/** `get blob docker.io/library/debian@sha256:...` */
export function actionOf(session: Session, { digest }: Descriptor): string {
  return `get blob ${nameOf(session, digest)}`
}

function read(
  response: HttpResponse,
  { size, range, action }: { size: number; range: BlobRange | undefined; action: string },
): Part {
  const { body, status } = response
  if (status === 416) {
    body.cancel()
    return { start: undefined, isWhole: false, etag: undefined, body }
  }
  const encoding = response.header('content-encoding') ?? 'identity'
  if (encoding.toLowerCase() !== 'identity') {
    const message = `cannot ${action}: it came with Content-Encoding ${encoding.slice(0, 50)}`
    throw new ToolError('CONTENT_ENCODED', message)
  }
  const etag = strongTag(response.header('etag'))
  if (status === 206) {
    const got = parseContentRange(response.header('content-range') ?? '')
    const isAsked = got?.first === range?.first && (got?.last ?? 0) <= (range?.last ?? 0)
    if (got !== undefined && isAsked && (got.complete ?? size) === size)
      return { start: got.first, isWhole: false, etag, body }
    const asked = `asked for bytes ${range?.first} to ${range?.last}`
    throw new ToolError('RANGE_INVALID', `cannot ${action}: ${asked}, got another part`)
  }
  const length = contentLength(response)
  if (length === undefined || length === size) return { start: 0, isWhole: true, etag, body }
  const message = `cannot ${action}: content has the wrong size: expected ${size} bytes, got ${length} bytes`
  throw new ToolError('SIZE_MISMATCH', message)
}

// A weak ETag does not promise the same bytes, and If-Range must not contain one.
function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[\x21\x23-\x7e]{1,200}"$/.test(etag) ? etag : undefined
}

/** The Content-Length of an answer; undefined when it is missing or invalid. */
export function contentLength(response: Pick<HttpResponse, 'header'>): number | undefined {
  const text = response.header('content-length') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

export interface ContentRange extends BlobRange {
  /** The size of the whole blob; undefined when the server does not state it (`*`). */
  readonly complete: number | undefined
}

/** Reads `bytes 0-499/1234`; undefined for any other form. Spec: RFC 9110, section 14.4. */
export function parseContentRange(header: string): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i.exec(header.trim())
  if (match === null) return undefined
  const [first, last] = [Number(match[1]), Number(match[2])]
  const complete = match[3] === '*' ? undefined : Number(match[3])
  return last < first || (complete !== undefined && last >= complete) ? undefined : { first, last, complete }
}
